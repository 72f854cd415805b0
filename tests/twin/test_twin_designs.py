"""Samples of clusters and of unequal chances: chances are what they are said to be."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from qhsink.domain.errors import TableError
from qhsink.twin.designs import (
    CLUSTER_STEP,
    draw_clusters,
    draw_midzuno,
    draw_proportional,
    midzuno_joint,
)

SIZE = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])


def lattice(edge):
    return (a.ravel().astype(np.int64) for a in np.indices((edge, edge)))


def test_clusters_are_four_corners_and_divide_the_lattice():
    rows, columns = lattice(20)
    drawn, cluster, frame = draw_clusters(rows, columns, 100, np.random.default_rng(1))
    assert frame == 100
    assert sorted(drawn.index.tolist()) == list(range(400))
    assert (np.bincount(cluster) == 4).all()
    for code in (0, 57):
        own = drawn.index[cluster == code]
        assert np.ptp(rows[own]) == np.ptp(columns[own]) == CLUSTER_STEP


@pytest.mark.parametrize("draw", [draw_proportional, draw_midzuno])
def test_units_are_drawn_with_the_chances_stated(draw):
    """Of 20 000 samples of 3 from 6; four standard errors of a share are 0.014."""
    rng = np.random.default_rng(2)
    hits, stated = np.zeros(6), np.full(6, np.nan)
    for _ in range(20_000):
        index, prob = draw(SIZE, 3, rng)
        assert len(set(index.tolist())) == 3
        hits[index] += 1
        stated[index] = prob
    assert hits / 20_000 == pytest.approx(stated, abs=0.014)
    assert stated.sum() == pytest.approx(3.0)


def test_chances_of_pairs_equal_those_of_every_sample_by_hand():
    """Midzuno: a sample's chance is its sizes' mean share times 1 / C(N-1, n-1)."""
    samples = list(itertools.combinations(range(6), 3))
    chance = [SIZE[list(s)].sum() / SIZE.sum() / 10.0 for s in samples]
    by_hand = np.zeros((6, 6))
    for sample, p in zip(samples, chance, strict=True):
        by_hand[np.ix_(sample, sample)] += p
    assert sum(chance) == pytest.approx(1.0)
    assert midzuno_joint(SIZE, np.arange(6), 3) == pytest.approx(by_hand)


def test_a_unit_that_is_certain_is_refused():
    with pytest.raises(TableError, match="chance"):
        draw_proportional(np.array([1.0, 1.0, 9.0]), 2, np.random.default_rng(3))
