"""What is estimated from field plots, alone and with the map.

Campaigns are drawn from a site's land pixels; the map alone is in ``evaluate_map``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qhsink.estimation.area import Labels, Stratum, estimate_area
from qhsink.estimation.assisted import assisted_mean, difference_by_domain
from qhsink.estimation.domains import estimate_by_domain
from qhsink.estimation.small_area import (
    SmallAreaEstimate,
    UnitSample,
    eblup,
    fit_nested_error,
    greg_by_domain,
    synthetic,
)
from qhsink.estimation.survey import StratifiedClusters, stratified_sample
from qhsink.steps.evaluate_map import filled, is_land
from qhsink.steps.evaluate_places import Size, TrialSpec
from qhsink.steps.evaluate_result import COVER, HERBS, MEADOWS, TREES, Result
from qhsink.steps.evaluate_world import Site
from qhsink.twin import lies
from qhsink.twin.campaign import (
    Drawn,
    Floats,
    PlotRules,
    Truth,
    draw_simple,
    draw_stratified,
    draw_systematic,
    visit,
)
from qhsink.twin.world import MEADOW


@dataclass(frozen=True, slots=True)
class Sampled:
    """Plots of one campaign in one square."""

    site: Site
    drawn: Drawn
    """Pixels of ``site``."""
    cover: Floats
    herbs: Floats
    trees: Floats
    ecosystem: NDArray[np.int64]

    @property
    def map(self) -> Floats:
        """Map value at the plots, gaps filled."""
        return filled(self.site)[self.drawn.index]


def _measure(
    site: Site, drawn: Drawn, truth: Truth, rules: PlotRules, rng: np.random.Generator
) -> Sampled:
    table = visit(truth, site.x[drawn.index], site.y[drawn.index], rules=rules, rng=rng)
    return Sampled(
        site=site,
        drawn=drawn,
        cover=table["fvc"].to_numpy(dtype=np.float64),
        herbs=table["agb_grass"].to_numpy(dtype=np.float64),
        trees=table["agb_forest"].to_numpy(dtype=np.float64),
        ecosystem=table["ecosystem"].to_numpy(dtype=np.int64),
    )


def simple_plots(
    site: Site,
    truth: Truth,
    trial: TrialSpec,
    rules: PlotRules,
    rng: np.random.Generator,
    lie: lies.Lie | None,
) -> Iterator[Result]:
    """Yield what a simple random sample gives, sub-regions included."""
    pixels = site.x.size
    drawn = draw_simple(pixels, trial.plots, rng)
    if lie == "roadside":
        near = np.flatnonzero(lies.roadside(site.cover, site.rows))
        reached = near[draw_simple(near.size, trial.plots, rng).index]
        drawn = dataclasses.replace(drawn, index=reached.astype(np.int64))
    sampled = _measure(site, drawn, truth, rules, rng)
    design = stratified_sample(trial.plots, sizes=[float(pixels)])
    name = f"square-{site.square.region}"
    yield _expansion(
        site, design, sampled.cover, (name, COVER, "simple random plots"), site.cover
    )
    yield _expansion(
        site,
        design,
        sampled.herbs,
        (name, HERBS, "simple random plots"),
        site.ground.agb_grass,
    )
    yield from _trees(site, design, sampled, rules)
    yield from _small_areas(sampled, design, trial)


def _expansion(
    site: Site,
    design: StratifiedClusters,
    y: Floats,
    what: tuple[str, str, str],
    true: NDArray[np.floating],
) -> Result:
    (row,) = estimate_by_domain(design, y, units=float(site.x.size))
    region, indicator, mode = what
    return Result(
        region,
        "square",
        indicator,
        mode,
        row.n,
        float(true.astype(np.float64).mean()),
        row.mean or 0.0,
        row.se_mean or 0.0,
        row.df,
    )


def _trees(
    site: Site, design: StratifiedClusters, sampled: Sampled, rules: PlotRules
) -> Iterator[Result]:
    """Yield tree biomass without and with the error that all plots share."""
    true = site.ground.agb_forest
    if float(np.mean(true > 0.0)) < 0.02:
        return
    name = f"square-{site.square.region}"
    mode = "simple random plots, equation taken as exact"
    plain = _expansion(site, design, sampled.trees, (name, TREES, mode), true)
    yield plain
    yield dataclasses.replace(
        plain,
        mode="simple random plots + equation error",
        se=math.hypot(plain.se, rules.allometric_cv * plain.value),
    )


def _small_areas(
    sampled: Sampled, design: StratifiedClusters, trial: TrialSpec
) -> Iterator[Result]:
    site, y, x = sampled.site, sampled.cover, sampled.map
    part = site.part[sampled.drawn.index]
    sample = UnitSample(y, np.column_stack([np.ones(y.size), x]), part)
    whole = filled(site)
    means = {
        name: np.array([1.0, float(whole[site.part == name].mean())])
        for name, _ in site.square.parts
        if is_land(site.part == name, False, trial)
    }
    if len(np.unique(part)) < 2:
        return
    model = fit_nested_error(sample)
    rows = [
        *synthetic(model, sample, means),
        *greg_by_domain(sample, design.weight, means),
        *eblup(model, sample, means),
    ]
    for row in rows:
        yield from _small_area(row, site)
    for direct in estimate_by_domain(design, y, domain=part):
        if direct.domain in means and direct.df > 0:
            yield Result(
                direct.domain,
                "part",
                COVER,
                "plots of the sub-region alone",
                direct.n,
                float(site.cover[site.part == direct.domain].mean()),
                direct.mean or 0.0,
                direct.se_mean or 0.0,
                direct.df,
            )


_SMALL_AREA = {
    "synthetic": "small area: synthetic",
    "greg": "small area: GREG by domain",
    "eblup": "small area: EBLUP",
}


def _small_area(row: SmallAreaEstimate, site: Site) -> Iterator[Result]:
    if row.root_mse is None:
        return
    yield Result(
        row.domain,
        "part",
        COVER,
        _SMALL_AREA[row.method],
        row.n,
        float(site.cover[site.part == row.domain].mean()),
        row.value,
        row.root_mse,
        float(row.n - 1) if row.method == "greg" else math.inf,
    )


def systematic_plots(
    site: Site,
    truth: Truth,
    trial: TrialSpec,
    rules: PlotRules,
    rng: np.random.Generator,
) -> Iterator[Result]:
    """Yield what a systematic sample gives, analysed as a random one."""
    drawn = draw_systematic(site.rows, site.columns, trial.plots, rng)
    sampled = _measure(site, drawn, truth, rules, rng)
    design = stratified_sample(drawn.index.size, sizes=[float(site.x.size)])
    name, mode = f"square-{site.square.region}", "systematic plots, as if random"
    yield _expansion(site, design, sampled.cover, (name, COVER, mode), site.cover)


def stratified_plots(
    site: Site,
    truth: Truth,
    trial: TrialSpec,
    rules: PlotRules,
    rng: np.random.Generator,
) -> Sampled:
    """Return the plots of a campaign stratified by map value."""
    drawn = draw_stratified(
        map_bands(site, trial.bands),
        trial.plots,
        minimum=trial.least_per_stratum,
        rng=rng,
    )
    return _measure(site, drawn, truth, rules, rng)


def map_bands(site: Site, bands: int) -> NDArray[np.intp]:
    """Return strata of equal size by map value, and one without a value.

    A gap of fewer than 20 pixels joins the first band: two plots need room.
    """
    code = np.zeros(site.x.size, dtype=np.intp)
    seen = np.isfinite(site.predicted)
    if seen.any():
        edges = np.quantile(site.predicted[seen], np.arange(1, bands) / bands)
        code[seen] = np.searchsorted(edges, site.predicted[seen], side="right")
    if (~seen).sum() >= 20:
        code[~seen] = bands
    return np.asarray(np.unique(code, return_inverse=True)[1], dtype=np.intp)


def assisted_plots(parts: Sequence[Sampled], size: Size) -> Iterator[Result]:
    """Yield stratified, difference and regression estimates over some squares."""
    if size == "all" and len(parts) < 2:
        return
    joined, sizes = _joined_strata(parts)
    design = stratified_sample(joined.size, stratum=joined, sizes=sizes)
    units = float(sum(p.site.x.size for p in parts))
    name = "all" if size == "all" else f"square-{parts[0].site.square.region}"
    prediction = np.concatenate([p.map for p in parts])
    map_mean = float(np.concatenate([filled(p.site) for p in parts]).mean())
    for indicator, y_of, true_of in _TARGETS:
        y = np.concatenate([y_of(p) for p in parts])
        true = float(np.concatenate([true_of(p.site) for p in parts]).mean())
        plain = Result(name, size, indicator, "", y.size, true, 0.0, 0.0, 0.0)
        (alone,) = estimate_by_domain(design, y, units=units)
        yield _as(plain, "stratified plots", alone.mean, alone.se_mean, alone.df)
        if indicator == COVER:
            (moved,) = difference_by_domain(
                design,
                y,
                prediction,
                population_means={None: map_mean},
                population_units={None: units},
            )
            yield _as(plain, "difference (map)", moved.mean, moved.se_mean, moved.df)
        fit = assisted_mean(design, y, prediction, map_mean=map_mean, slope=True)
        yield _as(plain, "regression (map)", fit.mean, fit.se, fit.df)
    if size == "square":
        yield _meadow(parts[0], name)


def _joined_strata(parts: Sequence[Sampled]) -> tuple[NDArray[np.intp], Floats]:
    codes, sizes, first = [], [], 0
    for part in parts:
        codes.append(part.drawn.stratum + first)
        sizes.append(part.drawn.sizes)
        first += part.drawn.sizes.size
    return np.concatenate(codes), np.concatenate(sizes)


def _as(
    plain: Result, mode: str, value: float | None, se: float | None, df: float
) -> Result:
    return dataclasses.replace(
        plain, mode=mode, value=value or 0.0, se=se or 0.0, df=df
    )


_TARGETS: tuple[
    tuple[str, Callable[[Sampled], Floats], Callable[[Site], NDArray[np.floating]]], ...
] = (
    (COVER, lambda p: p.cover, lambda s: s.cover),
    (HERBS, lambda p: p.herbs, lambda s: s.ground.agb_grass.astype(np.float64)),
)


def _meadow(sampled: Sampled, name: str) -> Result:
    """Return the area share of meadow from interpreted plots (Stehman 2014)."""
    stratum = sampled.drawn.stratum.astype(str)
    labels = Labels(
        stratum=stratum,
        map=stratum,
        reference=np.where(sampled.ecosystem == MEADOW, "meadow", "other"),
        count=np.ones(stratum.size),
    )
    strata = {str(h): Stratum(float(u)) for h, u in enumerate(sampled.drawn.sizes)}
    found = estimate_area(labels, strata).classes.get("meadow")
    true = float(np.mean(sampled.site.ground.ecosystem == MEADOW))
    return Result(
        name,
        "square",
        MEADOWS,
        "area from stratified labels",
        stratum.size,
        true,
        found.proportion if found else 0.0,
        found.se_proportion if found else 0.0,
        float(stratum.size - len(strata)),
    )
