"""A sample of plots to forest cover rate and growing stock, with verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qhsink.config import (
    Settings,
    load_forest_rules,
    load_indicators,
    load_targets,
)
from qhsink.config.reliability import load_interval_rules
from qhsink.domain.errors import BadInput, Refusal, TableError
from qhsink.domain.estimate import Estimate, Verdict
from qhsink.domain.indicator import Denominator, Indicator, Measure
from qhsink.domain.period import parse_month
from qhsink.domain.reliability import IntervalRules
from qhsink.estimation.schema import numbers
from qhsink.indicators.definitions import admit
from qhsink.indicators.forest import cover_rate
from qhsink.steps.estimates import verdict_on
from qhsink.steps.sampled_area import (
    AreaRequest,
    AreaSample,
    area_sample,
    design_based,
    flags,
)

PLOTS = "the plot table"
FRAME = "frame"
"""Name of the denominator that is the area of the strata themselves."""

Definition = Literal["national", "fao"]


@dataclass(frozen=True, slots=True)
class ForestResult:
    """Area, rate and, where volumes were measured, growing stock."""

    indicator: Indicator
    """Definition of the rate."""
    land: Denominator
    """What the area was divided by."""
    area: Estimate
    """Forest area under the definition [ha]."""
    rate: Estimate
    """Forest cover rate."""
    rate_verdict: Verdict | None
    """On the year's target of the region."""
    stock: Estimate | None
    """Growing stock [m3]; None without volumes."""
    stock_verdict: Verdict | None
    """On the year's target of the region."""


def forest_from(
    plots: pd.DataFrame,
    strata: pd.DataFrame,
    request: AreaRequest,
    settings: Settings,
    *,
    definition: Definition,
    land: str = FRAME,
) -> ForestResult:
    """Return forest cover rate, and growing stock where volumes were measured.

    Parameters
    ----------
    plots : DataFrame
        Text cells: ``[stratum,]forest`` (1 or 0, interpreted under the definition);
        ``height_m`` for ``fao``; ``arbor,volume_m3_ha`` for growing stock.
    strata : DataFrame
        ``stratum,units,unit_area_ha``: the whole region.
    land : str
        Id of a denominator in ``config/indicators.toml``, or ``frame``.

    Raises
    ------
    BadInput
        When a table or the denominator cannot be used.
    Refusal
        When the definition needs something that the plots do not hold, or none of
        them is forest.
    """
    known = load_indicators(settings.project)
    indicator = known[f"forest_cover_{definition}"]
    have = {"forest_area_estimate", "land_area"}
    have |= {"tree_height"} if "height_m" in plots.columns else set()
    period = parse_month(request.month)
    admit(indicator, period=period, available=have)
    sample = area_sample(plots, strata, table=PLOTS)
    forest = flags(plots, "forest", table=PLOTS)
    if definition == "fao":
        forest = forest & _tall(plots, settings)
    if not forest.any():
        raise Refusal(
            f"no forest among {len(forest)} plots",
            expected="plots that lie in forest",
            remedy="Stratify by a forest map and sample more in it: an area of zero "
            "with an error of zero says nothing.",
        )
    rules = load_interval_rules(settings.project)
    doubts = sample.doubts(forest, rules)
    found = sample.moments(forest)
    # As an estimate of an area it is none of the reported indicators.
    area = design_based(
        sample,
        request,
        indicator.id,
        Measure(found.value, found.se, "ha"),
        n=len(forest),
        doubts=doubts,
    )
    divisor = _land(indicator, land, sample)
    share = cover_rate(area, divisor)
    rate = design_based(
        sample, request, indicator.id, share, n=len(forest), doubts=doubts
    )
    targets = load_targets(settings.project)
    stock = _stock(plots, sample, request, known["growing_stock"], rules)
    year = period.start.year
    judged = None if stock is None else verdict_on(stock, year=year, targets=targets)
    return ForestResult(
        indicator,
        divisor,
        area,
        rate,
        verdict_on(rate, year=year, targets=targets),
        stock,
        judged,
    )


def _tall(plots: pd.DataFrame, settings: Settings) -> NDArray[np.bool_]:
    """Return where trees are higher than the FAO definition asks for."""
    least = load_forest_rules(settings.project)["forest_fao"].height_m
    height = numbers(plots, "height_m", table=PLOTS, minimum=0.0)
    return np.asarray(height > (least or 0.0))


def _land(indicator: Indicator, name: str, sample: AreaSample) -> Denominator:
    if name == FRAME:
        return Denominator(FRAME, sample.frame_ha, "ha", "the strata table", "verified")
    for one in indicator.denominators:
        if one.id == name:
            return one
    ids = (FRAME, *(one.id for one in indicator.denominators))
    raise BadInput(
        f"land area {name!r}",
        expected=f"one of {', '.join(ids)}",
        remedy="qhsink indicators show names them with their sources.",
    )


def _stock(
    plots: pd.DataFrame,
    sample: AreaSample,
    request: AreaRequest,
    indicator: Indicator,
    rules: IntervalRules,
) -> Estimate | None:
    """Return the growing stock: volume on arbor plots, zero elsewhere."""
    if "volume_m3_ha" not in plots.columns:
        return None
    arbor = flags(plots, "arbor", table=PLOTS)
    volume = numbers(plots, "volume_m3_ha", table=PLOTS, minimum=0.0)
    stray = np.flatnonzero((volume > 0.0) & ~arbor)
    if stray.size:
        raise TableError(
            f"{PLOTS}, line {stray[0] + 2}: a volume outside arbor forest",
            expected="volume_m3_ha of 0 where arbor is 0",
            remedy="Shrubland and scattered trees carry no growing stock.",
        )
    found = sample.moments(volume)
    return design_based(
        sample,
        request,
        indicator.id,
        Measure(found.value, found.se, "m3"),
        n=int(arbor.sum()),
        doubts=sample.doubts(volume, rules),
    )
