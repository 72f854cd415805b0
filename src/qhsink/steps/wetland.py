"""A sample of plots to wetland area and wetland protection rate, with verdicts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qhsink.config import Settings, load_indicators, load_targets
from qhsink.config.reliability import load_interval_rules
from qhsink.domain.errors import Refusal
from qhsink.domain.estimate import Estimate, Verdict
from qhsink.domain.indicator import Measure
from qhsink.domain.period import parse_month
from qhsink.domain.reliability import IntervalRules
from qhsink.estimation.reliability import sample_flags, strata_flags
from qhsink.indicators.definitions import admit
from qhsink.indicators.ratio import area_share
from qhsink.steps.estimates import verdict_on
from qhsink.steps.sampled_area import (
    AreaRequest,
    AreaSample,
    area_sample,
    design_based,
    flags,
)

PLOTS = "the plot table"


@dataclass(frozen=True, slots=True)
class WetlandResult:
    """Area, and the share inside protected areas where that was recorded."""

    area: Estimate
    """Wetland area [ha]."""
    area_verdict: Verdict | None
    """On the year's target of the region."""
    rate: Estimate | None
    """Protection rate; None when plots do not say what is protected."""
    rate_verdict: Verdict | None
    """On the year's target of the region."""


def wetland_from(
    plots: pd.DataFrame,
    strata: pd.DataFrame,
    request: AreaRequest,
    settings: Settings,
) -> WetlandResult:
    """Return wetland area and protection rate of a region.

    Parameters
    ----------
    plots : DataFrame
        Text cells: ``stratum,wetland[,protected]``, the flags 1 or 0.
    strata : DataFrame
        ``stratum,units,unit_area_ha``: the whole region.

    Raises
    ------
    TableError
        When a table breaks its schema.
    Refusal
        Outside the window, or without any wetland in the sample.

    Notes
    -----
    The rate is a ratio of two areas of one sample; their covariance is
    (Var(all) - Var(inside) - Var(outside)) / 2.
    """
    known = load_indicators(settings.project)
    period = parse_month(request.month)
    admit(known["wetland_area"], period=period, available=("wetland_area_estimate",))
    sample = area_sample(plots, strata, table=PLOTS)
    wet = flags(plots, "wetland", table=PLOTS)
    if not wet.any():
        raise Refusal(
            f"no wetland among {len(wet)} plots",
            expected="plots that lie in wetland",
            remedy="Stratify by a wetland map and sample more in it: an area of zero "
            "with an error of zero says nothing.",
        )
    rules = load_interval_rules(settings.project)
    whole = sample.moments(wet)
    area = design_based(
        sample,
        request,
        "wetland_area",
        Measure(whole.value, whole.se, "ha"),
        n=len(wet),
        doubts=sample.doubts(wet, rules),
    )
    targets = load_targets(settings.project)
    verdict = verdict_on(area, year=period.start.year, targets=targets)
    if "protected" not in plots.columns:
        return WetlandResult(area, verdict, None, None)
    admit(
        known["wetland_protection_rate"],
        period=period,
        available=("wetland_area_estimate", "protected_areas"),
    )
    safe = flags(plots, "protected", table=PLOTS)
    inside, outside = sample.moments(wet & safe), sample.moments(wet & ~safe)
    share = area_share(
        Measure(inside.value, inside.se, "ha"),
        Measure(outside.value, outside.se, "ha"),
        covariance=(whole.variance - inside.variance - outside.variance) / 2.0,
    )
    rate = design_based(
        sample,
        request,
        "wetland_protection_rate",
        share,
        n=int(wet.sum()),
        doubts=_rate_doubts(sample, wet, safe, share, rules),
    )
    return WetlandResult(
        area,
        verdict,
        rate,
        verdict_on(rate, year=period.start.year, targets=targets),
    )


def _rate_doubts(
    sample: AreaSample,
    wet: NDArray[np.bool_],
    safe: NDArray[np.bool_],
    share: Measure,
    rules: IntervalRules,
) -> tuple[str, ...]:
    """Return what speaks against the rate: both of its parts must have been met.

    A stratum where no wetland was met says nothing of either; what one plot of wetland
    there would move weighs against the error of the rate.
    """
    for part in (wet & safe, wet & ~safe):
        found = sample_flags(part.astype(np.float64), kind="t", rules=rules)
        if found:
            return found
    design = sample.design
    return strata_flags(
        sample.unit_ha * wet * (safe - share.value),
        design.stratum,
        design.weight,
        se=share.se * sample.moments(wet).value,
    )
