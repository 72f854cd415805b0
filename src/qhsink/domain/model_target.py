"""What a regressor estimates, and the ecosystem classes that keep targets apart.

Nouns only; the figures are in ``config/model_targets.toml``.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from typing import Literal

from qhsink.domain.errors import BadInput

Transform = Literal["identity", "log1p"]
"""What a regressor is fitted to: the value, or log(1 + value)."""
Standing = Literal["verified", "unverified", "proposal"]
Kind = Literal["month", "peak"]

UINT16_VALUES = 65_534
"""Greatest digital number of a map: 65 535 means no value."""

_DAY = re.compile(r"(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")


@dataclass(frozen=True, slots=True)
class ModelTarget:
    """One quantity that models are trained for.

    Raises
    ------
    BadInput
        When range, season or map step cannot be used.
    """

    id: str
    """Stable identifier; model ids begin with it."""
    name_zh: str
    """Chinese name."""
    name_en: str
    """English name."""
    unit: str
    """Unit of values and maps; ``1`` for a proportion."""
    low: float
    """Least valid value, in ``unit``."""
    high: float
    """Greatest valid value, in ``unit``."""
    transform: Transform
    """What a model is fitted to."""
    map_step: float
    """``unit`` per digital number of a published map."""
    season_start: str
    """First day on which a reference may be measured, MM-DD."""
    season_end: str
    """Last day, MM-DD."""
    composites: tuple[Kind, ...]
    """Composites that a map may be made from."""
    ecosystems: tuple[str, ...]
    """Ecosystems that it speaks of; it is zero on land of any other."""
    reference_zh: str
    """What a plot must measure, in Chinese."""
    reference_en: str
    """The same in English."""
    source: str
    """Where the definition comes from."""
    status: Standing
    """Whether that source was read."""
    area_from: float | None = None
    """Value from which a pixel counts to the area named ``area_id``; None: no area."""
    area_id: str = ""
    """Name of that area in the ledger, such as ``arbor_area``."""

    def __post_init__(self) -> None:
        for day in (self.season_start, self.season_end):
            if not _DAY.fullmatch(day):
                raise BadInput(
                    f"target {self.id}: season day {day!r}",
                    expected="month and day as MM-DD",
                    remedy="Correct config/model_targets.toml.",
                )
        _check_range(self)
        if (self.area_from is None) != (not self.area_id):
            raise BadInput(
                f"target {self.id}: area_from without area_id, or the reverse",
                expected="both or neither",
                remedy="Correct config/model_targets.toml.",
            )

    def in_season(self, day: str) -> bool:
        """Return whether ``day`` (MM-DD) lies in the season, both ends included."""
        return self.season_start <= day <= self.season_end


def _check_range(target: ModelTarget) -> None:
    ordered = math.isfinite(target.low) and target.low < target.high < math.inf
    held = ordered and 0 < target.map_step * UINT16_VALUES >= target.high
    if not held or target.low < 0 or target.season_start > target.season_end:
        raise BadInput(
            f"target {target.id}: {target.low} to {target.high} {target.unit} in steps "
            f"of {target.map_step}, from {target.season_start} to {target.season_end}",
            expected="0 <= low < high, both finite and within 65 534 steps, and a "
            "season that ends after it starts",
            remedy="Correct config/model_targets.toml.",
        )


@dataclass(frozen=True, slots=True)
class Ecosystem:
    """One class of the ecosystem map."""

    id: str
    """Stable identifier."""
    code: int
    """Number in the map, 1..254."""
    name_zh: str
    """Chinese name."""
    name_en: str
    """English name."""
    definition_zh: str
    """Definition in Chinese."""
    definition_en: str
    """Definition in English."""


@dataclass(frozen=True, slots=True)
class ModelTargets:
    """All targets and classes.

    Raises
    ------
    BadInput
        When a target names an unknown ecosystem, or two classes share a code.
    """

    targets: tuple[ModelTarget, ...]
    """Targets, in file order."""
    ecosystems: tuple[Ecosystem, ...]
    """Classes in order of precedence, first wins."""
    tie: float
    """Classes whose probability comes this near to the greatest are tied; the first
    of them in ``ecosystems`` holds."""

    def __post_init__(self) -> None:
        known = [entry.id for entry in self.ecosystems]
        codes = [entry.code for entry in self.ecosystems]
        named = set(itertools.chain(*(t.ecosystems for t in self.targets)))
        strange = sorted(named - set(known))
        if strange or len(set(codes)) < len(codes) or not 0 <= self.tie < 1:
            raise BadInput(
                f"ecosystems {', '.join(strange) or 'all known'}, codes {codes}, tie "
                f"{self.tie}",
                expected=f"ecosystems among {', '.join(known)}, each code once, and a "
                "tie from 0 up to 1",
                remedy="Correct config/model_targets.toml.",
            )

    def get(self, target_id: str) -> ModelTarget:
        """Return a target by id.

        Raises
        ------
        BadInput
            When there is none; the known ones are named.
        """
        for target in self.targets:
            if target.id == target_id:
                return target
        raise BadInput(
            f"target {target_id!r}",
            expected=f"one of {', '.join(t.id for t in self.targets)}",
            remedy="Correct the name, or declare it in config/model_targets.toml.",
        )

    def codes_of(self, ecosystem_ids: tuple[str, ...]) -> tuple[int, ...]:
        """Return the map codes of ecosystems."""
        return tuple(e.code for e in self.ecosystems if e.id in ecosystem_ids)
