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

from qhsink.config import project_dir
from qhsink.config.reliability import load_interval_rules
from qhsink.estimation.area import Labels, Stratum, estimate_area
from qhsink.estimation.assisted import assisted_mean, difference_by_domain
from qhsink.estimation.domains import estimate_by_domain
from qhsink.estimation.reliability import extrapolates
from qhsink.estimation.survey import Design, StratifiedClusters, stratified_sample
from qhsink.estimation.systematic import lattice_sample
from qhsink.steps.evaluate_map import filled
from qhsink.steps.evaluate_places import Size, TrialSpec
from qhsink.steps.evaluate_result import COVER, HERBS, MEADOWS, Result
from qhsink.steps.evaluate_site import Site
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

REFUSED_SLOPE = "the slope hangs on a few plots"
CONSERVATIVE = "not calibrated: on the safe side"


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


def measure(
    site: Site, drawn: Drawn, truth: Truth, rules: PlotRules, rng: np.random.Generator
) -> Sampled:
    """Return what a crew brings back from the pixels drawn."""
    table = visit(truth, site.x[drawn.index], site.y[drawn.index], rules=rules, rng=rng)
    return Sampled(
        site=site,
        drawn=drawn,
        cover=table["fvc"].to_numpy(dtype=np.float64),
        herbs=table["agb_grass"].to_numpy(dtype=np.float64),
        trees=table["agb_forest"].to_numpy(dtype=np.float64),
        ecosystem=table["ecosystem"].to_numpy(dtype=np.int64),
    )


def draw_plots(
    site: Site,
    truth: Truth,
    trial: TrialSpec,
    rules: PlotRules,
    rng: np.random.Generator,
    lie: lies.Lie | None,
) -> Sampled:
    """Return the plots of a simple random campaign; a lie may keep it by the road."""
    drawn = draw_simple(site.x.size, trial.plots, rng)
    if lie == "roadside":
        near = np.flatnonzero(lies.roadside(site.cover, site.rows))
        reached = near[draw_simple(near.size, trial.plots, rng).index]
        drawn = dataclasses.replace(drawn, index=reached.astype(np.int64))
    return measure(site, drawn, truth, rules, rng)


def simple_design(sampled: Sampled) -> StratifiedClusters:
    """Return the design of a simple random campaign."""
    return stratified_sample(
        sampled.drawn.index.size, sizes=[float(sampled.site.x.size)]
    )


def simple_plots(sampled: Sampled) -> Iterator[Result]:
    """Yield cover and herbs from a simple random campaign."""
    site, design, mode = sampled.site, simple_design(sampled), "simple random plots"
    yield expansion(site, design, sampled.cover, (COVER, mode), site.cover)
    yield expansion(site, design, sampled.herbs, (HERBS, mode), site.ground.agb_grass)


def expansion(
    site: Site,
    design: Design,
    y: Floats,
    what: tuple[str, str],
    true: NDArray[np.floating],
) -> Result:
    """Return the mean of the plots of a square; ``what``: indicator and mode."""
    (row,) = estimate_by_domain(design, y, units=float(site.x.size))
    indicator, mode = what
    return Result(
        f"square-{site.square.region}",
        "square",
        indicator,
        mode,
        row.n,
        float(true.astype(np.float64).mean()),
        row.mean or 0.0,
        row.se_mean or 0.0,
        row.df,
    )


def systematic_plots(
    site: Site,
    truth: Truth,
    trial: TrialSpec,
    rules: PlotRules,
    rng: np.random.Generator,
) -> Iterator[Result]:
    """Yield what a lattice gives: judged by its neighbours, and as a random sample."""
    herbs = site.ground.agb_grass
    drawn = draw_systematic(site.rows, site.columns, trial.plots, rng)
    sampled = measure(site, drawn, truth, rules, rng)
    rows, columns = (
        np.unique(of[drawn.index], return_inverse=True)[1]
        for of in (site.rows, site.columns)
    )
    lattice = lattice_sample(rows, columns, population=float(site.x.size))
    targets = ((COVER, sampled.cover, site.cover), (HERBS, sampled.herbs, herbs))
    for indicator, y, true in targets:
        what = (indicator, "systematic plots, neighbours")
        yield expansion(site, lattice, y, what, true)
    plain = expansion(
        site,
        simple_design(sampled),
        sampled.cover,
        (COVER, "systematic plots, as if random"),
        site.cover,
    )
    yield dataclasses.replace(plain, flags=(CONSERVATIVE,))


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
    return measure(site, drawn, truth, rules, rng)


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
    rules = load_interval_rules(project_dir())
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
        row = _as(plain, "regression (map)", fit.mean, fit.se, fit.df)
        refused = REFUSED_SLOPE if extrapolates(fit.g_range, rules) else ""
        yield dataclasses.replace(row, refusal=refused)
    if size == "square":
        yield from _meadow(parts[0], name)


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


def _meadow(sampled: Sampled, name: str) -> Iterator[Result]:
    """Yield the share of meadow from interpreted plots, by both commands."""
    stratum = sampled.drawn.stratum.astype(str)
    is_meadow = sampled.ecosystem == MEADOW
    labels = Labels(
        stratum=stratum,
        map=stratum,
        reference=np.where(is_meadow, "meadow", "other"),
        count=np.ones(stratum.size),
    )
    strata = {str(h): Stratum(float(u)) for h, u in enumerate(sampled.drawn.sizes)}
    found = estimate_area(labels, strata).classes.get("meadow")
    true = float(np.mean(sampled.site.ground.ecosystem == MEADOW))
    plain = Result(
        name,
        "square",
        MEADOWS,
        "area from stratified labels",
        stratum.size,
        true,
        found.proportion if found else 0.0,
        found.se_proportion if found else 0.0,
        math.inf,
        flags=found.flags if found else (),
    )
    yield plain
    design = stratified_sample(
        stratum.size, stratum=sampled.drawn.stratum, sizes=sampled.drawn.sizes
    )
    (row,) = estimate_by_domain(
        design, is_meadow.astype(np.float64), units=float(sampled.drawn.sizes.sum())
    )
    share = _as(plain, "share, logit interval", row.mean, row.se_mean, row.df)
    yield dataclasses.replace(share, kind="logit")
