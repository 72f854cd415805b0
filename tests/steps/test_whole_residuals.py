"""Fields scaled by worlds left out: what intervals of further worlds hold."""

from __future__ import annotations

import numpy as np
import pytest

from qhsink.mapping.error_squares import error_squares
from qhsink.steps.square_groups import GROUPS, WHOLE, group_errors, half_widths
from qhsink.steps.whole_residuals import fit_and_leave_out

SQUARE_M, PIXEL_M, ACROSS, NUMBER, MEMBERS = 9000.0, 1500.0, 6, 12, 4


def simulated(rng, *, worlds, common, first=0, shift=0.0):
    """Return worlds of twelve squares: errors of the world, and of each square.

    Quantities range over two decades, errors of squares have long tails (Student's t
    with 4 degrees of freedom), and members differ by a tenth.
    """
    step = (np.arange(ACROSS) + 0.5) * PIXEL_M
    x, y = (part.ravel() for part in np.meshgrid(step, step))
    pixels = len(x)
    parts = []
    for world in range(first, first + worlds):
        shared = common * rng.normal()
        for square in range(NUMBER):
            level = 10.0 ** rng.uniform(-1.0, 1.0)
            own = 0.3 * rng.standard_t(4.0) * level**0.5
            noise = 0.2 * level * rng.normal(size=pixels)
            members = level * (1.0 + 0.1 * rng.normal(size=MEMBERS))
            members += level - members.mean()
            truth = level * (1.0 + shift + shared) + own + noise
            place = rng.uniform(0.0, 5e5, 2)
            parts.append(
                (
                    x + place[0],
                    y + place[1],
                    np.tile(members, (pixels, 1)),
                    truth,
                    np.full(pixels, square),
                    np.full(pixels, world),
                )
            )
    x, y, members, truth, square, world = map(np.concatenate, zip(*parts, strict=True))
    return error_squares(x, y, members, truth, square=square, world=world)


@pytest.mark.parametrize(
    "common",
    [
        pytest.param(0.0, id="errors of squares alone"),
        pytest.param(0.25, id="and a quarter that a world shares"),
    ],
)
def test_intervals_hold_nine_in_ten_or_more_at_every_size_of_region(common):
    """More where errors have no long tails: 90 % intervals of t, from eight worlds."""
    rng = np.random.default_rng(5)
    inside = {size: [] for size in GROUPS}
    for _ in range(6):
        fitted = simulated(rng, worlds=8, common=common)
        field = fit_and_leave_out(fitted, square_m=SQUARE_M)
        new = simulated(rng, worlds=20, common=common, first=100)
        for size in GROUPS:
            groups = group_errors(new, field, size)
            reach = half_widths(groups, field, members=MEMBERS, confidence=0.9)
            inside[size].append(np.mean(np.abs(groups.error) <= reach))
    for size in GROUPS:
        assert 0.86 <= np.mean(inside[size]) < 0.99


def test_the_larger_the_region_the_more_a_shared_error_counts():
    rng = np.random.default_rng(6)
    field = fit_and_leave_out(simulated(rng, worlds=6, common=0.5), square_m=SQUARE_M)
    assert [one.squares for one in field.left_out] == sorted(
        one.squares for one in field.left_out
    )
    assert field.left_out[-1].df < field.left_out[0].df
    assert field.worlds == 6


def test_groups_are_squares_with_their_nearest_neighbours_by_hand():
    rng = np.random.default_rng(7)
    found = simulated(rng, worlds=2, common=0.0)
    field = fit_and_leave_out(simulated(rng, worlds=3, common=0.0), square_m=SQUARE_M)
    single, pair, whole = (group_errors(found, field, size) for size in (1, 2, WHOLE))
    assert single.error == pytest.approx(found.truth - field.ratio * found.mapped)
    assert single.worth == pytest.approx(np.ones(24))
    apart = np.hypot(found.x - found.x[0], found.y - found.y[0])
    apart[found.world != found.world[0]] = np.inf
    near = np.argsort(apart)[1]
    assert pair.error[0] == pytest.approx(single.error[0] + single.error[near])
    assert whole.world.tolist() == [0, 1]
    assert whole.mapped[1] == pytest.approx(
        field.ratio * found.mapped[found.world == 1].sum()
    )


def test_what_all_worlds_are_off_by_is_taken_from_totals():
    """Maps that hold a third too much everywhere, worlds that differ by a twentieth."""
    rng = np.random.default_rng(8)
    told = {"common": 0.05, "shift": -0.25}
    field = fit_and_leave_out(simulated(rng, worlds=8, **told), square_m=SQUARE_M)
    new = simulated(rng, worlds=40, first=100, **told)
    whole = group_errors(new, field, WHOLE)
    plain = np.array([new.error[new.world == w].sum() for w in np.unique(new.world)])
    assert field.ratio == pytest.approx(0.75, abs=0.1)
    assert np.square(whole.error).mean() < 0.3 * np.square(plain).mean()
