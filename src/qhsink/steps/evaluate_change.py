"""Change between two years in a trial: plots measured twice, and aligned members.

The planted trend, rain and events of the simulated years are the truth. One date's
estimates are in the other modules.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from qhsink.estimation.change import (
    ChangeEstimate,
    MemberTotals,
    member_change,
    paired_change,
)
from qhsink.steps.evaluate_map import is_land
from qhsink.steps.evaluate_places import Size, TrialSpec
from qhsink.steps.evaluate_plots import CONSERVATIVE, measure, simple_design
from qhsink.steps.evaluate_result import CHANGE, Result
from qhsink.steps.evaluate_site import Site, whole_id
from qhsink.steps.residuals import NOT_CALIBRATED
from qhsink.twin.campaign import Truth, draw_simple


def paired_plots(
    site: Site,
    truths: tuple[Truth, Truth],
    trial: TrialSpec,
    rng: np.random.Generator,
) -> Iterator[Result]:
    """Yield the change of mean cover from plots found again and measured twice.

    Parameters
    ----------
    truths : pair of callable
        Of the earlier and the later year, both at the peak.
    """
    drawn = draw_simple(site.x.size, trial.plots, rng)
    first, second = (
        measure(site, drawn, truth, trial.plots_rules, rng) for truth in truths
    )
    design = simple_design(first)
    before = truths[0](site.x, site.y).fvc.astype(np.float64)
    found = paired_change(design, first.cover, second.cover)
    plain = Result(
        whole_id(site.square),
        "square",
        CHANGE,
        "plots measured twice",
        trial.plots,
        float(site.cover.mean() - before.mean()),
        *_mean(found, float(site.x.size)),
        float(trial.plots - 1),
    )
    yield plain
    apart = np.sqrt(found.variance_first + found.variance_second) / site.x.size
    yield dataclasses.replace(plain, mode=APART, se=float(apart), flags=(CONSERVATIVE,))


APART = "plots measured twice, taken as two samples"


def _mean(found: ChangeEstimate, units: float) -> tuple[float, float]:
    return found.value / units, found.se / units


def member_changes(
    before: Sequence[Site], after: Sequence[Site], trial: TrialSpec, model: str
) -> Iterator[Result]:
    """Yield the change of the map's mean over the same land, members aligned.

    Parameters
    ----------
    before, after : sequence of Site
        The same squares in two years.
    model : str
        Id of the ensemble that mapped both.
    """
    for first, second in zip(before, after, strict=True):
        for name, sums in second.sums.items():
            whole = name == whole_id(second.square)
            inside = np.ones(second.x.size, bool) if whole else second.part == name
            earlier = first.sums[name]
            if not is_land(inside, whole, trial) or not earlier.land_ha * sums.land_ha:
                continue
            found = member_change(
                MemberTotals(model, tuple(earlier.member_means.tolist())),
                MemberTotals(model, tuple(sums.member_means.tolist())),
            )
            size: Size = "square" if whole else "part"
            yield Result(
                name,
                size,
                CHANGE,
                "members aligned",
                0,
                float(second.cover[inside].mean() - first.cover[inside].mean()),
                found.value,
                found.se,
                float(len(sums.member_means) - 1),
                flags=(NOT_CALIBRATED,),
            )
