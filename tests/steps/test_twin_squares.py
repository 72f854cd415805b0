"""Where the squares of simulated worlds lie: in the middle of regions, or drawn."""

from __future__ import annotations

import pytest
import shapely

from qhsink.config.train_twin import load_twin_training
from qhsink.grid import qinghai_albers
from qhsink.regions.database import load_database
from qhsink.steps.twin_squares import lakes_near, world_squares


@pytest.fixture(scope="module")
def database(project_folder):
    return load_database(project_folder / "aoi" / "qinghai.gpkg")


@pytest.fixture(scope="module")
def middle():
    """Squares around one point of each region."""
    return load_twin_training().model_copy(
        update={"regions": ("632221", "632324", "632222", "632802")}
    )


@pytest.fixture(scope="module")
def drawn(middle):
    """Three squares at places of their own."""
    return middle.model_copy(update={"drawn": 3})


def test_squares_in_the_middle_are_the_same_in_every_world(middle, database):
    one, other = (world_squares(middle, seed, database) for seed in (1, 2))
    assert [name for name, _ in one] == list(middle.regions)
    assert all(a.equals(b) for (_, a), (_, b) in zip(one, other, strict=True))


def test_drawn_squares_are_a_worlds_own_and_found_again(drawn, database):
    one, again, other = (world_squares(drawn, seed, database) for seed in (1, 1, 2))
    assert len({name for name, _ in one}) == 3
    assert [(n, s.wkt) for n, s in one] == [(n, s.wkt) for n, s in again]
    assert not {s.wkt for _, s in one} & {s.wkt for _, s in other}


@pytest.mark.parametrize("seed", range(4))
def test_a_drawn_square_is_whole_on_the_lattice_around_land_of_its_region(
    drawn, database, seed
):
    for name, square in world_squares(drawn, seed, database):
        left, low, right, top = square.bounds
        assert (right - left, top - low) == (drawn.square_m, drawn.square_m)
        assert left % drawn.pixel_size_m == low % drawn.pixel_size_m == 0.0
        near = square.centroid.buffer(drawn.pixel_size_m)
        assert database.geometry(name, qinghai_albers()).intersects(near)


@pytest.mark.parametrize("seed", range(4))
def test_squares_of_a_landscape_lie_near_each_other_and_apart(drawn, database, seed):
    spec = drawn.model_copy(update={"drawn": 12, "within_m": 1e5})
    spec = spec.model_copy(update={"regions": load_twin_training().regions})
    found = [square for _, square in world_squares(spec, seed, database)]
    again = [square for _, square in world_squares(spec, seed, database)]
    assert [s.wkt for s in found] == [s.wkt for s in again]
    left, low, right, top = shapely.union_all(found).bounds
    reach = spec.within_m + spec.square_m + spec.pixel_size_m
    assert right - left <= reach
    assert top - low <= reach
    assert sum(s.area for s in found) == pytest.approx(shapely.union_all(found).area)


def test_landscapes_of_worlds_lie_all_over_the_province(drawn, database):
    spec = load_twin_training().model_copy(update={"drawn": 2, "within_m": 1e5})
    east = [world_squares(spec, seed, database)[0][1].centroid.x for seed in range(30)]
    province = database.geometry("630000", qinghai_albers()).bounds
    assert max(east) - min(east) > 0.6 * (province[2] - province[0])
    assert len({round(x / 1e5) for x in east}) >= 6  # not a few corners alone


def test_lakes_of_a_world_are_those_within_twenty_kilometres(database):
    lake = database.geometry("lake-qinghai", qinghai_albers())
    left, low = min(shapely.get_coordinates(lake).tolist())
    beside = shapely.box(left - 19e3, low, left - 10e3, low + 9e3)
    far = shapely.box(left - 90e3, low, left - 81e3, low + 9e3)
    assert any(found.equals(lake) for found in lakes_near(database, [far, beside]))
    assert lakes_near(database, [far]) == ()
