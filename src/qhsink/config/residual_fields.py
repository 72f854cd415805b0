"""``config/residual_fields.toml``: worlds that errors of totals are learnt from.

How a field is fitted to them is ``qhsink.estimation``'s, where worlds come from
``config/train_twin.toml``'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from qhsink.config.parsing import Section, parse_section, read_toml
from qhsink.config.places import project_dir
from qhsink.config.train_twin import DEMO_SEED, TwinTraining, load_twin_training
from qhsink.domain.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Layout:
    """Worlds whose squares lie alike."""

    spec: TwinTraining
    seeds: tuple[int, ...]


class ResidualWorlds(Section):
    """Worlds to fit residual fields to, and worlds to try their intervals on."""

    squares: Annotated[int, Field(ge=1)]
    """Squares of a world, each in a region of ``config/train_twin.toml`` of its own, at
    a place drawn for that world."""
    fit_seeds: Annotated[tuple[int, ...], Field(min_length=3)]
    """Seeds of the worlds that fields are fitted to."""
    judge_seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    """Seeds of the worlds that nothing saw."""

    landscape_m: Annotated[float, Field(gt=0)]
    """Edge of a landscape that all squares of a world lie in [m]."""
    landscape_fit_seeds: tuple[int, ...]
    """Seeds of the worlds of one landscape each that fields are fitted to."""
    landscape_judge_seeds: tuple[int, ...]
    """... that nothing saw."""

    @property
    def fitted(self) -> tuple[int, ...]:
        """Seeds of all worlds that fields are fitted to."""
        return *self.fit_seeds, *self.landscape_fit_seeds

    def to_fit(self, spec: TwinTraining) -> tuple[Layout, ...]:
        """Return how the worlds to fit to are laid out, all else as in ``spec``."""
        return self._layouts(spec, self.fit_seeds, self.landscape_fit_seeds)

    def to_judge(self, spec: TwinTraining) -> tuple[Layout, ...]:
        """Return the same of the worlds to try the intervals on."""
        return self._layouts(spec, self.judge_seeds, self.landscape_judge_seeds)

    def _layouts(
        self,
        spec: TwinTraining,
        scattered: tuple[int, ...],
        together: tuple[int, ...],
    ) -> tuple[Layout, ...]:
        drawn = spec.model_copy(update={"drawn": self.squares})
        near = drawn.model_copy(update={"within_m": self.landscape_m})
        return Layout(drawn, scattered), Layout(near, together)


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
    judged = (*found.judge_seeds, *found.landscape_judge_seeds)
    seeds = (*learnt, *found.fitted, *judged, DEMO_SEED)
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
    room = (found.landscape_m / spec.square_m) ** 2
    if found.squares > room / 4.0:
        raise ConfigError(
            f"{path.name}: {found.squares} squares in a landscape with room for "
            f"{room:.0f}",
            expected="room for four times as many, so that they can be drawn apart",
            remedy="Lower squares, or raise landscape_m.",
        )
    return found
