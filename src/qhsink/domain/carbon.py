"""Carbon's nouns: factors with their errors, pools, stocks, bands, deductions.

Units are in :mod:`qhsink.domain.quantity`, arithmetic in :mod:`qhsink.accounting`,
draws in ``estimation.propagate``.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, field
from typing import Literal

from qhsink.domain.errors import TableError
from qhsink.domain.quantity import Quantity, quantity, unit_named

Distribution = Literal["fixed", "normal", "truncated normal", "lognormal", "uniform"]
Pool = Literal["above-ground", "below-ground", "dead wood", "litter", "soil"]

POOLS: tuple[Pool, ...] = (
    "above-ground",
    "below-ground",
    "dead wood",
    "litter",
    "soil",
)
"""The five pools of the IPCC 2006 Guidelines, in reporting order."""


@dataclass(frozen=True, slots=True)
class Uncertain:
    """One independent source of uncertainty, for propagation."""

    name: str
    """Identifier; inputs of one name are one draw."""
    value: float
    """Mean."""
    se: float
    """Standard error."""
    distribution: Distribution = "normal"
    """Shape, with this mean and standard error; a truncated normal has them before
    truncation."""
    low: float = -math.inf
    """Lower limit of a truncated normal."""
    high: float = math.inf
    """Upper limit of a truncated normal."""

    def __post_init__(self) -> None:
        _check_uncertain(self)


@dataclass(frozen=True, slots=True)
class Factor:
    """A conversion factor with its error, source and standing."""

    id: str
    """Stable identifier."""
    value: float
    """Value in ``unit``."""
    se: float
    """Standard error in ``unit``."""
    unit: str
    """Unit, from ``UNITS``."""
    distribution: Distribution
    """Distribution of the error."""
    source: str
    """Where the value comes from."""
    se_source: str
    """Where the standard error comes from; ``assumed: ...`` where none was found."""
    status: Literal["verified", "unverified"]
    """Whether the value was read in the source named."""
    applies_to: tuple[str, ...]
    """Ecosystems or species groups it may be used for."""
    note: str = ""
    """What a user must know."""
    low: float = -math.inf
    """Lower limit of a truncated normal."""
    high: float = math.inf
    """Upper limit of a truncated normal."""

    def __post_init__(self) -> None:
        unit_named(self.unit)
        _check_uncertain(self.uncertain)

    @property
    def uncertain(self) -> Uncertain:
        """The factor as a source of uncertainty, under its own id."""
        return Uncertain(
            self.id, self.value, self.se, self.distribution, self.low, self.high
        )

    @property
    def quantity(self) -> Quantity:
        """The value with its unit."""
        return quantity(self.value, self.unit)


@dataclass(frozen=True, slots=True)
class FactorTable:
    """All factors, by id."""

    factors: tuple[Factor, ...]
    """Every factor of ``config/factors.toml``."""

    def get(self, name: str, *, ecosystem: str) -> Factor:
        """Return the factor ``name`` if it applies to ``ecosystem``.

        Raises
        ------
        TableError
            When it is unknown or is for other ecosystems.
        """
        known = {factor.id: factor for factor in self.factors}
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise TableError(
                f"factor {name!r}",
                expected="an id in config/factors.toml",
                remedy=f"Did you mean {near[0]!r}?" if near else "Add it.",
            )
        factor = known[name]
        if ecosystem not in factor.applies_to:
            raise TableError(
                f"factor {name!r} for {ecosystem}",
                expected=f"one of {', '.join(factor.applies_to)}",
                remedy="Choose a factor made for this ecosystem.",
            )
        return factor


@dataclass(frozen=True, slots=True)
class FactorChoice:
    """Which factors make an ecosystem's carbon: ids of ``config/factors.toml``."""

    id: str
    """Ecosystem or species group."""
    group: Literal["tree", "shrub", "grass"]
    """Which plausibility bands hold for it."""
    carbon_fraction: str
    """Carbon fraction of dry matter."""
    root_shoot: str | None = None
    """Root:shoot ratio, for the biomass route; None where none is known."""
    volume_line: tuple[str, str] | None = None
    """Slope and intercept of B = aV + b, for the growing-stock route."""
    soil: str | None = None
    """Soil carbon density; None where none is known."""


@dataclass(frozen=True, slots=True)
class Stock:
    """Mass of one or more pools of one ecosystem; pools not named are not in it."""

    ecosystem: str
    """Ecosystem or species group."""
    pools: frozenset[Pool]
    """What is inside; B = aV + b holds two pools in one number."""
    mass: Quantity
    """Mass or density, of dry matter, carbon or CO2."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """A carbon stock at one date, with all that a difference must hold constant."""

    region: str
    """Region id."""
    year: float
    """Date as a decimal year."""
    area: Quantity
    """Area that it speaks for."""
    definition: str
    """Id of land and pool definition, e.g. ``forest_cover_national``."""
    model: str
    """Id of the model or sample design that both dates must share."""
    pools: frozenset[Pool]
    """Pools inside."""
    stock: Quantity
    """Carbon stock."""
    se: float
    """Standard error, in the unit of ``stock``."""
    members: tuple[float, ...] = field(default=())
    """Stock per ensemble member [unit of ``stock``]; aligned between dates."""


@dataclass(frozen=True, slots=True)
class Band:
    """A range beyond which a number is suspect; it warns and never clips."""

    id: str
    """Stable identifier."""
    quantity: str
    """What it is a band of, e.g. ``tree_carbon``."""
    region: str
    """Region id; ``*`` for a density anywhere."""
    low: float
    """Lower limit in ``unit``."""
    high: float
    """Upper limit in ``unit``."""
    unit: str
    """Unit, from ``UNITS``."""
    source: str
    """Where the range comes from."""


@dataclass(frozen=True, slots=True)
class Step:
    """One row of a banded deduction schedule."""

    above: float
    """Relative half-width above which it holds (exclusive)."""
    up_to: float
    """... and up to which it holds (inclusive)."""
    rate: float
    """Rate deducted: of the value, or of the half-width."""


@dataclass(frozen=True, slots=True)
class DeductionSchedule:
    """How a market rule turns a half-width into a deduction."""

    id: str
    """Stable identifier."""
    name: str
    """Name of the rule."""
    kind: Literal["proportional", "excess", "banded value", "banded half-width"]
    """``proportional``: rate times half-width; ``excess``: what exceeds ``allowable``;
    ``banded``: a table of rates, of the value or of the half-width."""
    confidence: float
    """Level that the half-width must have."""
    source: str
    """Document."""
    status: Literal["verified", "unverified"]
    """Whether it was read in the document named."""
    enabled: bool
    """Off where the text could not be verified: asking for it is then refused."""
    rate: float = 0.0
    """Proportional rate."""
    allowable: float = 0.0
    """Relative half-width without deduction."""
    steps: tuple[Step, ...] = field(default=())
    """Rows of a banded schedule."""


def _check_uncertain(source: Uncertain) -> None:
    problem = ""
    if not (math.isfinite(source.value) and math.isfinite(source.se)):
        problem = "not finite"
    elif source.se < 0 or (source.distribution == "fixed") != (source.se == 0):
        problem = "fixed exactly where the standard error is zero, never negative"
    elif source.distribution == "lognormal" and source.value <= 0:
        problem = "a lognormal of a value that is not positive"
    elif not source.low <= source.value <= source.high:
        problem = "outside its own limits"
    if problem:
        raise TableError(
            f"{source.name}: value {source.value}, se {source.se}, "
            f"{source.distribution}: {problem}",
            expected="a finite value and standard error that fit the distribution",
            remedy="Correct the entry; a value without error is distribution 'fixed'.",
        )
