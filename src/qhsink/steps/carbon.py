"""A stocks table to a carbon balance with its uncertainty and its doubts.

Composes: the table and the arithmetic are ``accounting``'s, draws and variance
shares ``estimation``'s, factors ``config``'s. A stock is not a credit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from qhsink.accounting.deductions import Deduction, deduct
from qhsink.accounting.pools import CO2_PER_CARBON, warnings_on_scope
from qhsink.accounting.recipe import balance_of
from qhsink.accounting.routes import RouteGap, compare_routes
from qhsink.accounting.stocks import Holding, Route, read_stocks, recipe_of
from qhsink.config import (
    Settings,
    load_bands,
    load_deductions,
    load_factor_choices,
    load_factors,
)
from qhsink.domain.carbon import POOLS, Factor, FactorChoice, FactorTable
from qhsink.domain.errors import BadInput, TableError
from qhsink.domain.estimate import Provenance
from qhsink.domain.quantity import quantity
from qhsink.estimation.draws import draw_members
from qhsink.estimation.propagate import (
    MIN_BATCHES,
    Contribution,
    Propagated,
    contributions,
    first_order_se,
    monte_carlo,
    rowwise,
)
from qhsink.steps.carbon_chain import Chain
from qhsink.steps.carbon_doubts import band_warnings, error_warnings, flag_warnings

SHARE_DRAWS = 2048
"""Draws of each base sample behind the variance shares, at most."""


@dataclass(frozen=True, slots=True)
class CarbonRequest:
    """What ``qhsink carbon`` is asked."""

    region: str = ""
    """Region id, for plausibility bands of totals; empty for a part of one."""
    route: Route | Literal["either"] = "either"
    """Route to forest biomass; ``either`` takes biomass where it is given."""
    soil: bool = True
    """Whether soil is added by the factors' density, where they have one."""
    draws: int = 10_000
    """Least number of draws."""
    tolerance: float = 0.03
    """Error of the simulation over the half-width of the interval."""
    seed: int = 1
    """Reproduces the draws."""
    confidence: float = 0.9
    """Level of intervals."""
    deductions: tuple[str, ...] = ()
    """Schedules to apply; none by default."""
    factors: Path | None = None
    """Factor file; ``config/factors.toml`` when None."""
    provenance: Provenance = "observed"
    """Of the stocks table."""


@dataclass(frozen=True, slots=True)
class PoolRow:
    """Carbon of one ecosystem in one pool, or in pools that cannot be told apart."""

    ecosystem: str
    """Ecosystem or species group."""
    pools: str
    """Pools inside."""
    value: float
    """At the values of table and factors [t C]."""
    se: float
    """Standard deviation of the draws [t C]."""
    low: float
    """Lower limit [t C]."""
    high: float
    """Upper limit [t C]."""


@dataclass(frozen=True, slots=True)
class RouteRow:
    """The two routes to one ecosystem's tree biomass carbon."""

    ecosystem: str
    """Species group."""
    biomass: tuple[float, float]
    """Carbon and standard error by biomass [t C]."""
    growing_stock: tuple[float, float]
    """Carbon and standard error by growing stock [t C]."""
    gap: RouteGap
    """How far they lie apart; draws of common factors are shared."""


@dataclass(frozen=True, slots=True)
class CarbonResult:
    """A balance with all that a reader must know."""

    request: CarbonRequest
    """What was asked."""
    rows: tuple[PoolRow, ...]
    """By ecosystem and pool."""
    carbon: float
    """Sum at the values of table and factors [t C]."""
    propagated: Propagated
    """Distribution of the sum [t C]."""
    approach_1_se: float
    """Standard error to first order, the cross-check [t C]."""
    contributions: tuple[Contribution, ...]
    """Shares of the variance, largest first."""
    routes: tuple[RouteRow, ...]
    """Forest by both routes, where the table has both."""
    deductions: tuple[Deduction, ...]
    """By schedule, on carbon dioxide [t CO2]."""
    left_out: tuple[str, ...]
    """``ecosystem: pool`` not accounted."""
    warnings: tuple[str, ...]
    """Doubts: bands, scope, assumptions."""
    factors: tuple[Factor, ...]
    """Every factor used."""

    @property
    def dioxide(self) -> float:
        """Sum as carbon dioxide [t CO2]."""
        return self.carbon * CO2_PER_CARBON.value


def carbon_balance(
    rows: Sequence[Mapping[str, str]], request: CarbonRequest, settings: Settings
) -> CarbonResult:
    """Return the balance of a stocks table.

    Parameters
    ----------
    rows : sequence of mappings
        Text cells by column; see ``accounting.stocks``.

    Raises
    ------
    BadInput
        When table, units or factors cannot be used.
    Refusal
        When a route or a deduction cannot be had, or limits do not settle.
    """
    if request.draws < 1000:
        raise BadInput(
            f"{request.draws} draws",
            expected="at least 1000",
            remedy="Limits of fewer draws are noise.",
        )
    factors = load_factors(settings.project, file=request.factors)
    choices = load_factor_choices(settings.project, file=request.factors)
    holdings = read_stocks(rows)
    chosen = {h.ecosystem: _choice(choices, h) for h in holdings}
    recipes = tuple(
        recipe_of(h, chosen[h.ecosystem], route=_route(h, request), soil=request.soil)
        for h in holdings
    )
    chain = Chain(recipes, factors)
    balance = balance_of(recipes, factors)
    propagated, spread = _propagate(chain, request)
    return CarbonResult(
        request=request,
        rows=tuple(
            PoolRow(
                row.ecosystem,
                " + ".join(pool for pool in POOLS if pool in row.pools),
                row.mass.value,
                *numbers,
            )
            for row, numbers in zip(balance.rows, spread, strict=True)
        ),
        carbon=balance.carbon.value,
        propagated=propagated,
        approach_1_se=first_order_se(chain.model, chain.sources),
        contributions=contributions(
            chain.model,
            chain.sources,
            seed=request.seed,
            draws=min(SHARE_DRAWS, request.draws),
        ),
        routes=_routes(holdings, chosen, factors, request),
        deductions=_deductions(balance.dioxide.value, propagated, request, settings),
        left_out=balance.left_out,
        warnings=(
            *flag_warnings(rows),
            *warnings_on_scope(balance),
            *band_warnings(
                chain,
                holdings,
                chosen,
                region=request.region,
                bands=load_bands(settings.project, file=request.factors),
            ),
            *error_warnings(chain),
        ),
        factors=chain.factors_used,
    )


def _choice(choices: Mapping[str, FactorChoice], holding: Holding) -> FactorChoice:
    if holding.ecosystem not in choices:
        raise TableError(
            f"stocks: ecosystem {holding.ecosystem!r}",
            expected=f"one of {', '.join(choices)}",
            remedy="Correct the name, or add a [[recipe]] to the factors.",
        )
    return choices[holding.ecosystem]


def _route(holding: Holding, request: CarbonRequest) -> Route:
    if request.route != "either" and request.route in holding.routes:
        return request.route
    return holding.routes[0]


def _propagate(
    chain: Chain, request: CarbonRequest
) -> tuple[Propagated, list[tuple[float, float, float]]]:
    """Return the sum's distribution, and SE and limits of every row [t C]."""
    seen: list[list[float]] = []

    def carbon(draw: Mapping[str, float]) -> float:
        seen.append(chain.rows(draw))
        return math.fsum(seen[-1])

    propagated = monte_carlo(
        rowwise(carbon),
        chain.sources,
        seed=request.seed,
        confidence=request.confidence,
        tolerance=request.tolerance,
        batch_size=math.ceil(request.draws / MIN_BATCHES),
        max_batches=20 * MIN_BATCHES,
    )
    table = np.asarray(seen)
    tail = (1.0 - request.confidence) / 2.0
    low, high = np.quantile(table, [tail, 1.0 - tail], axis=0)
    spread = table.std(axis=0, ddof=1)
    return propagated, list(
        zip(spread.tolist(), low.tolist(), high.tolist(), strict=True)
    )


def _routes(
    holdings: Sequence[Holding],
    chosen: Mapping[str, FactorChoice],
    factors: FactorTable,
    request: CarbonRequest,
) -> tuple[RouteRow, ...]:
    """Compare the routes where the table has both; soil is in neither."""
    found = []
    for holding in holdings:
        choice = chosen[holding.ecosystem]
        if len(holding.routes) < 2 or choice.volume_line is None:
            continue
        one, other = (
            Chain((recipe_of(holding, choice, route=route, soil=False),), factors)
            for route in holding.routes
        )
        sources = {u.name: u for u in (*one.sources, *other.sources)}
        draws = draw_members(tuple(sources.values()), request.draws, seed=request.seed)
        values = [chain.model(draws) for chain in (one, other)]
        covariance = np.cov(np.stack(values))
        pairs = [
            (chain.carbon({}), math.sqrt(float(covariance[k, k])))
            for k, chain in enumerate((one, other))
        ]
        gap = compare_routes(
            *((quantity(value, "t C"), se) for value, se in pairs),
            covariance=float(covariance[0, 1]),
        )
        found.append(RouteRow(holding.ecosystem, pairs[0], pairs[1], gap))
    return tuple(found)


def _deductions(
    dioxide: float, carbon: Propagated, request: CarbonRequest, settings: Settings
) -> tuple[Deduction, ...]:
    known = load_deductions(settings.project, file=request.factors)
    unknown = [name for name in request.deductions if name not in known]
    if unknown:
        raise BadInput(
            f"deduction {unknown[0]!r}",
            expected=f"one of {', '.join(known)}",
            remedy="Correct the name; none is applied unless asked for.",
        )
    half = (carbon.high - carbon.low) / 2.0 * CO2_PER_CARBON.value
    return tuple(
        deduct(dioxide, half, confidence=request.confidence, schedule=known[name])
        for name in request.deductions
    )
