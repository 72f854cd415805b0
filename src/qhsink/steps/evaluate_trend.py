"""The trend over years in a trial: the same plots visited every summer.

The yearly means go through ``indicators trend``. What is held against its interval is
what cover would have gained a year without the rain of single years: the planted trend
and the events, which is what a slope over years is taken to say.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from shapely.geometry.base import BaseGeometry

from qhsink.domain.errors import QhsinkError
from qhsink.estimation.domains import estimate_by_domain
from qhsink.indicators.interval import student_quantile
from qhsink.steps.evaluate_labels import plain_line, settings
from qhsink.steps.evaluate_places import TrialSpec
from qhsink.steps.evaluate_plots import measure, simple_design
from qhsink.steps.evaluate_result import LEVELS, TREND, Result
from qhsink.steps.evaluate_site import Site
from qhsink.steps.evaluate_totals import as_text
from qhsink.steps.evaluate_world import truth_of
from qhsink.steps.series import yearly_trend
from qhsink.twin.campaign import Truth, draw_simple

LONG, SHORT = 10, 5
"""Years of the series tried; ``indicators trend`` refuses fewer than five."""
STEP = 5
"""Every so many pixels the true trend is read: it varies little within a square."""


@dataclasses.dataclass(frozen=True, slots=True)
class Years:
    """A world over the years of a series, the last that of the trial."""

    of: tuple[int, ...]
    truths: tuple[Truth, ...]
    """At the peak, by year."""
    steady: tuple[Truth, Truth]
    """Of the first and the last year, as if rain were always the usual."""


def years_of(seed: int, trial: TrialSpec, lakes: Sequence[BaseGeometry]) -> Years:
    """Return the last ``LONG`` years of a world."""
    of = tuple(range(trial.year - LONG + 1, trial.year + 1))
    return Years(
        of,
        tuple(truth_of(seed, year, lakes) for year in of),
        (
            truth_of(seed, of[0], lakes, rain=False),
            truth_of(seed, of[-1], lakes, rain=False),
        ),
    )


def yearly_plots(
    site: Site, years: Years, trial: TrialSpec, rng: np.random.Generator
) -> Iterator[Result]:
    """Yield the slope of a square's mean cover over ten years, and over five."""
    drawn = draw_simple(site.x.size, trial.plots, rng)
    means = []
    for truth in years.truths:
        seen = measure(site, drawn, truth, trial.plots_rules, rng)
        (row,) = estimate_by_domain(
            simple_design(seen), seen.cover, units=float(site.x.size)
        )
        means.append(row.mean or 0.0)
    true = _true_slope(site, years)
    for count, words in ((LONG, "ten"), (SHORT, "five")):
        mode = f"the same plots every year, {words} years"
        plain = plain_line(site, TREND, mode, true, trial.plots)
        yield _slope(plain, years.of[-count:], means[-count:])


def _true_slope(site: Site, years: Years) -> float:
    """Return what mean cover gains a year, rain left aside."""
    x, y = site.x[::STEP], site.y[::STEP]
    first, last = (float(truth(x, y).fvc.mean()) for truth in years.steady)
    return (last - first) / (years.of[-1] - years.of[0])


def _slope(plain: Result, years: Sequence[int], means: Sequence[float]) -> Result:
    """Return what ``indicators trend`` says of a series."""
    series = as_text({"year": np.array(years), "value": np.array(means)})
    try:
        found = {
            level: yearly_trend(series, settings(), confidence=level).trend
            for level in LEVELS
        }
    except QhsinkError as error:
        return dataclasses.replace(plain, refusal=str(error))
    low, high = found[LEVELS[0]].low, found[LEVELS[0]].high
    # Ranks give no standard error: half the interval, as if it were normal.
    normal = student_quantile((1.0 + LEVELS[0]) / 2.0, float("inf"))
    return dataclasses.replace(
        plain,
        value=found[LEVELS[0]].slope,
        se=(high - low) / 2.0 / normal,
        stated={level: (one.low, one.high) for level, one in found.items()},
    )
