"""Rules by which a map is calibrated to plots: figures are in the configuration."""

from __future__ import annotations

from dataclasses import dataclass

from qhsink.domain.errors import BadInput


@dataclass(frozen=True, slots=True)
class CalibrationRules:
    """What plots must show before a map is calibrated: ``config/calibration.toml``.

    Raises
    ------
    BadInput
        When a rule would let a line rest on next to nothing.
    """

    least_plots: int
    """Plots in all; at least 5."""
    least_counties: int
    """Counties in all; at least 3."""
    own_slope_plots: int
    """Plots from which a type has a slope of its own; at least 5."""
    own_intercept_plots: int
    """Plots from which a type has an intercept of its own; at least 2."""
    type_counties: int
    """Counties that these plots of a type must lie in; at least 3."""
    least_reliability: float
    """Share of the variance of map values that must not be error, 0..1."""
    status: str
    """Standing of the numbers: ``proposal`` until others have judged them."""

    def __post_init__(self) -> None:
        counts = self.least_plots, self.own_slope_plots, self.own_intercept_plots
        counties = self.least_counties, self.type_counties
        if (
            min(counts[:2]) < 5
            or counts[2] < 2
            or min(counties) < 3
            or not 0.0 < self.least_reliability < 1.0
        ):
            raise BadInput(
                f"calibration rules with {counts} plots, {counties} counties and "
                f"reliability {self.least_reliability:g}",
                expected="at least 5, 5 and 2 plots, 3 counties each, and a "
                "reliability between 0 and 1",
                remedy="Correct config/calibration.toml.",
            )
