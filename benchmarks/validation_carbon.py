"""Cases of carbon, propagation and conformal intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.validation_case import PROJECT, Case, Figure, read
from qhsink.accounting.approach1 import exact_product_se, product_se, sum_se
from qhsink.accounting.deductions import deduct
from qhsink.accounting.plots import horizontal_plot_area
from qhsink.accounting.pools import (
    ABOVE,
    BELOW,
    below_ground,
    biomass_from_expansion,
    carbon_of,
    dioxide_of,
    over_area,
    root_shoot_cairns,
)
from qhsink.config import load_deductions
from qhsink.domain.carbon import Stock, Uncertain
from qhsink.domain.quantity import quantity
from qhsink.estimation.propagate import monte_carlo
from qhsink.indicators.interval import conformal_half_width

CARBON_FRACTION = quantity(0.47, "t C (t d.m.)-1")


def chain() -> Case:
    """From biomass, stem volume and shrub cover to carbon dioxide."""
    expected = read("ar_tool14_carbon_chain")
    stand = Stock("forest", ABOVE, quantity(75.0, "t d.m. ha-1"))
    roots = below_ground(stand, root_shoot_cairns(stand.mass))
    stem = biomass_from_expansion(
        "forest",
        quantity(100.0, "m3 ha-1"),
        quantity(0.3, "t d.m. m-3"),
        quantity(1.1, "1"),
    )
    stem_roots = below_ground(stem, quantity(0.2, "1"))
    shrub = Stock("shrubland", ABOVE, quantity(0.1 * 75.0, "t d.m. ha-1"))
    shrubs = over_area(shrub, quantity(10.0 * 0.3, "ha"))
    shrub_roots = below_ground(shrubs, quantity(0.4, "1"))

    def dioxide(first: Stock, second: Stock, unit: str) -> float:
        whole = Stock(first.ecosystem, ABOVE | BELOW, first.mass + second.mass)
        return dioxide_of(carbon_of(whole, CARBON_FRACTION).mass).number(unit)

    length, area = horizontal_plot_area(20.0, 25.0)
    slope = expected["slope_plot"]
    return Case(
        "From biomass to carbon dioxide",
        "AR-TOOL14 v04.2 as worked in cases/ar_tool14_carbon_chain",
        (
            Figure(
                "75 t/ha above ground [t CO2/ha]",
                expected["CO2_t_ha"],
                dioxide(stand, roots, "t CO2 ha-1"),
            ),
            Figure(
                "100 m3/ha of stems [t CO2/ha]",
                expected["stem_CO2_t_ha"],
                dioxide(stem, stem_roots, "t CO2 ha-1"),
            ),
            Figure(
                "3 ha of shrubs [t CO2]",
                expected["shrub_CO2_t"],
                dioxide(shrubs, shrub_roots, "t CO2"),
            ),
            Figure("plot on a slope, length [m]", slope["L_m"], length),
            Figure("plot on a slope, area [ha]", slope["area_ha"], area),
        ),
    )


def uncertainty() -> Case:
    """Emissions of Guyana, and the deductions of two rules."""
    expected, schedules = read("art_trees_uncertainty"), load_deductions(PROJECT)
    first, exact, total = [], [], 0.0
    for row in read("art_trees_uncertainty", "inputs.csv").to_dict("records"):
        values = [float(row["AD"]), float(row["EF"])]
        errors = [
            value * float(row[key]) / 100 / 1.645006
            for value, key in zip(values, ("ADci", "EFci"), strict=True)
        ]
        total += math.prod(values)
        first.append(product_se(values, errors))
        exact.append(exact_product_se(values, errors))
    drawn = expected["mc_n1e6_notrunc"]
    half = drawn["gross"] * drawn["hw90_pct"] / 100
    guyana = deduct(
        drawn["gross"], half, confidence=0.9, schedule=schedules["art_trees_2"]
    )
    approach, analytic = (
        expected[key] for key in ("ipcc_approach1", "analytic_product_variance")
    )
    figures = [
        Figure("emissions of Guyana 2024 [t CO2]", approach["mean"], total),
        Figure("their sd, Approach 1", approach["sd"], sum_se(first)),
        Figure("their sd, exact products", analytic["sd"], sum_se(exact)),
        Figure("ART-TREES deduction [t CO2]", drawn["UNC"], guyana.amount),
    ]
    figures += discounts(schedules)
    return Case(
        "Uncertainty and deductions",
        "ART-TREES 2.0 eq. 10-11 with Guyana's inputs; AR-TOOL14 v04.2",
        tuple(figures),
    )


def discounts(schedules: Mapping[str, Any]) -> list[Figure]:
    """Return the steps of AR-TOOL14's discount."""
    return [
        Figure(
            f"AR-TOOL14 discount at {row['U_pct']:g} % [% of the estimate]",
            row["fraction"] * row["U_pct"],
            deduct(
                100.0, row["U_pct"], confidence=0.9, schedule=schedules["ar_tool14"]
            ).amount,
        )
        for row in read("ar_tool14_uncertainty")["edge_cases"]
    ]


def propagation() -> Case:
    """Monte Carlo sums of four inputs, JCGM 101."""
    expected, figures = read("jcgm101_monte_carlo"), []
    for key, kind in (
        ("additive_normal", "normal"),
        ("additive_rectangular", "uniform"),
    ):
        inputs = [Uncertain(f"x{k}", 0.0, 1.0, kind) for k in range(4)]
        found = monte_carlo(
            lambda draws: sum(draws.values()), inputs, seed=7, tolerance=0.004
        )
        low, high = expected[key]["interval"]
        within = expected["tolerance_abs"]
        # Two decimals: more are the luck of the seed.
        figures.append(Figure(f"{key}, low", low, round(found.low, 2), within))
        figures.append(Figure(f"{key}, high", high, round(found.high, 2), within))
    return Case(
        "Monte Carlo propagation",
        "JCGM 101:2008 sec. 9.2.2 and 9.2.3, 95 % intervals",
        tuple(figures),
    )


def conformal() -> Case:
    """Split-conformal half-widths."""
    inputs, expected = read("split_conformal", "inputs.json"), read("split_conformal")
    figures = []
    for row in expected["q"]:
        data = inputs["calibration"][str(row["n"])]
        scores = np.abs(np.subtract(data["y"], data["x"])).tolist()
        figures.append(
            Figure(
                f"n = {row['n']}, {100 * row['confidence']:g} %",
                row["q_rank_ceil"],
                conformal_half_width(scores, row["confidence"]),
            )
        )
    return Case(
        "Conformal half-widths",
        "Rank formula of split conformal prediction, as MAPIE 1.6.0",
        tuple(figures),
    )


BUILDERS = (chain, uncertainty, propagation, conformal)
