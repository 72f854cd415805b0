"""Errors of a whole mapped quantity: a known field is found again, and covers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from qhsink.domain.errors import ModelError
from qhsink.domain.residual_field import (
    LeftOutErrors,
    ResidualField,
    describe_residual_field,
    error_scale,
    residual_field_from,
)
from qhsink.domain.variogram import Variogram
from qhsink.estimation.spatial import (
    mean_correlation_of_cells,
    relative_residual_variance,
)
from qhsink.mapping.error_squares import error_squares
from qhsink.mapping.residual_field import (
    RANGES_M,
    fit_residual_field,
    ratio_of_worlds,
)

SQUARE_M, PIXEL_M, ACROSS = 9000.0, 600.0, 15


def squares(rng, *, number, world, common=0.0, patch=0.6):
    """Return pixels of squares 40 km apart whose errors scale with what is mapped.

    Within a square errors are alike over patches of 3 km; a square has a level of its
    own, a tenth of the patches' variance; all places share ``common``.
    """
    step = (np.arange(ACROSS) + 0.5) * PIXEL_M
    x, y = (part.ravel() for part in np.meshgrid(step, step))
    parts = []
    for square in range(number):
        level = rng.gamma(1.0, 10.0)
        patches = rng.normal(0.0, patch, (3, 3)).repeat(5, 0).repeat(5, 1).ravel()
        own = rng.normal(0.0, patch * 0.32)
        relative = common + own + patches
        parts.append(
            {
                "x": x + square * 40_000.0,
                "y": y,
                "mapped": np.full(len(x), level),
                "truth": level * (1.0 + relative),
                "square": np.full(len(x), square),
                "world": np.full(len(x), world),
            }
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def gathered(pixels):
    members = np.repeat(pixels["mapped"][:, None], 2, axis=1)
    return error_squares(
        pixels["x"],
        pixels["y"],
        members,
        pixels["truth"],
        square=pixels["square"],
        world=pixels["world"],
    )


def fit(pixels):
    return fit_residual_field(gathered(pixels), square_m=SQUARE_M)


def of_a_square(field):
    """Return the variance of the error of a square over that of its scale."""
    return relative_residual_variance(field, np.ones((ACROSS, ACROSS)), cell_m=PIXEL_M)


def test_the_error_of_an_unseen_square_is_foreseen():
    """True relative variance of a square: 0.6^2 (1 / 9 + 0.32^2) = 0.0769."""
    found = []
    for seed in range(5):
        field = fit(squares(np.random.default_rng(seed), number=60, world=1))
        scale = error_scale(10.0, floor=field.floor, patch=field.patch)
        found.append(of_a_square(field) * scale**2 / 10.0**2)
    assert np.median(found) == pytest.approx(0.0769, rel=0.25)


def test_intervals_of_unseen_squares_cover_nine_in_ten():
    rng = np.random.default_rng(20261201)
    covered = []
    for _ in range(6):
        field = fit(squares(rng, number=40, world=1))
        spread = np.sqrt(of_a_square(field))
        new = squares(rng, number=60, world=2)
        seen = gathered(new)
        seen = seen.times(field.ratio)
        scale = error_scale(seen.mapped, floor=field.floor, patch=field.patch)
        reach = stats.t.ppf(0.95, field.df) * spread * scale
        covered.append((np.abs(seen.error) <= reach).mean())
    assert 0.85 <= np.mean(covered) <= 0.97


def test_what_all_places_share_never_averages_out():
    field = fit(squares(np.random.default_rng(2), number=60, world=1, common=0.5))
    wide = relative_residual_variance(field, np.ones((150, 150)), cell_m=5000.0)
    assert wide > 0.5 * 0.5**2
    plain = fit(squares(np.random.default_rng(2), number=60, world=1))
    apart = relative_residual_variance(plain, np.ones((150, 150)), cell_m=5000.0)
    assert apart < 0.1 * wide


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e6])
def test_units_and_the_order_of_pixels_do_not_matter(factor):
    rng = np.random.default_rng(7)
    pixels = squares(rng, number=20, world=1)
    one = fit(pixels)
    order = rng.permutation(len(pixels["x"]))
    moved = {name: column[order] for name, column in pixels.items()}
    moved["mapped"], moved["truth"] = factor * moved["mapped"], factor * moved["truth"]
    other = fit(moved)
    assert other.floor == pytest.approx(factor * one.floor)
    assert of_a_square(other) == pytest.approx(of_a_square(one), rel=1e-6)
    assert {a for _, a in one.structures} <= set(RANGES_M)


def test_few_squares_with_the_quantity_are_refused():
    pixels = squares(np.random.default_rng(1), number=12, world=1)
    empty = pixels["square"] > 5
    pixels["mapped"][empty] = pixels["truth"][empty] = 0.0
    with pytest.raises(ModelError, match="6 squares with some of the quantity"):
        fit(pixels)


def test_the_variance_over_a_region_is_that_of_its_parts_by_hand():
    field = ResidualField(
        0.8, 0.5, 2.0, 0.01, ((0.2, 2000.0), (0.1, 5e4)), 9.0, 40, 2, 9e3
    )
    share = np.array([[1.0, 0.5], [0.0, 2.0]])
    by_hand = 0.01
    for part, range_m in field.structures:
        shape = Variogram(0.0, 1.0, range_m, "exponential", 0)
        by_hand += part * mean_correlation_of_cells(share, cell_m=3e3, variogram=shape)
    assert relative_residual_variance(field, share, cell_m=3e3) == by_hand
    assert relative_residual_variance(field, 7 * share, cell_m=3e3) == pytest.approx(
        by_hand
    )


LEFT_OUT = (
    LeftOutErrors(1.0, 1.2, 40.0),
    LeftOutErrors(4.0, 1.6, 10.0),
    LeftOutErrors(16.0, 2.0, 5.0),
)
FIELD = ResidualField(0.8, 0.5, 2.0, 0.01, ((0.2, 2000.0),), 9.0, 40, 4, 9e3, LEFT_OUT)


def test_a_field_is_read_as_it_was_written_and_a_broken_one_refused():
    table = describe_residual_field(FIELD)
    assert residual_field_from(table) == FIELD
    for change in (
        {"df": 0.0},
        {"patch": 0.0},
        {"ratio": 0.0},
        {"common": -0.1},
        {"structures": [[0.1, 0.0]]},
    ):
        with pytest.raises(ModelError, match="variances not negative"):
            residual_field_from(table | change)
    for left_out in ([[1.0, 0.0, 3.0]], [[4.0, 1.0, 3.0], [1.0, 1.0, 3.0]]):
        with pytest.raises(ModelError, match="squares ascending"):
            residual_field_from(table | {"left_out": left_out})
    del table["common"]
    with pytest.raises(ModelError, match="without 'common'"):
        residual_field_from(table)


@pytest.mark.parametrize(
    ("squares", "factor", "df"),
    [
        pytest.param(0.3, 1.2, 40.0, id="smaller than any: like the smallest"),
        pytest.param(2.0, 1.4, 20.0, id="half way in logarithms, by hand"),
        pytest.param(4.0, 1.6, 10.0, id="one that was tried"),
        pytest.param(8.0, 1.8, 50**0.5, id="half way to the next"),
        pytest.param(900.0, 2.0, 5.0, id="larger than any: like the largest"),
    ],
)
def test_a_factor_between_sizes_lies_between_theirs(squares, factor, df):
    found = FIELD.at(squares)
    assert (found.factor, found.df) == pytest.approx((factor, df))


def test_a_field_that_nothing_was_left_out_of_stands_as_it_is():
    plain = dataclasses.replace(FIELD, left_out=())
    assert (plain.at(7.0).factor, plain.at(7.0).df) == (1.0, 9.0)


def test_the_scale_is_what_is_mapped_and_then_its_root_by_hand():
    """Patch 4: at 0.04 nearly all of it, at 12 half, at 396 a tenth."""
    density = np.array([0.0, 12.0, 396.0])
    found = error_scale(density, floor=0.5, patch=4.0)
    assert found == pytest.approx([0.5, 12.5 / 2.0, 396.5 / 10.0])


def patchy(rng, *, worlds, patch_of):
    """Return squares whose relative errors fall with what is mapped beyond a patch."""
    parts = []
    for world in range(worlds):
        new = squares(rng, number=30, world=world, patch=0.0)
        level = 100.0 ** rng.uniform(0.0, 1.0, 30)[new["square"]]
        error = rng.normal(0.0, 0.5, 30)[new["square"]]
        new["mapped"] = level
        new["truth"] = level + error * error_scale(level, floor=0.2, patch=patch_of)
        parts.append(new)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def test_patches_are_found_again_to_half_a_decade_on_average():
    found = [
        fit(patchy(np.random.default_rng(seed), worlds=3, patch_of=3.0)).patch
        for seed in range(5)
    ]
    assert 10.0**-0.5 < np.exp(np.mean(np.log(found))) / 3.0 < 10.0**0.5


def test_squares_taken_apart_hold_what_they_held_together():
    rng = np.random.default_rng(9)
    pixels = patchy(rng, worlds=2, patch_of=3.0)
    whole = gathered(pixels)
    other = pixels["world"] == 1
    apart = gathered({name: column[other] for name, column in pixels.items()})
    taken = whole.take(whole.world == 1)
    for name in ("pairs", "apart", "product", "x", "truth", "members", "world"):
        assert getattr(taken, name) == pytest.approx(getattr(apart, name))
    assert taken.error == pytest.approx(apart.truth - apart.mapped)


def one_square_worlds(ratios, levels=()):
    """Return worlds of one square whose truth is so many times the map."""
    levels = levels or [10.0] * len(ratios)
    rng = np.random.default_rng(0)
    parts = [
        squares(rng, number=1, world=world, patch=0.0, common=ratio - 1.0)
        for world, ratio in enumerate(ratios)
    ]
    for part, ratio, level in zip(parts, ratios, levels, strict=True):
        part["mapped"] = np.full(len(part["x"]), level)
        part["truth"] = ratio * part["mapped"]
    return gathered(
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    )


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        pytest.param([0.8, 0.8, 0.8], 0.8, id="worlds that agree are followed"),
        pytest.param([0.9, 1.1, 1.0], 1.0, id="those that differ about 1 are not"),
        # Mean -0.2, variance 0.01, of the mean 0.01 / 3: 1 - 0.2 (1 - 0.00333 / 0.04).
        pytest.param([0.7, 0.8, 0.9], 0.816667, id="others in part, by hand"),
        pytest.param([0.8, 0.8], 1.0, id="two worlds say nothing"),
    ],
)
def test_a_maps_ratio_to_truth_is_what_worlds_agree_on(ratios, expected):
    assert ratio_of_worlds(one_square_worlds(ratios)) == pytest.approx(expected)


def test_a_world_that_holds_hardly_any_counts_hardly_any():
    ratios, levels = [0.7, 0.8, 0.9, 5.0], [10.0, 10.0, 10.0, 1e-4]
    found = ratio_of_worlds(one_square_worlds(ratios, levels))
    # As by hand above, but for one world more: 1 - 0.2 (1 - 0.02 * 4 / 3 / 9 / 0.04).
    assert found == pytest.approx(1 - 0.2 * (1 - 0.08 / 27 / 0.04), abs=1e-4)


def test_a_map_times_a_ratio_is_that_of_pixels_times_it():
    pixels = patchy(np.random.default_rng(10), worlds=2, patch_of=3.0)
    found = gathered(pixels).times(0.7)
    pixels["mapped"] = 0.7 * pixels["mapped"]
    other = gathered(pixels)
    assert found.error == pytest.approx(other.error)
    assert found.product == pytest.approx(other.product, rel=1e-6, abs=1e-2)
