"""Map values to the plot definition of cover: one line per grassland type.

The line is fitted with errors in both variables and judged on counties that it has
not seen. It turns a mean of the map into a mean of what plots measure; it is not for
single pixels, whose errors it does not take away. Reading maps and plots does not
belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import ndtri, stdtrit

from qhsink.domain.calibration import CalibrationRules
from qhsink.domain.errors import Refusal
from qhsink.mapping.calibration_lines import (
    ALL,
    Fitted,
    Line,
    Pairs,
    Structure,
    fit_structure,
    reliability,
    structure_of,
)

Doubles = NDArray[np.float64]
Jackknifed = dict[str, Fitted]
"""Lines without a county, by the county left out."""


@dataclass(frozen=True, slots=True)
class Held:
    """How map and calibration do in counties that the lines have not seen."""

    plots: int
    """Plots, each predicted by lines without its county."""
    map_rmse: float
    """Root mean square of map minus plot."""
    map_bias: float
    """Mean of map minus plot."""
    rmse: float
    """Root mean square of calibrated minus plot."""
    bias: float
    """Mean of calibrated minus plot."""
    plot_coverage: float
    """Share of plots inside their interval."""
    counties: int
    """Counties."""
    counties_covered: int
    """Counties whose mean over plots lies inside its interval."""
    confidence: float
    """Level of both."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Lines by grassland type, and the evidence about them."""

    lines: tuple[Line, ...]
    """The line through all plots, then types by name."""
    without: Mapping[str, int]
    """Types with too few plots for a line, and how many they have."""
    county_sd: float
    """Standard deviation of a county's mean around its line."""
    counties: tuple[str, ...]
    """Counties, by name."""
    ordinary_slope: float
    """Slope of ordinary least squares through all plots: diluted."""
    held: Held
    """Leave-county-out validation."""

    @property
    def df(self) -> int:
        """Degrees of freedom of standard errors: counties less one."""
        return len(self.counties) - 1

    def line(self, name: str) -> Line:
        """Return the line of a type; ``ALL`` for the one through all plots.

        Raises
        ------
        Refusal
            When the type has none.
        """
        for line in self.lines:
            if line.type == name:
                return line
        known = ", ".join(line.type for line in self.lines if line.type)
        count = self.without.get(name, 0)
        raise Refusal(
            f"grassland type {name!r} with {count} plots",
            expected=f"a type with a line: {known or 'none has one'}",
            remedy="Measure more plots of it, or use the line of all types.",
        )

    def mean(self, name: str, map_mean: float) -> tuple[float, float]:
        """Return a calibrated regional mean and its standard error.

        Parameters
        ----------
        name : str
            Grassland type of the region's land; ``ALL`` where it is mixed.
        map_mean : float
            Mean of the map over the region's land.

        Notes
        -----
        The variance is that of the line at the mean (first order, JCGM 100:2008,
        equation 16) and that of a county around its line. The map is taken as it is:
        an error that it makes everywhere is in the line, one that differs from county
        to county in the second term, so the model's spread is not added again. A
        region of many counties is given the error of one.

        Raises
        ------
        Refusal
            When the type has no line, or the mean lies outside its plots' range.
        """
        line = self.line(name)
        if not line.low <= map_mean <= line.high:
            raise Refusal(
                f"a map mean of {map_mean:.3f}",
                expected=f"one inside the plots' range of map values, {line.low:.3f} "
                f"to {line.high:.3f}",
                remedy="Measure plots on land such as this region's.",
            )
        value, variance = line.at(map_mean)
        return value, float(np.sqrt(variance + self.county_sd**2))


def calibrate(
    pairs: Pairs, rules: CalibrationRules, *, confidence: float = 0.9
) -> Calibration:
    """Return lines by type, their covariance, and how they do in unseen counties.

    Parameters
    ----------
    pairs : Pairs
        Plots beside the map.
    rules : CalibrationRules
        Plots and counties that are needed for what.
    confidence : float
        Level of the intervals whose coverage is counted.

    Raises
    ------
    Refusal
        When plots or counties are too few, the map's stated error explains most of
        its spread, or no line can be fitted.

    Notes
    -----
    Covariances are those of a jackknife over counties (Shao and Tu 1995, The Jackknife
    and Bootstrap, section 2.1): plots of a county are alike, and the scatter around
    the line is itself estimated, neither of which York's formula knows. The variance
    of a county around its line is what the mean residuals of counties held out show
    beyond their own error, by a likelihood that never finds it zero: few counties often
    seem alike, and an interval that believes them is too narrow (``docs/coverage.md``).
    """
    _refuse(pairs, rules)
    structure = structure_of(pairs, rules)
    fitted = fit_structure(pairs, structure)
    _refuse_falling(fitted)
    counties = tuple(np.unique(pairs.county).tolist())
    without = {
        name: fit_structure(pairs.take(pairs.county != name), structure)
        for name in counties
    }
    lines = tuple(
        _described(pairs, structure, name, fitted, without)
        for name in sorted(fitted.lines)
    )
    judged = _hold_out(pairs, lines, without)
    county_variance = _county_variance(judged)
    return Calibration(
        lines=lines,
        without={
            name: int((pairs.type == name).sum())
            for name in np.unique(pairs.type).tolist()
            if name not in fitted.lines
        },
        county_sd=float(np.sqrt(county_variance)),
        counties=counties,
        ordinary_slope=float(np.polyfit(pairs.map_value, pairs.plot_value, 1)[0]),
        held=_held(pairs, judged, county_variance, confidence),
    )


def _refuse(pairs: Pairs, rules: CalibrationRules) -> None:
    plots, counties = len(pairs.type), len(np.unique(pairs.county))
    if plots < rules.least_plots or counties < rules.least_counties:
        raise Refusal(
            f"{plots} plots with a map value in {counties} counties",
            expected=f"at least {rules.least_plots} plots in {rules.least_counties} "
            "counties (config/calibration.toml)",
            remedy="Bring more: with fewer nothing can be said of the next county.",
        )
    share = reliability(pairs)
    if share < rules.least_reliability:
        raise Refusal(
            f"{max(share, 0.0):.0%} of the variance of the map at the plots is not its "
            "own stated error",
            expected=f"at least {rules.least_reliability:.0%} "
            "(config/calibration.toml)",
            remedy="Bring plots over a wider range of cover.",
        )


def _refuse_falling(fitted: Fitted) -> None:
    slope = fitted.lines[ALL][1]
    if not slope > 0.0:
        raise Refusal(
            f"a slope of {slope:.3g} of plot cover on the map",
            expected="a map that rises with what plots measure",
            remedy="Check that plots and map are of the same place and season.",
        )


def _described(
    pairs: Pairs,
    structure: Structure,
    name: str,
    fitted: Fitted,
    without: Jackknifed,
) -> Line:
    """Return a line with its jackknifed covariance and what it rests on."""
    here = pairs if name == ALL else pairs.take(pairs.type == name)
    own = np.unique(here.county).tolist()
    rule = structure.rule(name)
    left_out = own if rule == "own slope" else list(without)
    found = np.array([without[county].lines[name] for county in left_out])
    gap = found - found.mean(axis=0)
    covariance = gap.T @ gap * (len(gap) - 1) / len(gap)
    intercept, slope = fitted.lines[name]
    return Line(
        type=name,
        rule=rule,
        plots=len(here.type),
        counties=len(own),
        intercept=intercept,
        slope=slope,
        covariance=(
            float(covariance[0, 0]),
            float(covariance[0, 1]),
            float(covariance[1, 1]),
        ),
        scatter=fitted.scatter[name],
        map_se=float(np.sqrt(np.square(here.map_se).mean())),
        plot_se=float(np.sqrt(np.square(here.plot_se).mean())),
        low=float(here.map_value.min()),
        high=float(here.map_value.max()),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """Plots as lines without their county predict them, by county."""

    predicted: Doubles
    """(n,)."""
    plot_variance: Doubles
    """(n,) of a plot around the line."""
    fit_variance: Doubles
    """(n,) of the line at the plot."""
    by_county: Mapping[str, tuple[float, float]]
    """Mean residual of a county's plots, and the variance it should have without a
    county's own departure."""


def _hold_out(pairs: Pairs, lines: tuple[Line, ...], without: Jackknifed) -> _Judged:
    by_name = {line.type: line for line in lines}
    held = [name if name in by_name else ALL for name in pairs.type.tolist()]
    predicted, plot_variance, fit_variance = np.empty((3, len(held)))
    for at, name in enumerate(held):
        intercept, slope = without[str(pairs.county[at])].lines[name]
        value = float(pairs.map_value[at])
        line = by_name[name]
        predicted[at] = intercept + slope * value
        plot_variance[at] = (
            line.scatter**2 + line.plot_se**2 + (slope * line.map_se) ** 2
        )
        fit_variance[at] = line.at(value)[1]
    residual = pairs.plot_value - predicted
    by_county = {}
    for name in without:
        here = pairs.county == name
        # Errors of a line are common to its plots: their variance does not shrink.
        variance = float(
            plot_variance[here].mean() / here.sum() + fit_variance[here].mean()
        )
        by_county[name] = float(residual[here].mean()), variance
    return _Judged(predicted, plot_variance, fit_variance, by_county)


def _county_variance(judged: _Judged) -> float:
    """Return the variance of a county around its line: adjusted maximum likelihood.

    Mean residuals of counties are taken as normal with variance A + D, D known, and
    their likelihood is multiplied by arctan(sum A / (A + D))^(1/m) over m counties, so
    that A is never 0 (Yoshimori and Lahiri 2014, J. Multivar. Anal. 124:281-294).
    """
    square, known = np.array(
        [(gap**2, variance) for gap, variance in judged.by_county.values()]
    ).T

    def loss(logarithm: float) -> float:
        between = np.exp(logarithm)
        total = between + known
        fit = 0.5 * np.sum(np.log(total) + square / total)
        return float(fit - np.log(np.arctan(np.sum(between / total))) / len(known))

    most = float(np.log(square.mean() + known.mean()))
    found = minimize_scalar(loss, bounds=(most - 14.0, most), method="bounded")
    return float(np.exp(found.x))


def _held(
    pairs: Pairs, judged: _Judged, county_variance: float, confidence: float
) -> Held:
    before = pairs.map_value - pairs.plot_value
    after = judged.predicted - pairs.plot_value
    level = (1.0 + confidence) / 2.0
    reach = float(ndtri(level)) * np.sqrt(judged.plot_variance + judged.fit_variance)
    student = float(stdtrit(len(judged.by_county) - 1, level))
    covered = [
        abs(gap) <= student * np.sqrt(variance + county_variance)
        for gap, variance in judged.by_county.values()
    ]
    return Held(
        plots=len(after),
        map_rmse=float(np.sqrt(np.square(before).mean())),
        map_bias=float(before.mean()),
        rmse=float(np.sqrt(np.square(after).mean())),
        bias=float(after.mean()),
        plot_coverage=float((np.abs(after) <= reach).mean()),
        counties=len(covered),
        counties_covered=int(np.sum(covered)),
        confidence=confidence,
    )
