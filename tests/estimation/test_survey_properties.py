"""What must hold for every sample: order, labels, scale, census, parts and whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qhsink.domain.errors import TableError
from qhsink.estimation.area import Labels, Stratum, estimate_area
from qhsink.estimation.assisted import assisted_mean
from qhsink.estimation.domains import Level, estimate_by_domain
from qhsink.estimation.greg import calibrate, poststratify
from qhsink.estimation.intervals import critical_value, limits
from qhsink.estimation.survey import stratified_sample, weighted_mean
from qhsink.estimation.two_phase import double_stratified
from qhsink.estimation.unequal import HajekBerger, YatesGrundy

finite = st.floats(-1e4, 1e4, allow_nan=False)
relaxed = settings(deadline=None, max_examples=40)


@st.composite
def stratified(draw):
    """Values, stratum codes and stratum sizes; at least 2 units a stratum."""
    counts = draw(st.lists(st.integers(2, 6), min_size=1, max_size=4))
    extra = draw(
        st.lists(st.integers(0, 90), min_size=len(counts), max_size=len(counts))
    )
    code = np.repeat(np.arange(len(counts)), counts)
    y = np.array(draw(st.lists(finite, min_size=len(code), max_size=len(code))))
    return y, code, np.array(counts) + np.array(extra)


def close(one, other, scale):
    return pytest.approx(other, rel=1e-9, abs=1e-9 * max(scale, 1.0)) == one


@relaxed
@given(stratified(), st.randoms(use_true_random=False), st.booleans())
def test_order_of_units_and_names_of_strata_do_not_matter(sample, random, fpc):
    y, code, sizes = sample
    (row,) = estimate_by_domain(
        stratified_sample(len(y), stratum=code, sizes=sizes, fpc=fpc), y
    )
    order = list(range(len(y)))
    random.shuffle(order)
    renamed = len(sizes) - 1 - code[order]
    (other,) = estimate_by_domain(
        stratified_sample(len(y), stratum=renamed, sizes=sizes[::-1], fpc=fpc), y[order]
    )
    scale = float(sizes.sum()) * 1e4
    assert close(other.total, row.total, scale)
    assert close(other.se_total, row.se_total, scale)
    assert other.df == row.df


@relaxed
@given(stratified(), st.floats(0.01, 100), st.floats(-50, 50))
def test_scaling_and_shifting_y_scales_and_shifts_the_estimate(sample, factor, shift):
    y, code, sizes = sample
    design = stratified_sample(len(y), stratum=code, sizes=sizes)
    (row,) = estimate_by_domain(design, y)
    (other,) = estimate_by_domain(design, factor * y + shift)
    scale = 1e6 * max(factor, 1)
    assert close(other.mean, factor * row.mean + shift, scale)
    assert close(other.se_mean, factor * row.se_mean, scale)
    assert close(other.se_total, factor * row.se_total, scale * sizes.sum())


@relaxed
@given(stratified())
def test_a_census_has_no_sampling_variance(sample):
    y, code, _ = sample
    sizes = np.bincount(code)
    design = stratified_sample(len(y), stratum=code, sizes=sizes, fpc=True)
    (row,) = estimate_by_domain(design, y)
    assert row.se_total == 0
    assert row.total == pytest.approx(y.sum(), rel=1e-9, abs=1e-6)


@relaxed
@given(stratified(), st.booleans())
def test_one_stratum_is_simple_random_sampling(sample, fpc):
    y, _, sizes = sample
    count, units = len(y), float(sizes.sum())
    assume(units >= count)
    design = stratified_sample(count, sizes=[units], fpc=fpc)
    (row,) = estimate_by_domain(design, y)
    variance = (1 - fpc * count / units) * np.var(y, ddof=1) / count
    assert row.mean == pytest.approx(y.mean(), rel=1e-9, abs=1e-9)
    assert row.se_mean == pytest.approx(np.sqrt(variance), rel=1e-9, abs=1e-9)


@relaxed
@given(stratified(), st.data())
def test_domains_add_to_the_whole(sample, data):
    y, code, sizes = sample
    names = data.draw(
        st.lists(st.sampled_from("abc"), min_size=len(y), max_size=len(y))
    )
    design = stratified_sample(len(y), stratum=code, sizes=sizes)
    (whole,) = estimate_by_domain(design, y)
    parts = estimate_by_domain(design, y, domain=np.array(names))
    scale = float(sizes.sum()) * 1e4
    assert close(sum(part.total for part in parts), whole.total, scale)
    assert sum(part.n for part in parts) == whole.n


@relaxed
@given(stratified(), st.data())
def test_calibrated_domains_add_to_the_whole(sample, data):
    y, code, sizes = sample
    names = data.draw(st.lists(st.sampled_from("ab"), min_size=len(y), max_size=len(y)))
    design = stratified_sample(len(y), sizes=[float(sizes.sum())])
    fit = poststratify(design, code, sizes)
    (whole,) = estimate_by_domain(design, y, calibration=fit)
    parts = estimate_by_domain(design, y, calibration=fit, domain=np.array(names))
    scale = float(sizes.sum()) * 1e4
    assert close(sum(part.total for part in parts), whole.total, scale)


@relaxed
@given(stratified())
def test_every_unit_its_own_cluster_is_no_clustering(sample):
    y, code, sizes = sample
    plain = stratified_sample(len(y), stratum=code, sizes=sizes)
    clustered = stratified_sample(
        len(y), stratum=code, cluster=np.arange(len(y)), sizes=sizes
    )
    assert estimate_by_domain(plain, y) == estimate_by_domain(clustered, y)


@relaxed
@given(stratified())
def test_second_phase_of_everything_is_the_first_phase(sample):
    y, code, sizes = sample
    counts = np.bincount(code)
    units = float(sizes.sum() + 50)
    double = double_stratified(code, counts, population=units, fpc=True)
    simple = stratified_sample(len(y), sizes=[units], fpc=True)
    (ours,) = estimate_by_domain(double, y)
    (plain,) = estimate_by_domain(simple, y)
    scale = units * 1e4
    assert close(ours.total, plain.total, scale)
    assert close(ours.se_total**2, plain.se_total**2, scale**2)


def test_a_greg_that_fits_exactly_has_no_variance():
    x = np.arange(1.0, 9.0)
    design = stratified_sample(8, sizes=[80])
    fit = calibrate(design, np.column_stack([np.ones(8), x]), [80, 80 * 5.5])
    (row,) = estimate_by_domain(design, 3 + 2 * x, calibration=fit)
    assert row.mean == pytest.approx(3 + 2 * 5.5)
    assert row.se_mean == pytest.approx(0, abs=1e-9)
    assert np.sum(design.weight * fit.g) == pytest.approx(80)
    assert np.sum(design.weight * fit.g * x) == pytest.approx(80 * 5.5)


def test_collinear_auxiliaries_are_refused():
    design = stratified_sample(4, sizes=[80])
    columns = np.column_stack([np.ones(4), np.full(4, 3.0)])
    with pytest.raises(TableError, match="collinear"):
        calibrate(design, columns, [80, 240])


def test_the_assisted_mean_of_methodology_d3():
    y = np.array([120.0, 80, 0, 60, 45, 150])
    prediction = np.array([100.0, 90, 10, 55, 50, 130])
    design = stratified_sample(6, sizes=[600], fpc=True)
    found = assisted_mean(design, y, prediction, map_mean=72)
    assert found.mean == pytest.approx(75.3333, abs=5e-5)
    assert found.map_bias == pytest.approx(-3.3333, abs=5e-5)
    assert found.se == pytest.approx(5.6965, abs=5e-5)
    assert found.direct_mean == pytest.approx(75.8333, abs=5e-5)
    assert found.direct_se == pytest.approx(21.8148, abs=5e-5)
    # Methodology prints 14.665: the ratio of the variances it prints rounded.
    assert found.relative_efficiency == pytest.approx(14.665, abs=5e-4)
    assert found.df == 5
    steep = assisted_mean(design, y, prediction, map_mean=72, slope=True)
    assert steep.se < found.se
    assert steep.direct_se == found.direct_se


def test_grassland_cover_of_methodology_a2():
    found = weighted_mean((70.2, 45.0, 31.5), (1.5, 2.0, 1.8), (1.2, 2.5, 3.8))
    assert found.value == pytest.approx(42.192)
    assert found.se == pytest.approx(1.1549, abs=5e-5)


def test_a_map_that_saturates_is_repaired_by_its_slope():
    rng = np.random.default_rng(8)
    truth = rng.gamma(4, 25, 4000)
    saturated = 40 + 0.4 * truth
    chosen = rng.choice(4000, 60, replace=False)
    design = stratified_sample(60, sizes=[4000], fpc=True)
    y, prediction = truth[chosen], saturated[chosen]
    plain = assisted_mean(design, y, prediction, map_mean=saturated.mean())
    sloped = assisted_mean(design, y, prediction, map_mean=saturated.mean(), slope=True)
    assert sloped.mean == pytest.approx(truth.mean(), rel=1e-9)
    assert plain.relative_efficiency < 4
    assert abs(saturated.mean() - truth.mean()) > 10


def test_hajek_berger_is_exact_for_simple_random_sampling():
    y = np.array([3.0, 7.0, 8.0, 2.0])
    weight = np.full(4, 2.5)
    srs = stratified_sample(4, sizes=[10], fpc=True).variance(y)
    assert HajekBerger(weight, np.zeros(4, dtype=int)).variance(y) == pytest.approx(srs)
    joint = np.full((4, 4), 4 * 3 / (10 * 9))
    assert YatesGrundy(weight, joint).variance(y) == pytest.approx(srs)


@pytest.mark.parametrize(
    "joint",
    [np.full((3, 3), 0.1), np.zeros((2, 2)), np.array([[1, 0.1], [0.2, 1]])],
    ids=["of another size", "zero", "not symmetric"],
)
def test_joint_probabilities_that_cannot_be_are_refused(joint):
    with pytest.raises(TableError):
        YatesGrundy(np.array([2.0, 2.0]), joint)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"), st.sampled_from("abc"), st.sampled_from("abc")
        ),
        min_size=4,
        max_size=25,
    ),
    st.integers(30, 500),
    st.integers(30, 500),
)
def test_class_shares_add_to_one_and_areas_to_the_frame(rows, units_a, units_b):
    rows = [("a", "a", "a"), ("a", "b", "a"), ("b", "b", "b"), ("b", "b", "c"), *rows]
    stratum, mapped, reference = (np.array(part) for part in zip(*rows, strict=True))
    sample = Labels(stratum, mapped, reference, np.ones(len(rows)))
    strata = {"a": Stratum(units_a, 0.04), "b": Stratum(units_b, 0.04)}
    found = estimate_area(sample, strata)
    shares = [row.proportion for row in found.classes.values()]
    areas = [row.area_ha for row in found.classes.values()]
    assert sum(shares) == pytest.approx(1)
    assert sum(areas) == pytest.approx(0.04 * (units_a + units_b))
    cells = [cell for row in found.matrix.values() for cell in row.values()]
    assert sum(cells) == pytest.approx(1)
    agree = sum(found.matrix[name][name] for name in found.classes)
    assert found.overall_accuracy == pytest.approx(agree)


def test_a_class_share_is_the_stratified_mean_of_its_indicator():
    rng = np.random.default_rng(6)
    code = np.repeat([0, 1, 2], [20, 30, 15])
    reference = rng.integers(0, 3, len(code))
    sizes = [500, 900, 200]
    sample = Labels(
        code.astype(str),
        np.roll(code, 1).astype(str),
        reference.astype(str),
        np.ones(len(code)),
    )
    strata = {str(i): Stratum(size) for i, size in enumerate(sizes)}
    found = estimate_area(sample, strata, fpc=True, confidence=0.9)
    design = stratified_sample(len(code), stratum=code, sizes=sizes, fpc=True)
    for name, row in found.classes.items():
        (mean,) = estimate_by_domain(
            design,
            (reference == int(name)).astype(float),
            level=Level(0.9, "normal"),
        )
        assert row.proportion == pytest.approx(mean.mean)
        assert row.se_proportion == pytest.approx(mean.se_mean)
        assert row.ci_ha == pytest.approx(mean.ci_total)


def test_intervals_of_nine_in_ten_hold_nine_times_in_ten():
    rng = np.random.default_rng(12)
    low = rng.gamma(2, 10, 3000)
    high = rng.normal(120, 25, 1000)
    sizes = [3000, 1000]
    truth = (low.sum() + high.sum()) / 4000
    code = np.repeat([0, 1], [30, 20])
    hits = 0
    for _ in range(600):
        y = np.concatenate([rng.choice(low, 30, False), rng.choice(high, 20, False)])
        design = stratified_sample(50, stratum=code, sizes=sizes, fpc=True)
        (row,) = estimate_by_domain(design, y, level=Level(0.9))
        hits += row.ci_mean[0] <= truth <= row.ci_mean[1]
    # Binomial(600, 0.9): standard deviation 7.3.
    assert abs(hits - 540) < 30


def test_no_degree_of_freedom_gives_no_interval():
    assert critical_value(0.9, df=0) is None
    assert limits(4.0, 1.0, df=0, n=1, confidence=0.9) is None


def test_proportions_at_the_edge():
    assert limits(0.0, 0.0, df=9, n=10, confidence=0.9, kind="logit") is None
    low, high = limits(0.0, 0.0, df=9, n=10, confidence=0.9, kind="beta")
    # Clopper and Pearson: 1 - 0.05^(1/10)
    assert (low, high) == pytest.approx((0.0, 1 - 0.05**0.1))
    with pytest.raises(TableError, match="proportion"):
        limits(1.4, 0.1, df=9, n=10, confidence=0.9, kind="logit")
    with pytest.raises(TableError, match=r"0\.95"):
        critical_value(95)
