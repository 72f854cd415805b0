"""``config/residual_fields.toml``: worlds that errors of totals are learnt from.

How a field is fitted to them is ``qhsink.estimation``'s, where worlds come from
``config/train_twin.toml``'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from qhsink.config.parsing import Section, parse_section, read_toml
from qhsink.config.places import project_dir
from qhsink.config.train_twin import DEMO_SEED, TwinTraining, load_twin_training
from qhsink.domain.errors import ConfigError


class ResidualWorlds(Section):
    """Worlds to fit residual fields to, and worlds to try their intervals on."""

    squares: Annotated[int, Field(ge=1)]
    """Squares of a world, each in a region of ``config/train_twin.toml`` of its own, at
    a place drawn for that world."""
    fit_seeds: Annotated[tuple[int, ...], Field(min_length=3)]
    """Seeds of the worlds that fields are fitted to."""
    judge_seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    """Seeds of the worlds that nothing saw."""

    def layout(self, spec: TwinTraining) -> TwinTraining:
        """Return how these worlds are laid out, all else as in ``spec``."""
        return spec.model_copy(update={"drawn": self.squares})


def load_residual_worlds(path: Path | None = None) -> ResidualWorlds:
    """Return the worlds in ``path``, or in ``config/residual_fields.toml``.

    Raises
    ------
    ConfigError
        When a key is wrong, or one world is for two purposes.
    """
    path = path or project_dir() / "config" / "residual_fields.toml"
    found = parse_section(ResidualWorlds, read_toml(path), where=path.name)
    spec = load_twin_training()
    learnt = (*spec.train_seeds, *spec.test_seeds)
    seeds = (*learnt, *found.fit_seeds, *found.judge_seeds, DEMO_SEED)
    if len(set(seeds)) < len(seeds):
        raise ConfigError(
            f"{path.name}: seeds {', '.join(map(str, seeds))} (the first "
            f"{len(learnt)}: those of models; the last: the demonstration's)",
            expected="other worlds for models, for fields and for judging",
            remedy="Change the seed that stands twice.",
        )
    if found.squares > len(spec.regions):
        raise ConfigError(
            f"{path.name}: {found.squares} squares in {len(spec.regions)} regions",
            expected="at most one square in each region of train_twin.toml",
            remedy="Lower squares.",
        )
    return found
