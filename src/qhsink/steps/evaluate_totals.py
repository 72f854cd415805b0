"""Estimators of ``estimate total`` in a trial: each from the tables that it reads.

Samples of designs that ``evaluate_plots`` has not are drawn here. The tables go through
``estimate_totals`` as the command line's do; nothing is estimated here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qhsink.domain.errors import QhsinkError
from qhsink.domain.reliability import IntervalRules
from qhsink.estimation.domains import Level
from qhsink.estimation.request import TotalRequest, TotalTables
from qhsink.estimation.total import estimate_totals
from qhsink.steps.evaluate_map import filled
from qhsink.steps.evaluate_places import TrialSpec
from qhsink.steps.evaluate_plots import Sampled, map_bands, measure, stratified_plots
from qhsink.steps.evaluate_result import COVER, VERDICT_LEVEL, Result
from qhsink.steps.evaluate_site import Site
from qhsink.twin.campaign import (
    Drawn,
    Floats,
    Index,
    PlotRules,
    Truth,
    draw_simple,
    draw_stratified,
)
from qhsink.twin.designs import (
    draw_clusters,
    draw_midzuno,
    draw_proportional,
    midzuno_joint,
)

Y, MAP, HEIGHT, BAND, WEIGHT = "y", "map", "elevation", "band", "prob"
"""Columns of the tables."""
LEAST_SIZE = 0.1
"""Added to a pixel's map value to make its size: nothing is left without a chance."""


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a campaign's table."""

    mode: str
    """Name of the line."""
    options: dict[str, Any]
    """Of ``TotalRequest``."""
    tables: TotalTables
    """As the command reads them."""


def total_plots(
    site: Site,
    truth: Truth,
    trial: TrialSpec,
    rules: IntervalRules,
    rng: np.random.Generator,
) -> Iterator[Result]:
    """Yield mean cover of a square by every estimator of ``estimate total``.

    Those that ``evaluate_plots`` tries are left out.
    """
    plots = trial.plots_rules
    drawn = draw_simple(site.x.size, trial.plots, rng)
    asked = [
        *_with_auxiliaries(measure(site, drawn, truth, plots, rng), trial),
        *_by_strata(stratified_plots(site, truth, trial, plots, rng), trial),
        *_two_phase(site, truth, trial, plots, rng),
        _clusters(site, truth, trial, plots, rng),
        *_unequal(site, truth, trial, plots, rng),
    ]
    yield from (answer(site, one, site.cover, COVER, rules) for one in asked)


def answer(
    site: Site, asked: Asked, true: Floats, indicator: str, rules: IntervalRules
) -> Result:
    """Return what the command would say, or its refusal, beside the truth."""
    level = Level(VERDICT_LEVEL, asked.options.pop("interval", "t"), rules)
    request = TotalRequest(y=Y, level=level, **asked.options)
    plain = Result(
        f"square-{site.square.region}",
        "square",
        indicator,
        asked.mode,
        len(asked.tables.sample),
        float(true.mean()),
        kind=level.kind,
    )
    try:
        (row,) = estimate_totals(request, asked.tables)
    except QhsinkError as error:
        return dataclasses.replace(plain, refusal=str(error))
    if row.mean is None or row.se_mean is None:
        return dataclasses.replace(plain, refusal="no estimate")
    return dataclasses.replace(
        plain, n=row.n, value=row.mean, se=row.se_mean, df=row.df, flags=row.flags
    )


def as_text(columns: dict[str, Any]) -> pd.DataFrame:
    """Return a table as the command line reads it: cells of text."""
    return pd.DataFrame(
        {
            name: [str(v) for v in np.asarray(of).tolist()]
            for name, of in columns.items()
        }
    )


def strata_table(sizes: Floats, **more: Any) -> pd.DataFrame:
    """Return ``stratum,units`` and further columns for strata 0, 1, ..."""
    names = range(len(sizes))
    return as_text({"stratum": list(names), "units": sizes, **more})


def _with_auxiliaries(sampled: Sampled, trial: TrialSpec) -> Iterator[Asked]:
    """Yield what a simple random sample gives with what is known wall to wall."""
    site, index = sampled.site, sampled.drawn.index
    whole = filled(site)
    bands = _joined(
        map_bands(site, trial.bands),
        trial.least_per_stratum * site.x.size / trial.plots,
    )
    height = site.ground.elevation.astype(np.float64)
    sample = as_text(
        {Y: sampled.cover, MAP: whole[index], HEIGHT: height[index], BAND: bands[index]}
    )
    means = as_text({MAP: [whole.mean()], HEIGHT: [height.mean()]})
    size = float(site.x.size)
    sizes = strata_table(np.bincount(bands).astype(np.float64))
    yield Asked(
        "regression (map, elevation)",
        {"method": "regression", "population": size, "aux": (MAP, HEIGHT)},
        TotalTables(sample, aux_means=means),
    )
    yield Asked(
        "ratio (map)",
        {"method": "ratio", "population": size, "ratio_of": MAP},
        TotalTables(sample, aux_means=means),
    )
    yield Asked(
        "post-stratified by map",
        {"method": "poststratified", "stratum": BAND},
        TotalTables(sample, strata=sizes),
    )


def _by_strata(sampled: Sampled, trial: TrialSpec) -> Iterator[Asked]:
    """Yield the two ratio estimators of a stratified sample."""
    site, drawn = sampled.site, sampled.drawn
    whole, bands = filled(site), map_bands(site, trial.bands)
    sample = as_text({Y: sampled.cover, MAP: sampled.map, BAND: drawn.stratum})
    by_band = np.bincount(bands, weights=whole) / np.bincount(bands)
    names = list(range(len(drawn.sizes)))
    for kind, means in (
        ("combined", as_text({MAP: [whole.mean()]})),
        ("separate", as_text({"stratum": names, MAP: by_band, "units": drawn.sizes})),
    ):
        yield Asked(
            f"stratified, {kind} ratio (map)",
            {"method": "ratio", "stratum": BAND, "ratio_of": MAP, "ratio": kind},
            TotalTables(sample, strata=strata_table(drawn.sizes), aux_means=means),
        )


def _joined(bands: NDArray[np.intp], least: float) -> NDArray[np.intp]:
    """Return strata of which those of fewer than ``least`` units join the first."""
    few = np.bincount(bands)[bands] < least
    joined = np.unique(np.where(few, 0, bands), return_inverse=True)[1]
    return np.asarray(joined, dtype=np.intp)


def _two_phase(
    site: Site,
    truth: Truth,
    trial: TrialSpec,
    rules: PlotRules,
    rng: np.random.Generator,
) -> Iterator[Asked]:
    """Yield both estimators of a first phase on the map and a subsample of plots."""
    whole, size = filled(site), float(site.x.size)
    first = draw_simple(site.x.size, trial.first_phase, rng).index
    bands = _joined(map_bands(site, trial.bands)[first], trial.least_per_stratum)
    for mode, second, options in (
        (
            "two-phase, strata by map",
            draw_stratified(
                bands,
                trial.plots,
                minimum=trial.least_per_stratum,
                rng=rng,
            ).index,
            {"stratum": BAND},
        ),
        (
            "two-phase, regression (map)",
            draw_simple(first.size, trial.plots, rng).index,
            {"aux": (MAP,)},
        ),
    ):
        drawn = Drawn(first[second], np.zeros(second.size, np.intp), np.array([size]))
        cells = np.full(first.size, "", dtype=object)
        cells[second] = measure(site, drawn, truth, rules, rng).cover
        yield Asked(
            mode,
            {"method": "two-phase", "population": size, **options},
            TotalTables(as_text({Y: cells, MAP: whole[first], BAND: bands})),
        )


def _clusters(
    site: Site,
    truth: Truth,
    trial: TrialSpec,
    rules: PlotRules,
    rng: np.random.Generator,
) -> Asked:
    """Return a simple random sample of clusters of four plots."""
    drawn, cluster, frame = draw_clusters(site.rows, site.columns, trial.clusters, rng)
    cover = measure(site, drawn, truth, rules, rng).cover
    return Asked(
        "clusters of 4 plots",
        {"method": "cluster", "cluster": "cluster", "population": float(frame)},
        TotalTables(as_text({Y: cover, "cluster": cluster})),
    )


def _unequal(
    site: Site,
    truth: Truth,
    trial: TrialSpec,
    rules: PlotRules,
    rng: np.random.Generator,
) -> Iterator[Asked]:
    """Yield Horvitz and Thompson's estimator, pairs' probabilities unknown and known.

    Plots are drawn by the map's cover: what is green counts more.
    """
    size, count = LEAST_SIZE + filled(site), trial.plots
    frame = float(site.x.size)
    for mode, index, prob, joint, options in (
        (
            "unequal probabilities",
            *draw_proportional(size, count, rng),
            None,
            {"fpc": True},
        ),
        ("unequal probabilities, Yates-Grundy", *_midzuno(size, count, rng), {}),
    ):
        drawn = Drawn(index, np.zeros(index.size, np.intp), np.array([frame]))
        cover = measure(site, drawn, truth, rules, rng).cover
        yield Asked(
            mode,
            {"method": "ht", "prob": WEIGHT, "population": frame, **options},
            TotalTables(as_text({Y: cover, WEIGHT: prob}), joint=joint),
        )


def _midzuno(
    size: Floats, count: int, rng: np.random.Generator
) -> tuple[Index, Floats, Floats]:
    index, prob = draw_midzuno(size, count, rng)
    return index, prob, midzuno_joint(size, index, count)
