"""草原综合植被盖度 in a trial, and degraded grassland: plots by grassland type.

Plots are drawn by type in every county; the commands' own steps turn the tables into
estimates. Mean cover of all land is in ``evaluate_plots``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from qhsink.config import Settings, load_grades, load_settings
from qhsink.domain.errors import QhsinkError
from qhsink.domain.estimate import Estimate
from qhsink.indicators.land_grades import degradation_of_plots
from qhsink.steps.cover import CoverRequest, composite_cover_from
from qhsink.steps.evaluate_places import Size, TrialSpec
from qhsink.steps.evaluate_plots import Sampled, measure
from qhsink.steps.evaluate_result import CVCG, DEGRADED, VERDICT_LEVEL, Result
from qhsink.steps.evaluate_site import Site
from qhsink.steps.evaluate_totals import as_text, strata_table
from qhsink.steps.graded_land import GradeRequest, graded_areas
from qhsink.twin.campaign import Drawn, Floats, Truth, draw_stratified
from qhsink.twin.classes import ECOSYSTEMS, GRASSLAND

LEAST_TYPE = 0.02
"""Share of a county's grassland below which a type joins the commonest."""
BY_TYPE = "plots by type and county"
REFERENCE_QUANTILE = 0.9
"""Of true cover within a type: its undegraded reference, as if the authority's."""


@dataclass(frozen=True, slots=True)
class County:
    """A square as a county: its grassland by type, as an official survey has it."""

    site: Site
    grass: NDArray[np.int64]
    """Pixels of the site that are grassland, shape (n,)."""
    type: NDArray[np.int64]
    """Surveyed type of each, shape (n,)."""

    @property
    def cover(self) -> Floats:
        """True cover of the grassland, shape (n,)."""
        return self.site.cover[self.grass]


def surveyed(site: Site) -> County:
    """Return the grassland of a square, rare types merged into the commonest."""
    kinds = site.ground.ecosystem.astype(np.int64)
    grass = np.flatnonzero(np.isin(kinds, GRASSLAND))
    counts = np.bincount(kinds[grass], minlength=len(ECOSYSTEMS) + 1)
    rare = counts[kinds[grass]] < LEAST_TYPE * grass.size
    merged = np.where(rare, int(np.argmax(counts)), kinds[grass])
    return County(site, grass, merged)


def composite_cover(
    sites: Sequence[Site], truth: Truth, trial: TrialSpec, rng: np.random.Generator
) -> Iterator[Result]:
    """Yield the composite cover of every square and of all, and degraded land."""
    counties = [surveyed(site) for site in sites]
    visited = [_visit(c, truth, trial, trial.plots, rng) for c in counties]
    yield from _cvcg(counties, visited, trial)
    for county in counties:
        many = _visit(county, truth, trial, trial.label_plots, rng)
        yield from _degraded(county, many, trial)


def _visit(
    county: County, truth: Truth, trial: TrialSpec, count: int, rng: np.random.Generator
) -> Sampled:
    """Return plots drawn at random within every surveyed type."""
    code = np.unique(county.type, return_inverse=True)[1].astype(np.intp)
    least = trial.least_per_stratum
    of_type = draw_stratified(code, count, minimum=least, rng=rng)
    index = county.grass[of_type.index]
    drawn = Drawn(index, of_type.stratum, of_type.sizes)
    return measure(county.site, drawn, truth, trial.plots_rules, rng)


def _cvcg(
    counties: Sequence[County], visited: Sequence[Sampled], trial: TrialSpec
) -> Iterator[Result]:
    """Yield what ``indicators cvcg`` says of the plots and the surveyed areas."""
    pixel_ha = trial.pixel_size_m**2 / 10_000.0
    names = [_name(county) for county in counties]
    plots = as_text(
        {
            "county": np.repeat(names, [s.cover.size for s in visited]),
            "type": np.concatenate(
                [
                    np.unique(c.type)[s.drawn.stratum]
                    for c, s in zip(counties, visited, strict=True)
                ]
            ),
            "cover": np.concatenate([s.cover for s in visited]),
        }
    )
    areas = as_text(
        {
            "county": [
                n for n, c in zip(names, counties, strict=True) for _ in _types(c)
            ],
            "type": [t for c in counties for t in _types(c)],
            "area_ha": [a * pixel_ha for c in counties for a in _types(c).values()],
        }
    )
    request = CoverRequest(trial.year, VERDICT_LEVEL, provenance="simulated")
    true = np.concatenate([c.cover for c in counties])
    whole = _plain("all", "all", CVCG, BY_TYPE, float(true.mean()))
    try:
        found = composite_cover_from(plots, areas, request, _settings())
    except QhsinkError as error:
        yield dataclasses.replace(whole, refusal=str(error))
        return
    for county, row in zip(counties, found.counties, strict=True):
        mean = float(county.cover.mean())
        yield _given(_plain(_name(county), "square", CVCG, BY_TYPE, mean), row.estimate)
    if len(counties) > 1:
        yield _given(whole, found.whole)


def _types(county: County) -> Mapping[int, int]:
    """Return pixels by surveyed type, in the order of strata."""
    names, counts = np.unique(county.type, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _degraded(county: County, sampled: Sampled, trial: TrialSpec) -> Iterator[Result]:
    """Yield the degraded share of a county's grassland by ``indicators grades``.

    Once with cover as it was read, once with every plot's true cover: the difference is
    what the error of plots does to grades.
    """
    types = np.unique(county.type)
    reference = {
        str(t): float(np.quantile(county.cover[county.type == t], REFERENCE_QUANTILE))
        for t in types.tolist()
    }
    true = _graded_share(county.type, county.cover, reference)
    table = as_text({"type": list(reference), "cover": list(reference.values())})
    kind = types[sampled.drawn.stratum]
    frame = strata_table(
        sampled.drawn.sizes,
        unit_area_ha=np.full(types.size, trial.pixel_size_m**2 / 10_000.0),
    )
    exact = sampled.site.cover[sampled.drawn.index]
    for mode, cover in (
        ("graded plots", sampled.cover),
        ("graded plots, read without error", exact),
    ):
        plots = as_text(
            {"stratum": sampled.drawn.stratum, "type": kind, "cover": cover}
        )
        plain = _plain(_name(county), "square", DEGRADED, mode, true)
        request = GradeRequest("degraded_grassland", trial.month, VERDICT_LEVEL)
        try:
            found = graded_areas(plots, frame, table, request, _settings())
        except QhsinkError as error:
            yield dataclasses.replace(plain, refusal=str(error))
            continue
        # Degraded is what is not of grade 0: one area known gives the other.
        sound = next(row.area for row in found.rows if row.grade == 0)
        yield dataclasses.replace(
            plain,
            n=len(plots),
            value=1.0 - (sound.mean or 0.0),
            se=sound.se_mean or 0.0,
            df=sound.df,
            flags=() if cover is exact else sound.flags,
        )


def _graded_share(
    types: NDArray[np.int64], cover: Floats, reference: Mapping[str, float]
) -> float:
    """Return the share of pixels whose true cover is degraded."""
    grades = degradation_of_plots(
        types.astype(str).tolist(),
        {"cover": cover},
        {"cover": reference},
        scales=load_grades(_settings().project),
    )
    return float(np.mean(grades > 0))


def _name(county: County) -> str:
    return f"square-{county.site.square.region}"


def _plain(name: str, size: Size, indicator: str, mode: str, true: float) -> Result:
    return Result(name, size, indicator, mode, 0, true)


def _given(plain: Result, found: Estimate) -> Result:
    return dataclasses.replace(
        plain,
        n=found.n,
        value=found.value,
        se=found.se,
        df=found.df,
        flags=found.flags,
    )


@cache
def _settings() -> Settings:
    return load_settings()
