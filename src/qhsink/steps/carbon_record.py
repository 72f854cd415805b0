"""A carbon result as JSON-able values: what the file holds and what the page shows."""

from __future__ import annotations

import dataclasses
from typing import Any

from qhsink.accounting.pools import CO2_PER_CARBON
from qhsink.domain.carbon import Factor
from qhsink.steps.carbon import CarbonResult, RouteRow

NOT_ASSESSED = ("baseline", "additionality", "leakage", "permanence")
"""What stands between a stock and a credit; named in every result."""


def carbon_record(result: CarbonResult) -> dict[str, Any]:
    """Return the result as plain values; units are in the names of the fields."""
    spread, request = result.propagated, result.request
    ratio = CO2_PER_CARBON.value
    return {
        "region": request.region,
        "provenance": request.provenance,
        "confidence": spread.confidence,
        "route": request.route,
        "pools": [
            {
                "ecosystem": row.ecosystem,
                "pools": row.pools,
                "carbon_t": row.value,
                "se_t": row.se,
                "ci_t": [row.low, row.high],
                "co2_t": row.value * ratio,
            }
            for row in result.rows
        ],
        "carbon_t": result.carbon,
        "co2_t": result.dioxide,
        "monte_carlo": {
            "mean_carbon_t": spread.mean,
            "se_carbon_t": spread.se,
            "ci_carbon_t": [spread.low, spread.high],
            "mean_co2_t": spread.mean * ratio,
            "se_co2_t": spread.se * ratio,
            "ci_co2_t": [spread.low * ratio, spread.high * ratio],
            "draws": spread.draws,
            "seed": request.seed,
            "numerical_error_t": spread.numerical_error,
            "tolerance_t": spread.tolerance,
        },
        "approach_1": {
            "se_carbon_t": result.approach_1_se,
            "over_monte_carlo": result.approach_1_se / spread.se if spread.se else None,
        },
        "contributions": [dataclasses.asdict(row) for row in result.contributions],
        "routes": [_route(row) for row in result.routes],
        "deductions": [dataclasses.asdict(row) for row in result.deductions],
        "left_out": list(result.left_out),
        "warnings": list(result.warnings),
        "factors": [_factor(factor) for factor in result.factors],
        "not_assessed": list(NOT_ASSESSED),
    }


def _route(row: RouteRow) -> dict[str, Any]:
    return {
        "ecosystem": row.ecosystem,
        "biomass_carbon_t": row.biomass[0],
        "biomass_se_t": row.biomass[1],
        "growing_stock_carbon_t": row.growing_stock[0],
        "growing_stock_se_t": row.growing_stock[1],
        "difference_t": row.gap.difference.value,
        "difference_se_t": row.gap.se,
        "ratio": row.gap.ratio,
        "agree": row.gap.agree,
    }


def _factor(factor: Factor) -> dict[str, Any]:
    names = ("id", "value", "se", "unit", "distribution", "source", "se_source")
    return {name: getattr(factor, name) for name in (*names, "status", "note")}
