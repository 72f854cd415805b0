"""Small areas against nlme on published data, dense algebra and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from qhsink.domain.errors import TableError
from qhsink.estimation.intervals import limits
from qhsink.estimation.small_area import (
    UnitSample,
    eblup,
    fit_nested_error,
    greg_by_domain,
    synthetic,
)

# Battese, Harter and Fuller (1988), Table 1: county, reported hectares of corn,
# pixels of corn and of soybeans in a segment. Row 33 (the second of Hardin) is the
# one they set aside.
SEGMENT_TABLE = """
1 165.76 374 55 2 96.32 209 218 3 76.08 253 250 4 185.35 432 96
4 116.43 367 178 5 162.08 361 137 5 152.04 288 206 5 161.75 369 165
6 92.88 206 218 6 149.94 316 221 6 64.75 145 338 7 127.07 355 128
7 133.55 295 147 7 77.7 223 204 8 206.39 459 77 8 108.33 290 217
8 118.17 307 258 9 99.96 252 303 9 140.43 293 221 9 98.95 206 222
9 131.04 302 274 10 114.12 313 190 10 100.6 246 270 10 127.88 353 172
10 116.9 271 228 10 87.41 237 297 11 93.48 221 167 11 121 369 191
11 109.91 343 249 11 122.66 342 182 11 104.21 294 179 12 88.59 220 262
12 88.59 340 87 12 165.35 355 160 12 104 261 221 12 88.63 187 345
12 153.7 350 190
"""
SEGMENTS = np.array(SEGMENT_TABLE.split(), dtype=float).reshape(-1, 4)
# Population means of the pixels per segment, by county.
MEANS_TABLE = """
295.29 189.7 300.4 196.65 289.6 205.28 290.74 220.22 318.21 188.06 257.17 247.13
291.77 185.37 301.26 221.36 262.17 247.09 314.28 198.66 298.65 204.61
325.99 177.05
"""
MEANS = np.array(MEANS_TABLE.split(), dtype=float).reshape(-1, 2)


def sample_of(rows):
    x = np.column_stack([np.ones(len(rows)), rows[:, 2:]])
    return UnitSample(rows[:, 1], x, rows[:, 0].astype(int).astype(str))


ALL = sample_of(SEGMENTS)
KEPT = sample_of(np.delete(SEGMENTS, 32, axis=0))
COUNTIES = {
    str(number): np.array([1.0, *row]) for number, row in enumerate(MEANS, start=1)
}

# nlme 3.1: lme(CornHec ~ CornPix + SoyBeansPix, random = ~1 | County)
NLME = {
    ("all", "reml"): (
        (17.96397911445, 0.36633523031, -0.03036379587),
        (63.3148954117, 297.712845288),
        (30.97450471086, 0.06495868497, 0.06757615846),
    ),
    ("all", "ml"): (
        (18.08888387612, 0.36565659750, -0.03016866525),
        (47.795588916, 280.231129746),
        None,
    ),
    ("kept", "reml"): (
        (51.0703978885, 0.3287217322, -0.1345684464),
        (140.02387417, 147.268634252),
        (24.40970456269, 0.04987599827, 0.05519416235),
    ),
    ("kept", "ml"): (
        (50.9675317211, 0.3285804739, -0.1337096966),
        (121.061689144, 137.314114012),
        None,
    ),
}


@pytest.mark.parametrize(("rows", "fit"), NLME)
def test_components_and_coefficients_are_those_of_nlme(rows, fit):
    beta, (between, within), errors = NLME[rows, fit]
    model = fit_nested_error(ALL if rows == "all" else KEPT, fit=fit)
    assert model.between == pytest.approx(between, rel=1e-6)
    assert model.within == pytest.approx(within, rel=1e-6)
    assert model.beta == pytest.approx(beta, rel=1e-6)
    if errors:
        assert np.sqrt(np.diag(model.covariance)) == pytest.approx(errors, rel=1e-6)


def test_the_fit_of_battese_harter_and_fuller_comes_out_as_printed():
    # Their fit without row 33: 140 and 147; 51, 0.329, -0.134 (REML here).
    model = fit_nested_error(KEPT)
    assert round(model.between) == 140
    assert round(model.within) == 147
    assert round(model.beta[0]) == 51
    assert round(model.beta[1], 3) == 0.329
    assert model.beta[2] == pytest.approx(-0.134, abs=0.001)


def test_eblup_is_regression_plus_the_random_effect_of_nlme():
    effects = """-0.414799822 2.867167837 -11.948341869 -8.564854824 13.915221911
    9.788658470 -9.232326107 1.685804242 11.325651333 -3.227362442 -14.804690726
    8.609871996"""
    model = fit_nested_error(KEPT)
    rows = eblup(model, KEPT, COUNTIES)
    for row, effect in zip(rows, effects.split(), strict=True):
        expected = COUNTIES[row.domain] @ np.array(NLME["kept", "reml"][0])
        assert row.value == pytest.approx(expected + float(effect), rel=1e-6)
        assert row.method == "eblup"


@pytest.mark.parametrize("fit", ["reml", "ml"])
def test_the_mse_is_that_of_dense_matrices(fit):
    model = fit_nested_error(KEPT, fit=fit)
    same = (KEPT.domain[:, None] == KEPT.domain[None, :]).astype(float)
    v = model.within * np.eye(len(KEPT.y)) + model.between * same
    inverse = np.linalg.inv(v)
    parts = [same, np.eye(len(KEPT.y))]
    cov_beta = np.linalg.inv(KEPT.x.T @ inverse @ KEPT.x)
    info = np.array(
        [[0.5 * np.trace(inverse @ a @ inverse @ b) for b in parts] for a in parts]
    )
    bias = np.zeros(2)
    if fit == "ml":
        traces = [
            np.trace(cov_beta @ KEPT.x.T @ inverse @ a @ inverse @ KEPT.x)
            for a in parts
        ]
        bias = -0.5 * np.linalg.solve(info, traces)
        assert model.bias == pytest.approx(bias, rel=1e-9)
    assert model.information == pytest.approx(info, rel=1e-9)

    def weights(between, within):
        full = within * np.eye(len(KEPT.y)) + between * same
        return between * inside @ np.linalg.inv(full)

    for row in eblup(model, KEPT, COUNTIES):
        inside = (KEPT.domain == row.domain).astype(float)
        b = weights(model.between, model.within)
        left = COUNTIES[row.domain] - b @ KEPT.x
        g1 = model.between - model.between * b @ inside
        g2 = left @ cov_beta @ left
        steps = [(1e-4, 0.0), (0.0, 1e-4)]
        gradient = np.array(
            [
                (
                    weights(model.between + dv, model.within + de)
                    - weights(model.between - dv, model.within - de)
                )
                / 2e-4
                for dv, de in steps
            ]
        )
        g3 = np.trace(gradient @ v @ gradient.T @ np.linalg.inv(info))
        slope = np.array(
            [
                (
                    _g1(model.between + dv, model.within + de, inside)
                    - _g1(model.between - dv, model.within - de, inside)
                )
                / 2e-4
                for dv, de in steps
            ]
        )
        expected = g1 + g2 + 2 * g3 - bias @ slope
        assert row.mse == pytest.approx(expected, rel=1e-5)


def _g1(between, within, inside):
    n = inside.sum()
    return between * within / (within + n * between)


def test_a_county_without_plots_gets_the_synthetic_mean_and_its_mse():
    model = fit_nested_error(KEPT)
    empty = {"elsewhere": np.array([1.0, 300.0, 200.0])}
    (ours,) = eblup(model, KEPT, empty)
    (plain,) = synthetic(model, KEPT, empty)
    assert ours.n == 0
    assert ours.value == pytest.approx(plain.value)
    assert ours.mse == pytest.approx(plain.mse)
    assert ours.mse > model.between


def test_eblup_beats_the_direct_and_the_synthetic_where_plots_are_few():
    model = fit_nested_error(KEPT)
    weight = np.ones(len(KEPT.y))
    greg = {row.domain: row for row in greg_by_domain(KEPT, weight, COUNTIES)}
    flat = {row.domain: row for row in synthetic(model, KEPT, COUNTIES)}
    for row in eblup(model, KEPT, COUNTIES):
        assert row.mse < flat[row.domain].mse
        low, high = sorted([greg[row.domain].value, flat[row.domain].value])
        # Shrunk between the two, but for the two regressions' own difference.
        assert low - 3 <= row.value <= high + 3
    assert greg["1"].mse is None
    assert greg["12"].mse > 0


def test_no_spread_between_domains_is_reported_as_zero():
    domain = np.repeat([str(i) for i in range(6)], 5)
    noise = np.tile([-2.0, -1.0, 0.0, 1.0, 2.0], 6)
    sample = UnitSample(4 + noise, np.ones((30, 1)), domain)
    model = fit_nested_error(sample)
    assert model.between == 0.0
    rows = eblup(model, sample, {"0": np.ones(1)})
    assert rows[0].value == pytest.approx(4.0)


def test_the_mse_covers_what_simulation_shows():
    rng = np.random.default_rng(20)
    counts = [2, 3, 3, 4, 4, 5, 5, 6, 2, 3, 4, 6]
    domain = np.repeat([str(i) for i in range(12)], counts)
    code = np.repeat(np.arange(12), counts)
    errors, claimed = [], []
    for _ in range(120):
        x = rng.normal(10, 3, len(domain))
        means = rng.normal(10, 1, 12)
        effect = rng.normal(0, 2, 12)
        y = 1 + 2 * x + effect[code] + rng.normal(0, 3, len(domain))
        sample = UnitSample(y, np.column_stack([np.ones(len(x)), x]), domain)
        model = fit_nested_error(sample)
        rows = eblup(
            model, sample, {str(i): np.array([1.0, m]) for i, m in enumerate(means)}
        )
        truth = 1 + 2 * means + effect
        errors += [row.value - t for row, t in zip(rows, truth, strict=True)]
        claimed += [row.mse for row in rows]
    assert np.mean(np.square(errors)) == pytest.approx(np.mean(claimed), rel=0.12)
    inside = np.abs(errors) <= 1.645 * np.sqrt(claimed)
    assert 0.87 <= inside.mean() <= 0.94


def test_too_few_domains_or_plots_are_refused():
    one = UnitSample(np.arange(5.0), np.ones((5, 1)), np.repeat("a", 5))
    with pytest.raises(TableError, match="2 domains"):
        fit_nested_error(one)
    thin = UnitSample(np.arange(3.0), np.ones((3, 1)), np.array(["a", "b", "c"]))
    with pytest.raises(TableError):
        fit_nested_error(thin)


def test_scaling_y_scales_the_estimate_and_its_error():
    bigger = UnitSample(KEPT.y * 1000, KEPT.x, KEPT.domain)
    ours = eblup(fit_nested_error(bigger), bigger, COUNTIES)
    for big, small in zip(
        ours, eblup(fit_nested_error(KEPT), KEPT, COUNTIES), strict=True
    ):
        assert big.value == pytest.approx(1000 * small.value, rel=1e-7)
        assert math.sqrt(big.mse) == pytest.approx(1000 * small.root_mse, rel=1e-6)


def alike_domains(seed, *, domains=8, plots=6, between=0.02):
    """Domains that differ a little, with few plots each; their true means."""
    rng = np.random.default_rng(seed)
    effect = rng.normal(0.0, between, domains)
    code = np.repeat(np.arange(domains), plots)
    x = np.column_stack([np.ones(code.size), rng.normal(size=code.size)])
    y = x @ [0.5, 0.1] + effect[code] + rng.normal(0.0, 0.06, code.size)
    means = {str(d): np.array([1.0, 0.0]) for d in range(domains)}
    truth = {str(d): 0.5 + effect[d] for d in range(domains)}
    return UnitSample(y, x, code.astype(str)), means, truth


def test_the_adjusted_fit_never_finds_domains_alike():
    fits = [
        (fit_nested_error(sample), fit_nested_error(sample, fit="adjusted"))
        for sample, _, _ in (alike_domains(seed) for seed in range(40))
    ]
    assert min(adjusted.between for _, adjusted in fits) > 0.0
    assert sum(plain.between == 0.0 for plain, _ in fits) > 3
    # Where domains clearly differ, the two are nearly one.
    sample, _, _ = alike_domains(1, domains=40, between=0.5)
    pair = [fit_nested_error(sample, fit=fit).between for fit in ("reml", "adjusted")]
    assert pair[1] == pytest.approx(pair[0], rel=0.02)


def test_the_adjusted_fit_maximises_the_likelihood_times_its_factor():
    """Dense algebra: REML log-likelihood plus log arctan(sum gamma) / D."""
    sample, _, _ = alike_domains(3)
    model = fit_nested_error(sample, fit="adjusted")
    same = (sample.domain[:, None] == sample.domain[None, :]).astype(float)

    def objective(between, within):
        v = within * np.eye(len(sample.y)) + between * same
        inverse = np.linalg.inv(v)
        gram = sample.x.T @ inverse @ sample.x
        gap = sample.y - sample.x @ np.linalg.solve(
            gram, sample.x.T @ inverse @ sample.y
        )
        likelihood = -0.5 * (
            np.linalg.slogdet(v)[1] + np.linalg.slogdet(gram)[1] + gap @ inverse @ gap
        )
        gamma = 8 * between / (between + within / 6)
        return likelihood + math.log(math.atan(gamma)) / 8

    best = objective(model.between, model.within)
    for ratio in (0.8, 0.95, 1.05, 1.25):
        assert objective(model.between * ratio, model.within) < best


def test_synthetic_means_cover_with_the_adjusted_fit_and_student():
    """Where REML finds domains alike, its interval forgets how they differ."""
    inside = {"reml": [], "adjusted": []}
    for seed in range(150):
        sample, means, truth = alike_domains(seed)
        for fit, hits in inside.items():
            model = fit_nested_error(sample, fit=fit)
            for row in synthetic(model, sample, means):
                df = row.df if fit == "adjusted" else math.inf
                low, high = limits(
                    row.value, row.root_mse, df=df, n=row.n, confidence=0.90
                )
                hits.append(low <= truth[row.domain] <= high)
    assert np.mean(inside["reml"]) < 0.85
    assert 0.86 < np.mean(inside["adjusted"]) < 0.95


def test_each_method_says_its_degrees_of_freedom():
    model = fit_nested_error(KEPT)
    (row,) = synthetic(model, KEPT, {"1": COUNTIES["1"]})
    assert row.df == 12 - 3
    greg = greg_by_domain(KEPT, np.ones(len(KEPT.y)), COUNTIES)
    assert {row.domain: row.df for row in greg}["12"] == 4
    assert all(math.isinf(row.df) for row in eblup(model, KEPT, COUNTIES))
