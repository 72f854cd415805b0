"""Leaves are disjoint, cover what was overlaid, and add up."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from qhsink.domain.errors import RegionError
from qhsink.domain.region import Region
from qhsink.grid import qinghai_albers
from qhsink.regions.overlay import cut_by, overlay
from qhsink.regions.shapes import RegionShape

CRS = qinghai_albers()


def shape(name, geometry):
    region = Region(
        name, name, name, "user", "user", geometry.area / 1e4, None, "test", "test"
    )
    return RegionShape(region, geometry)


corner = st.integers(0, 40)
rectangles = st.lists(
    st.tuples(corner, corner, st.integers(1, 25), st.integers(1, 25)),
    min_size=1,
    max_size=7,
).map(
    lambda rows: [
        shape(f"r{i}", box(x * 100, y * 100, (x + w) * 100, (y + h) * 100))
        for i, (x, y, w, h) in enumerate(rows)
    ]
)


def assert_partition(leaves, shapes):
    polygons = list(leaves.frame.geometry)
    union = shapely.union_all([s.geometry for s in shapes])
    for one, other in combinations(polygons, 2):
        assert one.intersection(other).area == pytest.approx(0.0, abs=1e-6)
    assert math.fsum(p.area for p in polygons) == pytest.approx(union.area, rel=1e-9)
    for s in shapes:
        parts = leaves.frame.set_index("leaf_id").geometry[
            list(leaves.leaves_of(s.region.id))
        ]
        assert math.fsum(parts.area) == pytest.approx(s.geometry.area, rel=1e-9)
        assert shapely.union_all(list(parts)).symmetric_difference(
            s.geometry
        ).area == pytest.approx(0.0, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(rectangles)
def test_every_rectangle_is_the_sum_of_disjoint_leaves(shapes):
    assert_partition(overlay(shapes, crs=CRS), shapes)


@settings(max_examples=30, deadline=None)
@given(rectangles, rectangles)
def test_parcels_cut_in_later_add_up_as_if_overlaid_at_once(known, parcels):
    parcels = [shape(f"p{i}", s.geometry) for i, s in enumerate(parcels)]
    leaves = cut_by(overlay(known, crs=CRS), parcels)
    assert_partition(leaves, known + parcels)


@settings(max_examples=30, deadline=None)
@given(rectangles, st.randoms(use_true_random=False))
def test_the_order_of_regions_does_not_matter(shapes, rng):
    shuffled = list(shapes)
    rng.shuffle(shuffled)
    assert overlay(shuffled, crs=CRS).digest == overlay(shapes, crs=CRS).digest


def test_two_half_overlapping_squares_give_three_leaves_of_known_area():
    left, right = (
        shape("left", box(0, 0, 200, 100)),
        shape("right", box(100, 0, 300, 100)),
    )
    leaves = overlay([left, right], crs=CRS)
    assert sorted(leaves.frame.geometry.area) == [10_000.0, 10_000.0, 10_000.0]
    assert leaves.area_ha("left") == 2.0
    assert len(set(leaves.members["left"]) & set(leaves.members["right"])) == 1


def test_only_the_leaves_a_parcel_divides_are_new():
    near, far = (
        shape("near", box(0, 0, 1000, 1000)),
        shape("far", box(5e3, 0, 6e3, 1e3)),
    )
    leaves = overlay([near, far], crs=CRS)
    after = cut_by(leaves, [shape("parcel", box(0, 0, 500, 1000))])
    assert after.members["far"] == leaves.members["far"]
    assert not set(after.members["near"]) & set(leaves.members["near"])
    assert after.area_ha("near") == leaves.area_ha("near")


def test_a_leaf_wholly_inside_a_parcel_keeps_its_id():
    leaves = overlay([shape("a", box(0, 0, 100, 100))], crs=CRS)
    after = cut_by(leaves, [shape("parcel", box(-100, -100, 300, 300))])
    assert after.members["a"] == leaves.members["a"]
    assert set(after.members["a"]) < set(after.members["parcel"])
    assert after.area_ha("parcel") == 16.0


def test_rounding_along_a_shared_boundary_makes_no_leaf():
    leaves = overlay(
        [shape("a", box(0, 0, 1e4, 1e4)), shape("b", box(1e4, 0, 2e4, 1e4))]
    )
    after = cut_by(leaves, [shape("parcel", box(0.004, 0.003, 1e4 + 0.004, 1e4))])
    assert after.members["parcel"] == leaves.members["a"]
    assert len(after.frame) == 2


def test_restriction_keeps_only_the_regions_asked_for():
    leaves = overlay(
        [shape("a", box(0, 0, 200, 100)), shape("b", box(100, 0, 300, 100))]
    )
    only = leaves.restricted_to(["a"])
    assert list(only.members) == ["a"]
    assert set(only.frame["leaf_id"]) == set(leaves.members["a"])
    assert only.digest != leaves.digest


def test_an_unknown_region_is_refused_with_the_nearest_id():
    leaves = overlay([shape("qilian", box(0, 0, 100, 100))])
    with pytest.raises(RegionError, match="Did you mean qilian"):
        leaves.restricted_to(["qiliam"])


def test_a_parcel_may_not_take_the_id_of_a_region():
    leaves = overlay([shape("a", box(0, 0, 100, 100))])
    with pytest.raises(RegionError, match="Rename the parcel"):
        cut_by(leaves, [shape("a", box(0, 0, 50, 50))])
