from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhsink.domain.errors import ModelError
from qhsink.domain.scene import BANDS
from qhsink.mapping.features import FEATURES, feature_matrix, required_bands

PIXEL = {
    name: np.array([value], np.float32)
    for name, value in {
        "green": 0.08,
        "red": 0.06,
        "nir": 0.30,
        "swir16": 0.20,
        "swir22": 0.10,
    }.items()
}


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("red", 0.06),
        ("ndvi", 0.24 / 0.36),
        ("ndmi", 0.10 / 0.50),
        ("nbr", 0.20 / 0.40),
        ("ngrdi", 0.02 / 0.14),
        ("ndti", 0.10 / 0.30),
        ("brightness", 0.74 / 5),
    ],
)
def test_feature_equals_calculation_by_hand(name, by_hand):
    assert feature_matrix(PIXEL, [name])[0, 0] == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize("name", FEATURES)
def test_formula_text_gives_what_the_code_gives(name):
    bands = {band: float(values[0]) for band, values in PIXEL.items()}
    by_text = eval(FEATURES[name].formula, {}, bands)  # noqa: S307 - our own text
    assert feature_matrix(PIXEL, [name])[0, 0] == pytest.approx(by_text, rel=1e-6)


def test_features_need_only_bands_that_both_sensors_have():
    assert set(required_bands(list(FEATURES))) <= set(BANDS)


def test_matrix_is_float32_in_the_order_asked_for():
    matrix = feature_matrix(PIXEL, ["nir", "red"])
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous
    np.testing.assert_allclose(matrix, [[0.30, 0.06]])


def test_missing_band_is_refused_by_name():
    with pytest.raises(ModelError, match=r"without swir22; expected the bands nir, sw"):
        feature_matrix({name: PIXEL[name] for name in ("green", "red", "nir")}, ["nbr"])


def test_unknown_feature_is_refused_with_those_known():
    with pytest.raises(ModelError, match=r"unknown feature 'evi'; expected .*ndvi"):
        feature_matrix(PIXEL, ["evi"])


def test_reflectance_at_or_below_zero_gives_a_finite_ratio():
    dark = {name: np.array([-0.02, 0.0], np.float32) for name in PIXEL}
    assert np.isfinite(feature_matrix(dark, list(FEATURES))).all()


def test_missing_reflectance_stays_missing():
    bare = {**PIXEL, "nir": np.array([np.nan], np.float32)}
    ndvi, ndti = feature_matrix(bare, ["ndvi", "ndti"])[0]
    assert np.isnan(ndvi)
    assert np.isfinite(ndti)


@given(
    values=st.lists(st.floats(0.002, 1.0), min_size=5, max_size=5),
    light=st.floats(0.6, 1.4),
)
def test_ratios_do_not_change_with_illumination(values, light):
    bands = dict(zip(PIXEL, (np.array([v], np.float32) for v in values), strict=True))
    lit = {name: np.float32(light) * array for name, array in bands.items()}
    names = ["ndvi", "ndmi", "nbr", "ngrdi", "ndti"]
    np.testing.assert_allclose(
        feature_matrix(bands, names), feature_matrix(lit, names), atol=2e-5
    )
