"""``config/model_targets.toml``: what regressors estimate, as frozen nouns."""

from __future__ import annotations

from pathlib import Path

from qhsink.config.parsing import (
    Section,
    Share,
    by_id,
    parse_nouns,
    parse_section,
    read_toml,
)
from qhsink.domain.errors import BadInput, ConfigError
from qhsink.domain.model_target import Ecosystem, ModelTarget, ModelTargets, Standing

_FILE = "model_targets.toml"
_TABLES = ("target", "ecosystem", "precedence")


class _Precedence(Section):
    """Which class holds where several come near to the greatest probability."""

    tie: Share
    source: str
    status: Standing


def load_model_targets(project: Path) -> ModelTargets:
    """Return targets and ecosystem classes of ``config/model_targets.toml``.

    Raises
    ------
    ConfigError
        When a key is wrong, an id stands twice or a target cannot be used.
    """
    table = read_toml(project / "config" / _FILE)
    unknown = [name for name in table if name not in _TABLES]
    if unknown:
        raise ConfigError(
            f"{_FILE}: unknown table {unknown[0]!r}",
            expected=f"the tables {', '.join(_TABLES)}",
            remedy="Correct its name.",
        )
    rule = parse_section(
        _Precedence, table.get("precedence", {}), where=f"{_FILE} [precedence]"
    )
    targets = parse_nouns(ModelTarget, table, "target", where=_FILE)
    classes = parse_nouns(Ecosystem, table, "ecosystem", where=_FILE)
    try:
        return ModelTargets(
            tuple(by_id(targets, where=_FILE).values()),
            tuple(by_id(classes, where=_FILE).values()),
            rule.tie,
        )
    except BadInput as error:
        raise ConfigError(
            f"{_FILE}: {error.found}", expected=error.expected, remedy=error.remedy
        ) from error
