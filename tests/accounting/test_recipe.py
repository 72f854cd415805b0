"""A whole balance, at its values and over draws: shared factors, two routes."""

from __future__ import annotations

import math

import pytest

from qhsink.accounting.recipe import Recipe, balance_of, sources_of_error
from qhsink.accounting.routes import compare_routes
from qhsink.config import load_factors
from qhsink.domain.errors import BadInput, TableError
from qhsink.domain.quantity import quantity
from qhsink.estimation.propagate import (
    contributions,
    first_order_se,
    monte_carlo,
    rowwise,
)


@pytest.fixture(scope="module")
def factors(project_folder):
    return load_factors(project_folder)


def grass(name="grassland", area=1e5, soil=None):
    return Recipe(
        ecosystem=name,
        area=quantity(area, "ha"),
        area_se=0.03 * area,
        density=quantity(68.8, "g d.m. m-2"),
        density_se=5.0,
        carbon_fraction="cf_grass",
        root_shoot="rs_grass",
        soil=soil,
    )


def forest(**other):
    fields = {
        "ecosystem": "picea",
        "area": quantity(2e4, "ha"),
        "area_se": 800.0,
        "density": quantity(95.0, "t d.m. ha-1"),
        "density_se": 6.0,
        "carbon_fraction": "cf_picea",
        "root_shoot": "rs_picea",
    }
    return Recipe(**(fields | other))


BY_VOLUME = {
    "density": quantity(115.0, "m3 ha-1"),
    "density_se": 8.0,
    "root_shoot": None,
    "volume_line": ("fang_a_picea", "fang_b_picea"),
}


def test_balance_by_hand(factors):
    result = balance_of([grass(), forest()], factors)
    by_hand = 1e5 * 0.688 * 6.8 * 0.45 + 2e4 * 95.0 * 1.224 * 0.521
    assert result.carbon.number("t C") == pytest.approx(by_hand)
    assert len(result.rows) == 4


def test_soil_joins_where_it_is_named_and_dominates(factors):
    without = balance_of([grass()], factors).carbon.value
    with_soil = balance_of([grass(soil="soc_grassland_1m")], factors).carbon.value
    assert with_soil - without == pytest.approx(65.0 * 1e5)
    assert with_soil / without > 25


def test_a_draw_replaces_the_values_it_names(factors):
    plain = balance_of([grass()], factors).carbon.value
    high = balance_of([grass()], factors, draw={"cf_grass": 0.9 / 2 * 1.1})
    assert high.carbon.value == pytest.approx(plain * 1.1)


def test_a_factor_shared_by_two_ecosystems_is_one_source(factors):
    pair = [grass("alpine_meadow"), grass("alpine_steppe")]
    names = [source.name for source in sources_of_error(pair, factors)]
    assert names.count("cf_grass") == names.count("rs_grass") == 1
    assert "area of alpine_meadow" in names
    assert "biomass of alpine_steppe" in names


def test_sharing_factors_makes_the_sum_of_two_less_sure_than_independence(factors):
    pair = [grass("alpine_meadow"), grass("alpine_steppe")]

    def model(recipes):
        return rowwise(
            lambda draw: balance_of(recipes, factors, draw=draw).carbon.value
        )

    both = first_order_se(model(pair), sources_of_error(pair, factors))
    one = first_order_se(model(pair[:1]), sources_of_error(pair[:1], factors))
    assert both > one * math.sqrt(2) * 1.2


def test_simulation_and_first_order_agree_and_name_the_largest_source(factors):
    recipes = [grass(), forest()]
    sources = sources_of_error(recipes, factors)
    model = rowwise(lambda draw: balance_of(recipes, factors, draw=draw).carbon.value)
    simulated = monte_carlo(
        model, sources, seed=1, confidence=0.90, tolerance=0.05, batch_size=1000
    )
    assert simulated.se == pytest.approx(first_order_se(model, sources), rel=0.05)
    assert simulated.mean == pytest.approx(
        balance_of(recipes, factors).carbon.value, rel=0.01
    )
    table = contributions(model, sources, seed=1, draws=512)
    assert {row.name for row in table} == {source.name for source in sources}
    assert table[0].total == max(row.total for row in table)
    assert sum(row.total for row in table) == pytest.approx(1.0, abs=0.15)


def test_the_two_routes_to_one_forest_are_compared_and_never_added(factors):
    by_biomass = balance_of([forest()], factors).carbon
    by_volume = balance_of([forest(**BY_VOLUME)], factors).carbon
    assert by_volume.number("t C") == pytest.approx(
        2e4 * (0.4642 * 115 + 47.499) * 0.521
    )
    gap = compare_routes((by_biomass, 1e5), (by_volume, 1e5))
    assert gap.difference.number("t C") == pytest.approx(
        by_biomass.value - by_volume.value
    )
    with pytest.raises(BadInput, match="twice"):
        balance_of([forest(), forest(**BY_VOLUME)], factors)


def test_a_root_ratio_beside_a_volume_line_cannot_be_written():
    with pytest.raises(BadInput, match="includes roots"):
        forest(**(BY_VOLUME | {"root_shoot": "rs_picea"}))


def test_a_factor_of_another_ecosystem_is_refused(factors):
    with pytest.raises(TableError, match="made for this ecosystem"):
        balance_of([forest(carbon_fraction="cf_grass")], factors)


def test_biomass_where_growing_stock_belongs_is_caught(factors):
    wrong = BY_VOLUME | {"density": quantity(95.0, "t d.m. ha-1")}
    with pytest.raises(BadInput, match="expected one in m3 ha-1"):
        balance_of([forest(**wrong)], factors)


def test_roots_left_out_are_said_to_be(factors):
    result = balance_of([forest(root_shoot=None)], factors)
    assert "picea: below-ground" in result.left_out


def test_the_example_of_the_documentation_runs(project_folder, monkeypatch, capsys):
    page = (project_folder / "docs" / "carbon.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(project_folder)
    exec(compile(code, "docs/carbon.md", "exec"), {})  # noqa: S102 - our own page
    assert capsys.readouterr().out.startswith("rs_grass")
