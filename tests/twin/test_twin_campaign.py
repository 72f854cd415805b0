"""Simulated field campaigns: who is drawn, what is read, how it errs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qhsink.domain.errors import TableError
from qhsink.estimation.domains import estimate_by_domain
from qhsink.estimation.survey import stratified_sample
from qhsink.twin.campaign import (
    PlotRules,
    draw_simple,
    draw_stratified,
    draw_systematic,
    visit,
)
from qhsink.twin.footprints import FootprintRules, shoot
from qhsink.twin.ground import Ground

RULES = PlotRules(
    quadrats=5,
    quadrat_concentration=12.0,
    reading_concentration=80.0,
    position_sd_m=5.0,
    clip_cv=0.1,
    allometric_cv=0.05,
    tree_cv=0.15,
)
TRACKS = FootprintRules(
    tracks=12,
    spacing_m=60.0,
    heading_deg=38.0,
    footprint_sd_share=0.25,
    model_cv=0.05,
    members=16,
    good_share=0.6,
)
EXACT = RULES.model_copy(
    update={"position_sd_m": 0.0, "clip_cv": 0.0, "allometric_cv": 0.0, "tree_cv": 0.0}
)


def plain(x, y):
    """Cover rises to the east, trees stand in the north."""
    cover = np.clip(0.2 + 0.6 * x / 18_000.0, 0.0, 1.0).astype(np.float32)
    trees = np.where(y > 9_000.0, 80.0, 20.0).astype(np.float32)
    zero = np.zeros_like(cover)
    return Ground(
        ecosystem=np.ones(x.size, dtype=np.uint8),
        elevation=zero,
        fvc=cover,
        canopy_cover=zero,
        shrub_cover=zero,
        lai=zero,
        agb_grass=100.0 * cover,
        agb_forest=trees,
        growing_stock=zero,
    )


def uniform(rng, n):
    return rng.uniform(0.0, 18_000.0, n), rng.uniform(0.0, 18_000.0, n)


@pytest.mark.parametrize("cover", [0.0, 0.03, 0.5, 0.97, 1.0])
def test_quadrats_are_unbiased_even_at_the_ends(cover):
    rng = np.random.default_rng(1)

    def truth(x, y):
        ground = plain(x, y)
        ground.fvc[:] = cover
        return ground

    table = visit(truth, *uniform(rng, 20_000), rules=RULES, rng=rng)
    se = table["fvc"].std() / np.sqrt(len(table)) + 1e-7
    assert abs(table["fvc"].mean() - cover) < 4.5 * se
    assert table["fvc"].between(0.0, 1.0).all()


def test_exact_instruments_bring_back_the_truth():
    rng = np.random.default_rng(2)
    x, y = uniform(rng, 50)
    table = visit(plain, x, y, rules=EXACT, rng=rng)
    np.testing.assert_allclose(table["agb_forest"], plain(x, y).agb_forest)
    np.testing.assert_allclose(table["agb_grass"], plain(x, y).agb_grass)


def test_the_equation_errs_for_all_plots_alike():
    """More plots do not average it away: its spread over campaigns stays."""
    rng = np.random.default_rng(3)
    means = []
    for _ in range(400):
        x, y = uniform(rng, 200)
        found = visit(plain, x, y, rules=RULES, rng=rng)["agb_forest"]
        means.append(float((found / plain(x, y).agb_forest).mean()))
    assert np.std(means) == pytest.approx(np.hypot(0.05, 0.15 / np.sqrt(200)), rel=0.15)


def test_a_plot_is_measured_where_the_crew_stands_not_where_it_is_recorded():
    lost = EXACT.model_copy(update={"position_sd_m": 3_000.0})
    x, y = uniform(np.random.default_rng(4), 300)
    table = visit(plain, x, y, rules=lost, rng=np.random.default_rng(4))
    assert (table["x"] == x).all()
    assert np.std(table["agb_grass"] - plain(x, y).agb_grass) > 5.0


@pytest.mark.parametrize("minimum", [2, 5])
def test_every_stratum_gets_its_least_and_the_frame_is_kept(minimum):
    strata = np.repeat([0, 1, 2], [9_000, 900, 100]).astype(np.intp)
    drawn = draw_stratified(strata, 60, minimum=minimum, rng=np.random.default_rng(5))
    assert (np.bincount(drawn.stratum) >= minimum).all()
    assert drawn.sizes.tolist() == [9_000.0, 900.0, 100.0]
    assert np.unique(drawn.index).size == drawn.index.size
    assert (strata[drawn.index] == drawn.stratum).all()


def test_every_pixel_is_as_likely_in_a_systematic_sample():
    rows, columns = (a.ravel() for a in np.indices((20, 20)))
    rng = np.random.default_rng(6)
    times = np.zeros(400)
    for _ in range(4_000):
        times[draw_systematic(rows, columns, 25, rng).index] += 1
    expected = np.full(400, times.sum() / 400)
    # 16 grids are drawn with equal probability: test the grids, not their pixels.
    grids = times.reshape(20, 20)[:4, :4].ravel()
    assert stats.chisquare(grids).pvalue > 1e-4
    assert times.max() < 1.35 * expected[0]


@pytest.mark.parametrize("count", [1, 101])
def test_too_few_or_too_many_plots_are_refused(count):
    with pytest.raises(TableError, match="plots in a frame of 100 pixels"):
        draw_simple(100, count, np.random.default_rng(7))


def test_an_honest_campaign_covers_at_its_level():
    """1 000 campaigns of 40 plots: 90 % intervals cover within binomial error."""
    rng = np.random.default_rng(8)
    rows, columns = (a.ravel() for a in np.indices((150, 150)))
    x, y = (columns + 0.5) * 120.0, (rows + 0.5) * 120.0
    true = float(plain(x, y).fvc.mean())
    covered = 0
    for _ in range(1_000):
        drawn = draw_simple(x.size, 40, rng)
        table = visit(plain, x[drawn.index], y[drawn.index], rules=RULES, rng=rng)
        design = stratified_sample(40, sizes=drawn.sizes)
        (row,) = estimate_by_domain(
            design, table["fvc"].to_numpy(), units=float(x.size)
        )
        half = stats.t.ppf(0.95, row.df) * row.se_mean
        covered += abs(row.mean - true) <= half
    assert stats.binomtest(covered, 1_000, 0.90).pvalue > 1e-3


def test_tracks_sample_every_place_alike_and_flag_the_clouded():
    rng = np.random.default_rng(9)
    bounds = (0.0, 0.0, 18_000.0, 18_000.0)
    means, errors = [], []
    for _ in range(300):
        table, members = shoot(plain, bounds, rules=TRACKS, rng=rng)
        good = table["quality_flag"] == 1
        means.append(float(table.loc[good, "agbd"].mean()))
        errors.append(float(table.loc[~good, "agbd"].mean()))
        assert members.shape == (16, len(table))
    se = np.std(means) / np.sqrt(300)
    assert abs(np.mean(means) - 50.0) < 4.0 * se + 0.5
    assert np.mean(errors) == pytest.approx(10.0, rel=0.1)
    assert (table["agbd_se"] > 0).all()


def test_a_strip_that_one_track_crosses_is_refused():
    thin = (0.0, 0.0, 1.0, 1.0)
    with pytest.raises(TableError, match="tracks over the square"):
        shoot(plain, thin, rules=TRACKS, rng=np.random.default_rng(10))
