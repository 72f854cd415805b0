"""The calibrated mean in a trial: lines fitted to plots, sub-regions as counties.

``mapping.calibration`` fits the lines and says what is refused; other uses of plots are
in ``evaluate_plots``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache

import numpy as np

from qhsink.config import project_dir
from qhsink.config.calibration import load_calibration_rules
from qhsink.domain.calibration import CalibrationRules
from qhsink.domain.errors import Refusal
from qhsink.estimation.ledger import mean_and_model_se
from qhsink.mapping.calibration import Calibration, calibrate
from qhsink.mapping.calibration_lines import ALL, Pairs
from qhsink.steps.evaluate_map import land_parts
from qhsink.steps.evaluate_places import TrialSpec
from qhsink.steps.evaluate_plots import Sampled, measure
from qhsink.steps.evaluate_result import COVER, Result
from qhsink.steps.evaluate_site import Site, whole_id
from qhsink.twin.campaign import PlotRules, Truth, draw_simple
from qhsink.twin.classes import CODES, ECOSYSTEMS

CALIBRATED = "calibrated map"


def calibrated_parts(
    site: Site, truth: Truth, trial: TrialSpec, rng: np.random.Generator
) -> Iterator[Result]:
    """Yield calibrated means of a square's sub-regions from the square's plots."""
    drawn = draw_simple(site.x.size, trial.plots, rng)
    sampled = measure(site, drawn, truth, trial.plots_rules, rng)
    try:
        made: Calibration | Refusal = calibrate(
            _pairs(sampled, trial.plots_rules), _rules()
        )
    except Refusal as refusal:
        made = refusal
    for name, inside in land_parts(site, trial).items():
        true = float(site.cover[inside].mean())
        yield _mean(Result(name, "part", COVER, CALIBRATED, 0, true), made, site)


def _mean(plain: Result, made: Calibration | Refusal, site: Site) -> Result:
    sums = site.sums[plain.region]
    if isinstance(made, Refusal) or sums.land_ha <= 0.0:
        return dataclasses.replace(plain, refusal=str(made))
    try:
        value, se = made.mean(ALL, float(sums.member_means.mean()))
    except Refusal as refusal:
        return dataclasses.replace(plain, refusal=str(refusal))
    plots = made.line(ALL).plots
    return dataclasses.replace(plain, n=plots, value=value, se=se, df=float(made.df))


def _pairs(sampled: Sampled, rules: PlotRules) -> Pairs:
    """Return the plots where the map has a value, with the errors of both."""
    site, index = sampled.site, sampled.drawn.index
    seen = np.isfinite(site.predicted[index])
    cover, spread = sampled.cover[seen], site.spread[index][seen]
    among = cover * (1.0 - cover) / (rules.quadrat_concentration + 1.0)
    shared = mean_and_model_se(site.sums[whole_id(site.square)])[1]
    names = np.array([ECOSYSTEMS.get(code, ("",))[0] for code in range(CODES)])
    return Pairs(
        map_value=site.predicted[index][seen],
        # What all places share moves a line and does not tilt it.
        map_se=np.sqrt(np.maximum(spread**2 - shared**2, 0.0)),
        plot_value=cover,
        # What a crew would state: quadrats of a plot around its mean.
        plot_se=np.sqrt(among / rules.quadrats),
        type=names[sampled.ecosystem[seen]],
        county=site.part[index][seen],
    )


@cache
def _rules() -> CalibrationRules:
    return load_calibration_rules(project_dir())
