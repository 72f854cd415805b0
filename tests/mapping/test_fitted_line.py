"""Lines with errors in both coordinates: a published case, closed forms, trials."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from qhsink.domain.errors import Refusal
from qhsink.mapping.fitted_line import fit_line

PEARSON_X = np.array([0.0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4])
PEARSON_Y = np.array([5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5])
YORK_X = np.array([1000.0, 1000.0, 500.0, 800.0, 200.0, 80.0, 60.0, 20.0, 1.8, 1.0])
YORK_Y = np.array([1.0, 1.8, 4.0, 8.0, 20.0, 20.0, 70.0, 70.0, 100.0, 500.0])
"""Pearson's data (1901) with York's weights (1966)."""

NOISE = 0.09
TRUE_SLOPE = 0.8


def pearson(**options):
    return fit_line(
        PEARSON_X, PEARSON_Y, x_se=YORK_X**-0.5, y_se=YORK_Y**-0.5, **options
    )


def drawn(seed, *, n=80, scatter=0.06):
    """Cover at plots, and a map of it that is compressed and noisy."""
    rng = np.random.default_rng(seed)
    true = rng.uniform(0.1, 0.9, n)
    x = true + rng.normal(0.0, NOISE, n)
    y = 0.05 + TRUE_SLOPE * true + rng.normal(0.0, np.hypot(scatter, 0.05), n)
    return x, y


def fit(x, y, **options):
    return fit_line(
        x, y, x_se=np.full(len(x), NOISE), y_se=np.full(len(x), 0.05), **options
    )


def test_pearsons_data_with_yorks_weights_give_the_published_line():
    """York et al. 2004, table II: line, standard errors and misfit."""
    line = pearson(with_scatter=False)
    assert line.intercepts[0] == pytest.approx(5.47991022, abs=5e-9)
    assert line.slope == pytest.approx(-0.480533407, abs=5e-10)
    assert line.intercept_variances[0] ** 0.5 == pytest.approx(0.294971, abs=5e-7)
    assert line.slope_variance**0.5 == pytest.approx(0.0579850, abs=5e-8)
    assert line.misfit == pytest.approx(11.8663532, abs=5e-8)
    assert line.df == 8


def test_the_line_is_the_one_of_greatest_likelihood():
    def badness(parameters):
        a, b = parameters
        weight = 1 / (1 / YORK_Y + b**2 / YORK_X)
        return float(weight @ (PEARSON_Y - a - b * PEARSON_X) ** 2)

    found = minimize(badness, (5.0, -0.4), method="Nelder-Mead", tol=1e-12).x
    line = pearson(with_scatter=False)
    assert (line.intercepts[0], line.slope) == pytest.approx(tuple(found), abs=1e-5)


def test_scatter_is_what_makes_the_misfit_its_degrees_of_freedom():
    line = pearson()
    assert line.scatter > 0
    again = fit_line(
        PEARSON_X,
        PEARSON_Y,
        x_se=YORK_X**-0.5,
        y_se=np.hypot(YORK_Y**-0.5, line.scatter),
        with_scatter=False,
    )
    assert again.misfit == pytest.approx(line.df)


def test_with_equal_errors_slope_and_scatter_are_those_of_the_moments():
    """Sums over n - 2, so the moments agree to that convention."""
    x, y = drawn(3)
    line = fit(x, y)
    sxx, syy = x.var() * 80, y.var() * 80
    sxy = float(np.cov(x, y, ddof=0)[0, 1]) * 80
    b, error = line.slope, line.scatter**2 + 0.05**2 + line.slope**2 * NOISE**2
    assert syy - 2 * b * sxy + b**2 * sxx == pytest.approx(78 * error)
    assert b == pytest.approx(sxy / (sxx - 78 * NOISE**2), rel=1e-6)


def test_without_error_in_x_it_is_ordinary_least_squares():
    x, y = drawn(4)
    line = fit_line(x, y, x_se=np.zeros(80), y_se=np.full(80, 0.05))
    slope, intercept = np.polyfit(x, y, 1)
    assert (line.slope, line.intercepts[0]) == pytest.approx((slope, intercept))


def test_ordinary_least_squares_is_diluted_and_this_is_not():
    """Reliability 0.87: ordinary slopes come out at 0.69 on average."""
    pairs = [drawn(seed) for seed in range(200)]
    ours = np.array([fit(x, y).slope for x, y in pairs])
    ordinary = np.array([np.polyfit(x, y, 1)[0] for x, y in pairs])
    error = ours.std(ddof=1) / np.sqrt(200)
    assert abs(ours.mean() - TRUE_SLOPE) < 3 * error
    assert ordinary.mean() == pytest.approx(0.69, abs=0.02)


def test_parallel_lines_share_the_slope_and_keep_their_distance():
    x, y = drawn(5, n=400)
    groups = (np.arange(400) % 2).astype(np.int64)
    line = fit(x, y + 0.2 * groups, groups=groups)
    assert line.intercepts[1] - line.intercepts[0] == pytest.approx(0.2, abs=0.03)
    assert line.slope == pytest.approx(TRUE_SLOPE, abs=0.08)
    assert line.df == 397


@pytest.mark.parametrize(
    ("x", "found"),
    [([0.1, 0.2], "2 points"), ([0.3] * 9, "1 different")],
    ids=["two points", "all at one x"],
)
def test_what_tells_no_line_is_refused(x, found):
    x = np.asarray(x)
    with pytest.raises(Refusal, match=found):
        fit(x, np.linspace(0, 1, len(x)))
