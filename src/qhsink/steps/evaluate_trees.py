"""Tree biomass from field plots and from lidar tracks: rare, clumped and skewed.

Other indicators of plots are in ``evaluate_plots``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from qhsink.domain.reliability import IntervalRules
from qhsink.estimation.hybrid import hybrid_mean
from qhsink.estimation.reliability import cluster_flags, sample_flags
from qhsink.estimation.skewness import estimator_skewness
from qhsink.steps.evaluate_places import TrialSpec
from qhsink.steps.evaluate_plots import Sampled, expansion, simple_design
from qhsink.steps.evaluate_result import TREES, Result
from qhsink.steps.evaluate_site import Site
from qhsink.twin.campaign import PlotRules, Truth
from qhsink.twin.footprints import shoot

LEAST_FOREST = 0.02
"""Share of pixels with trees below which a square is not asked for its biomass."""


def has_forest(site: Site) -> bool:
    """Whether there are trees enough to be asked for."""
    return float(np.mean(site.ground.agb_forest > 0.0)) >= LEAST_FOREST


def tree_plots(
    sampled: Sampled, errors: PlotRules, rules: IntervalRules
) -> Iterator[Result]:
    """Yield tree biomass of a simple random campaign, by Student and leaning.

    The error of the allometric equation, which all plots share, is in both.
    """
    site, y = sampled.site, sampled.trees
    if not has_forest(site):
        return
    design, true = simple_design(sampled), site.ground.agb_forest
    plain = expansion(site, design, y, (TREES, "simple random plots, t"), true)
    units = float(site.x.size)
    se = math.hypot(plain.se, errors.allometric_cv * plain.value)
    third = design.third_cumulant(y) / units**3
    yield dataclasses.replace(
        plain, se=se, flags=sample_flags(y, kind="t", rules=rules)
    )
    yield dataclasses.replace(
        plain,
        mode="simple random plots, skewed",
        se=se,
        kind="skewed",
        skewness=estimator_skewness(third, se**2),
        flags=sample_flags(y, kind="skewed", rules=rules),
    )


def tree_tracks(
    site: Site,
    truth: Truth,
    trial: TrialSpec,
    rng: np.random.Generator,
    rules: IntervalRules,
) -> Iterator[Result]:
    """Yield tree biomass by hybrid inference from tracks, by Student and leaning."""
    if not has_forest(site):
        return
    table, members = shoot(
        truth, site.square.outline.bounds, rules=trial.footprint_rules, rng=rng
    )
    good = table["quality_flag"].to_numpy() == 1
    code = np.unique(table["track"].to_numpy()[good], return_inverse=True)[1]
    totals = np.stack([np.bincount(code, weights=member[good]) for member in members])
    sizes = np.bincount(code).astype(np.float64)
    found = hybrid_mean(totals, sizes)
    flags = cluster_flags(totals.mean(axis=0), sizes, rules=rules)
    plain = Result(
        f"square-{site.square.region}",
        "square",
        TREES,
        "hybrid (lidar tracks)",
        found.clusters,
        float(site.ground.agb_forest.astype(np.float64).mean()),
        found.value,
        found.variance.se,
        found.df,
        flags=flags,
        kind="skewed",
        skewness=found.skewness,
    )
    yield plain
    # What the same tracks give by the usual interval: shown, not offered.
    yield dataclasses.replace(
        plain, mode="hybrid (lidar tracks), t", kind="t", flags=flags or (USUAL,)
    )


USUAL = "not calibrated: symmetric interval of skewed tracks"
