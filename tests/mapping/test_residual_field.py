"""Errors of a whole mapped quantity: a known field is found again, and covers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qhsink.domain.errors import ModelError
from qhsink.domain.residual_field import (
    ResidualField,
    describe_residual_field,
    residual_field_from,
)
from qhsink.domain.variogram import Variogram
from qhsink.estimation.spatial import (
    mean_correlation_of_cells,
    relative_residual_variance,
)
from qhsink.mapping.residual_field import RANGES_M, fit_residual_field

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


def fit(pixels):
    return fit_residual_field(
        pixels["x"],
        pixels["y"],
        pixels["mapped"],
        pixels["truth"],
        square=pixels["square"],
        world=pixels["world"],
        square_m=SQUARE_M,
    )


def of_a_square(field):
    return relative_residual_variance(field, np.ones((ACROSS, ACROSS)), cell_m=PIXEL_M)


def test_the_error_of_an_unseen_square_is_foreseen():
    """True relative variance of a square: 0.6^2 (1 / 9 + 0.32^2) = 0.0769."""
    found = [
        of_a_square(fit(squares(np.random.default_rng(seed), number=60, world=1)))
        for seed in range(5)
    ]
    assert np.mean(found) == pytest.approx(0.0769, rel=0.25)


def test_intervals_of_unseen_squares_cover_nine_in_ten():
    rng = np.random.default_rng(20261201)
    covered = []
    for _ in range(6):
        field = fit(squares(rng, number=40, world=1))
        spread = np.sqrt(of_a_square(field))
        new = squares(rng, number=60, world=2)
        scale, gap = (
            np.bincount(new["square"], weights=part) / ACROSS**2
            for part in (new["mapped"] + field.floor, new["truth"] - new["mapped"])
        )
        reach = stats.t.ppf(0.95, field.df) * spread * scale
        covered.append((np.abs(gap) <= reach).mean())
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
    field = ResidualField(0.5, 0.01, ((0.2, 2000.0), (0.1, 5e4)), 9.0, 40, 9e3)
    share = np.array([[1.0, 0.5], [0.0, 2.0]])
    by_hand = 0.01
    for part, range_m in field.structures:
        shape = Variogram(0.0, 1.0, range_m, "exponential", 0)
        by_hand += part * mean_correlation_of_cells(share, cell_m=3e3, variogram=shape)
    assert relative_residual_variance(field, share, cell_m=3e3) == by_hand
    assert relative_residual_variance(field, 7 * share, cell_m=3e3) == pytest.approx(
        by_hand
    )


def test_a_field_is_read_as_it_was_written_and_a_broken_one_refused():
    field = ResidualField(0.5, 0.01, ((0.2, 2000.0),), 9.0, 40, 9e3)
    table = describe_residual_field(field)
    assert residual_field_from(table) == field
    for change in ({"df": 0.0}, {"common": -0.1}, {"structures": [[0.1, 0.0]]}):
        with pytest.raises(ModelError, match="variances not negative"):
            residual_field_from(table | change)
    del table["common"]
    with pytest.raises(ModelError, match="without 'common'"):
        residual_field_from(table)
