"""What a regressor is trained on, and by which rules.

Fitting is ``qhsink.mapping.fitting``; reading tables does not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import ModelError, TableError
from qhsink.mapping.ensemble import TRANSFORMS, Transform

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything but the data that decides what training makes."""

    target: str = "fvc"
    """What is predicted."""
    unit: str = "1"
    """Its unit."""
    low: float = 0.0
    """Least valid value."""
    high: float = 1.0
    """Greatest valid value."""
    transform: Transform = "identity"
    """What the members learn: the target itself, or log(1 + target)."""
    features: tuple[str, ...] = ("ndvi", "ndmi", "nbr", "ngrdi", "ndti", "brightness")
    """Feature names."""
    members: int = 16
    """Members K."""
    hidden: tuple[int, ...] = (15, 15)
    """Width of each hidden layer: 15 and the constant for the bias make 16."""
    penalty: float = 0.01
    """L2 penalty of the weights (``alpha``)."""
    rate: float = 0.005
    """Adam's learning rate."""
    batch: int = 64
    """Samples per gradient step."""
    epochs: int = 60
    """Passes over the data."""
    folds: int = 5
    """Folds of the cross-validation."""
    run_length: int = 20
    """Consecutive rows that form a group."""
    clusters: int = 60
    """Spectral clusters of the second, harder cross-validation."""
    seed: int = 20250815
    """Seed of everything random."""

    def __post_init__(self) -> None:
        if self.transform not in TRANSFORMS or not self.low < self.high:
            raise ModelError(
                f"transform {self.transform!r} and valid range {self.valid_range}",
                expected=f"one of {', '.join(TRANSFORMS)}, and low below high",
                remedy="Correct the recipe.",
            )
        if self.transform == "log1p" and self.low < 0:
            raise ModelError(
                f"a logged target that may be {self.low:g}",
                expected="values of zero and above",
                remedy="Use the transform identity, or another valid range.",
            )

    @property
    def valid_range(self) -> tuple[float, float]:
        """Least and greatest valid value of the target."""
        return self.low, self.high


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Field observations with the reflectance seen above them."""

    reflectance: Mapping[str, Doubles]
    """(n,) values of layers by name, in their units: reflectance 0..1 of bands, and
    what else the features are made of (``mapping.layers``)."""
    target: Doubles
    """(n,) observed value."""
    groups: Ints | None = None
    """(n,) samples that stay together, such as a site's; None when it is not known:
    then spatial blocks do where coordinates are known, else runs of consecutive
    rows."""
    x_m: Doubles | None = None
    """(n,) easting in an equal-area projection [m]; with ``y_m`` or not at all."""
    y_m: Doubles | None = None
    """(n,) northing [m]."""
    year: Ints | None = None
    """(n,) year of observation."""
    region: Ints | None = None
    """(n,) number of the region, such as a county."""
    stratum: Ints | None = None
    """(n,) number of the vegetation type or stratum."""
    weight: Doubles | None = None
    """(n,) positive weight of each sample in the fit, any unit; None for equal."""
    se: Doubles | None = None
    """(n,) stated standard error of each observed value, in its unit; the fit does not
    use it, the card's budget of errors does. None where not stated."""

    def __post_init__(self) -> None:
        if (self.x_m is None) != (self.y_m is None):
            raise TableError(
                "one coordinate without the other",
                expected="x_m and y_m, or neither",
                remedy="Give both.",
            )
        for field in fields(self)[1:]:
            values = getattr(self, field.name)
            if values is not None and len(values) != len(self.target):
                raise TableError(
                    f"{len(values)} values of {field.name} for {len(self.target)} "
                    "observations",
                    expected="one of each per observation",
                    remedy="Take them from the same rows.",
                )

    @property
    def points(self) -> Doubles | None:
        """Projected coordinates [m], shape (n, 2); None when they are not known."""
        if self.x_m is None or self.y_m is None:
            return None
        return np.stack([self.x_m, self.y_m], axis=1)

    def take(self, rows: Ints) -> Samples:
        """Return the samples at ``rows``, every known field with them."""
        known = {field.name: getattr(self, field.name) for field in fields(self)[1:]}
        bands = {name: values[rows] for name, values in self.reflectance.items()}
        picked: dict[str, Any] = {
            name: None if values is None else values[rows]
            for name, values in known.items()
        }
        return replace(self, reflectance=bands, **picked)
