"""Carbon of a square in a trial: areas and biomass of plots through ``qhsink carbon``.

Nobody knows a true carbon fraction or root ratio of the simulated country, and the
twin has no roots. So true factors are drawn from the distributions that
``config/factors.toml`` states, anew for every balance: limits that hold what they claim
then cover. Whether those distributions are right is not judged.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from qhsink.accounting.stocks import read_stocks, recipe_of
from qhsink.config import (
    Settings,
    load_factor_choices,
    load_factors,
    load_settings,
    project_dir,
)
from qhsink.config.reliability import load_interval_rules
from qhsink.domain.errors import QhsinkError
from qhsink.estimation.domains import TotalEstimate, estimate_by_domain
from qhsink.estimation.draws import draw_members
from qhsink.steps.carbon import CarbonRequest, CarbonResult, carbon_balance
from qhsink.steps.carbon_chain import Chain
from qhsink.steps.evaluate_places import TrialSpec
from qhsink.steps.evaluate_plots import Sampled, measure, simple_design
from qhsink.steps.evaluate_result import CARBON, VERDICT_LEVEL, Result
from qhsink.steps.evaluate_site import Site, whole_id
from qhsink.twin.campaign import Floats, Truth, draw_simple
from qhsink.twin.classes import FOREST, GRASSLAND

DRAWS, TOLERANCE = 1_000, 0.1
"""Of a balance: coarser than the command's default, for there are hundreds."""
T_HA_PER_G_M2 = 0.01
MOST_SEED = 2**31

Stocks = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class _Land:
    """One ecosystem of a square: what plots show, and what is true."""

    ecosystem: str
    """Name in the factors."""
    area: tuple[float, float]
    """Estimate and standard error [ha]."""
    density: tuple[float, float]
    """... of biomass [t d.m. ha-1]."""
    true_area: float
    """Area [ha]."""
    true_density: float
    """Biomass [t d.m. ha-1]."""


def carbon_of_plots(
    site: Site, truth: Truth, trial: TrialSpec, rng: np.random.Generator
) -> Iterator[Result]:
    """Yield the carbon of a square, its sum and its pools, per hectare of land."""
    drawn = draw_simple(site.x.size, trial.label_plots, rng)
    sampled = measure(site, drawn, truth, trial.plots_rules, rng)
    held = list(_holdings(sampled, trial))
    seed = int(rng.integers(MOST_SEED))
    if not held:
        return
    request = CarbonRequest(
        draws=DRAWS,
        tolerance=TOLERANCE,
        seed=seed,
        confidence=VERDICT_LEVEL,
        provenance="simulated",
    )
    true = _true_rows(held, seed=int(rng.integers(MOST_SEED)))
    land = site.x.size * trial.pixel_size_m**2 / 10_000.0
    plain = Result(
        whole_id(site.square), "target square", CARBON, "", len(drawn.index),
        math.fsum(true) / land, df=math.inf,
    )  # fmt: skip
    try:
        found = carbon_balance(_table(held, exact=False), request, _settings())
    except QhsinkError as error:
        yield dataclasses.replace(plain, mode=SUM, refusal=str(error))
        return
    yield from _rows(plain, found, true, land)


SUM = "carbon of plots: sum"


def _holdings(sampled: Sampled, trial: TrialSpec) -> Iterator[_Land]:
    """Yield forest and grassland, each where plots enough of it were found."""
    least = load_interval_rules(project_dir()).least_nonzero
    pixel_ha = trial.pixel_size_m**2 / 10_000.0
    ground = sampled.site.ground
    for name, classes, seen, true, scale, shared in (
        ("forest", FOREST, sampled.trees, ground.agb_forest, 1.0, trial.plots_rules),
        ("grassland", GRASSLAND, sampled.herbs, ground.agb_grass, T_HA_PER_G_M2, None),
    ):
        inside = np.isin(sampled.ecosystem, classes)
        own = np.isin(ground.ecosystem, classes)
        if inside.sum() < least:
            continue
        area, density = _estimates(sampled, inside, seen)
        # The equation's error is common to all plots: it never averages away.
        cv = 0.0 if shared is None else shared.allometric_cv
        mean = density.mean or 0.0
        yield _Land(
            ecosystem=name,
            area=_scaled(area.total, area.se_total, pixel_ha),
            density=_scaled(mean, math.hypot(density.se_mean or 0.0, cv * mean), scale),
            true_area=float(own.sum()) * pixel_ha,
            true_density=float(true[own].astype(np.float64).mean()) * scale,
        )


def _estimates(
    sampled: Sampled, inside: NDArray[np.bool_], seen: Floats
) -> tuple[TotalEstimate, TotalEstimate]:
    """Return an ecosystem's area in pixels, and its mean of ``seen``."""
    design, units = simple_design(sampled), float(sampled.site.x.size)
    (area,) = estimate_by_domain(design, inside.astype(np.float64), units=units)
    labels = np.where(inside, "in", "out")
    rows = estimate_by_domain(design, seen, domain=labels, units=units)
    return area, next(row for row in rows if row.domain == "in")


def _scaled(value: float | None, se: float | None, scale: float) -> tuple[float, float]:
    return (value or 0.0) * scale, (se or 0.0) * scale


def _table(held: Sequence[_Land], *, exact: bool) -> Stocks:
    """Return the stocks table of plots, or the true one."""
    rows = []
    for land in held:
        area = (land.true_area, 0.0) if exact else land.area
        density = (land.true_density, 0.0) if exact else land.density
        for quantity, (value, se), unit in (
            ("area", area, "ha"),
            ("biomass", density, "t d.m. ha-1"),
        ):
            cells = {"ecosystem": land.ecosystem, "quantity": quantity}
            rows.append(cells | {"value": str(value), "se": str(se), "unit": unit})
    return rows


def _true_rows(held: Sequence[_Land], *, seed: int) -> list[float]:
    """Return carbon by ecosystem and pool [t C], factors drawn once as they may be."""
    project = _settings().project
    factors, choices = load_factors(project), load_factor_choices(project)
    recipes = tuple(
        recipe_of(holding, choices[holding.ecosystem], route="biomass")
        for holding in read_stocks(_table(held, exact=True))
    )
    chain = Chain(recipes, factors)
    drawn = draw_members(
        [factor.uncertain for factor in chain.factors_used], 1, seed=seed
    )
    return chain.rows({name: float(values[0]) for name, values in drawn.items()})


def _rows(
    plain: Result, found: CarbonResult, true: Sequence[float], land: float
) -> Iterator[Result]:
    whole = found.propagated
    yield dataclasses.replace(
        plain,
        mode=SUM,
        value=found.carbon / land,
        se=whole.se / land,
        stated={VERDICT_LEVEL: (whole.low / land, whole.high / land)},
    )
    for row, amount in zip(found.rows, true, strict=True):
        yield dataclasses.replace(
            plain,
            mode=f"carbon of plots: {row.ecosystem}, {row.pools}",
            truth=amount / land,
            value=row.value / land,
            se=row.se / land,
            stated={VERDICT_LEVEL: (row.low / land, row.high / land)},
        )


@cache
def _settings() -> Settings:
    return load_settings()
