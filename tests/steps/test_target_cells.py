"""Where in a tile a quantity lies; how the scale of its error is spread."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from qhsink.domain.errors import ModelError
from qhsink.domain.residual_field import LeftOutErrors, ResidualField
from qhsink.estimation.spatial import relative_residual_variance
from qhsink.grid import Grid, qinghai_albers
from qhsink.registry.residual_fields import load_residual_fields, save_residual_fields
from qhsink.steps.target_cells import (
    RegionScale,
    cells_per_tile,
    region_scale,
    residual_error_of_total,
    tile_cells,
)

FIELD = ResidualField(
    1.0,
    0.25,
    1e9,
    0.01,
    ((0.2, 2000.0),),
    9.0,
    40,
    4,
    9e3,
    (LeftOutErrors(1.0, 1.0, 30.0), LeftOutErrors(4.0, 2.0, 6.0)),
)


@pytest.fixture(scope="module")
def grid():
    """Tiles of 30,720 m: three cells of 10,240 m along an edge, of unlike pixels."""
    return Grid(qinghai_albers(), 240.0, 128, 64)


def test_cells_hold_the_mean_over_all_their_pixels(grid):
    rng = np.random.default_rng(3)
    index = np.sort(rng.choice(128 * 128, 4000, replace=False))
    members = rng.gamma(2.0, 5.0, (4000, 4)).astype(np.float32)
    cells = tile_cells(index, members, tile=grid.tile(-2, 5), grid=grid)
    assert cells_per_tile(grid) == 3
    assert sorted(set(cells["col"])) == [-6, -5, -4]
    assert sorted(set(cells["row"])) == [15, 16, 17]
    lattice = np.zeros(128 * 128)
    lattice[index] = members.mean(axis=1)
    whole = lattice.reshape(128, 128)
    first = cells[(cells["col"] == -6) & (cells["row"] == 15)]["density"].iloc[0]
    assert first == pytest.approx(whole[:43, :43].mean(), rel=1e-6)


def test_the_scale_lies_where_the_quantity_is(grid):
    """A region over two cells, one of them without any: only the floor is there."""
    parts = np.full((128, 128), 4.0)
    parts[:, 43:] = 0.0
    index = np.arange(128 * 128)
    members = np.repeat(parts.reshape(-1, 1), 2, axis=1).astype(np.float32)
    cells = tile_cells(index, members, tile=grid.tile(0, 0), grid=grid)
    share = np.ones((2, 4))
    found = region_scale(cells, FIELD, (share, 5120.0), corner=(0.0, 0.0), grid=grid)
    expected = np.array([[4.25, 4.25, 0.25, 0.25]] * 2)
    assert found.weight == pytest.approx(expected, abs=0.1)
    assert found.cell_m == 5120.0
    away = region_scale(cells, FIELD, (share, 5120.0), corner=(9e5, 9e5), grid=grid)
    assert away.weight == pytest.approx(np.full((2, 4), 0.25))


def test_a_region_is_worth_the_squares_that_carry_its_scale():
    """Sixteen cells of half a square's edge, alike: four squares; one of all: one."""
    alike = RegionScale(np.full((4, 4), 3.0), 1.0, 4500.0)
    assert alike.squares(9000.0) == pytest.approx(4.0)
    one = RegionScale(np.array([[5.0, 0.0], [0.0, 0.0]]), 1.0, 9000.0)
    assert one.squares(9000.0) == pytest.approx(1.0)


def test_the_error_of_a_total_holds_what_worlds_left_out_say_by_hand():
    """100 + 0.25 x 80 ha = 120, half of it by patches; four squares: factor 2."""
    spread = RegionScale(np.full((4, 4), 3.0), 0.5, 4500.0)
    relative = relative_residual_variance(FIELD, spread.weight, cell_m=4500.0)
    found = residual_error_of_total(spread, FIELD, total=100.0, land_ha=80.0)
    assert found.variance == pytest.approx((2.0 * 0.5 * 120.0) ** 2 * relative)
    assert found.df == 6.0


def test_where_much_is_mapped_the_scale_is_damped(grid):
    """Patch 4, and 24 mapped times a half: (12 + 0.25) / 2."""
    field = dataclasses.replace(FIELD, patch=4.0, ratio=0.5)
    index = np.arange(128 * 128)
    members = np.full((len(index), 2), 24.0, np.float32)
    cells = tile_cells(index, members, tile=grid.tile(0, 0), grid=grid)
    whole = (np.ones((2, 2)), 5120.0)
    found = region_scale(cells, field, whole, corner=(0.0, 0.0), grid=grid)
    assert found.weight == pytest.approx(np.full((2, 2), 12.25 / 2.0))
    assert found.damping == pytest.approx(0.5)


def test_a_record_is_of_its_pair_of_models_alone(tmp_path):
    path = save_residual_fields(
        tmp_path, "agb-1", "eco-1", fields={"agb": FIELD}, origin={"worlds": [201]}
    )
    assert load_residual_fields(tmp_path, "agb-1", "eco-1") == {"agb": FIELD}
    assert load_residual_fields(tmp_path, "agb-1", "eco-2") == {}
    path.rename(path.with_name("agb-1+eco-2.json"))
    with pytest.raises(ModelError, match="agb-1 with eco-1"):
        load_residual_fields(tmp_path, "agb-1", "eco-2")
    path.write_text("{}")
    with pytest.raises(ModelError, match="cannot be read"):
        load_residual_fields(tmp_path, "agb-1", "eco-1")
