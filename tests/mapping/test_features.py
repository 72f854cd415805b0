from __future__ import annotations

import math

import numpy as np
import pytest
import spyndex
from hypothesis import given
from hypothesis import strategies as st

from qhsink.domain.errors import ModelError
from qhsink.domain.scene import BANDS
from qhsink.mapping.features import (
    FEATURES,
    feature_matrix,
    locate_bands,
    required_bands,
)
from qhsink.mapping.layers import LAYERS, layer_step

SHIPPED = ["ndvi", "ndmi", "nbr", "ngrdi", "ndti", "brightness"]
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
CUBE = PIXEL | {
    name: np.array([value], np.float32)
    for name, value in {
        "blue": 0.04,
        "rededge1": 0.10,
        "rededge2": 0.22,
        "rededge3": 0.28,
        "ndvi_max": 0.7,
        "ndvi_min": 0.1,
        "ndvi_mean": 0.5,
        "elevation": 3200.0,
        "slope": 30.0,
        "aspect": 60.0,
        "cos_i": 0.8,
        "vv": -11.0,
        "vh": -17.5,
    }.items()
}
NAMES_IN_SPYNDEX = {
    "ndvi": "NDVI",
    "ndmi": "NDMI",
    "nbr": "NBR",
    "ngrdi": "NGRDI",
    "gndvi": "GNDVI",
    "mndwi": "MNDWI",
    "rendvi": "RENDVI",
    "evi": "EVI",
    "evi2": "EVI2",
    "savi": "SAVI",
    "nirv": "NIRv",
    "bsi": "BI",
    "ireci": "IRECI",
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
        ("gndvi", 0.22 / 0.38),
        ("mndwi", -0.12 / 0.28),
        ("rendvi", 0.12 / 0.32),
        ("evi", 2.5 * 0.24 / (0.30 + 0.36 - 0.30 + 1)),
        ("evi2", 2.5 * 0.24 / (0.30 + 0.144 + 1)),
        ("savi", 1.5 * 0.24 / 0.86),
        ("nirv", 0.30 * 0.24 / 0.36),
        ("bsi", (0.26 - 0.34) / (0.26 + 0.34)),
        ("ireci", 0.22 / (0.10 / 0.22)),
        ("ndvi_range", 0.6),
        ("northness", 0.5 * 0.5),
        ("eastness", 0.5 * 3**0.5 / 2),
        ("vh_vv", -6.5),
        ("elevation", 3200.0),
    ],
)
def test_feature_equals_calculation_by_hand(name, by_hand):
    assert feature_matrix(CUBE, [name])[0, 0] == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize(("name", "theirs"), NAMES_IN_SPYNDEX.items())
def test_index_equals_that_of_awesome_spectral_indices(name, theirs):
    bands = {
        letter: float(CUBE[band][0])
        for letter, band in {
            "B": "blue",
            "G": "green",
            "R": "red",
            "RE1": "rededge1",
            "RE2": "rededge2",
            "RE3": "rededge3",
            "N": "nir",
            "S1": "swir16",
            "S2": "swir22",
        }.items()
    }
    constants = {"g": 2.5, "C1": 6.0, "C2": 7.5}
    constants["L"] = 0.5 if name == "savi" else 1.0
    expected = spyndex.computeIndex(theirs, bands | constants)
    assert feature_matrix(CUBE, [name])[0, 0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", FEATURES)
def test_formula_text_gives_what_the_code_gives(name):
    bands = {band: float(values[0]) for band, values in CUBE.items()}
    known = {"sin": math.sin, "cos": math.cos}
    by_text = eval(FEATURES[name].formula, known, bands)  # noqa: S307 - our own text
    assert feature_matrix(CUBE, [name])[0, 0] == pytest.approx(by_text, rel=1e-6)


@pytest.mark.parametrize("name", FEATURES)
def test_every_feature_has_a_unit_and_a_source(name):
    feature = FEATURES[name]
    assert feature.unit in {"1", "m", "degree", "dB"}
    assert feature.source
    assert set(feature.bands) <= set(LAYERS)


def test_the_shipped_cover_model_needs_only_bands_that_both_sensors_have():
    assert set(required_bands(SHIPPED)) <= set(BANDS)


def test_every_reflectance_band_of_a_composite_is_a_layer_in_its_scale():
    assert {float(layer_step(band)) for band in BANDS} == {np.float32(1e-4)}


@pytest.mark.parametrize(
    ("feature", "lacking"),
    [
        ("ireci", "rededge1, rededge2, rededge3"),
        ("northness", "slope, aspect"),
        ("ndvi_range", "ndvi_max, ndvi_min"),
        ("vh_vv", "vh, vv"),
    ],
    ids=["red edge", "terrain", "season", "radar"],
)
def test_a_cube_of_six_bands_is_refused_by_a_model_that_needs(feature, lacking):
    with pytest.raises(ModelError, match=f"without {lacking}; expected"):
        locate_bands(["ndvi", feature], BANDS)


def test_matrix_is_float32_in_the_order_asked_for():
    matrix = feature_matrix(PIXEL, ["nir", "red"])
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous
    np.testing.assert_allclose(matrix, [[0.30, 0.06]])


def test_missing_band_is_refused_by_name():
    with pytest.raises(ModelError, match=r"without swir22; expected the bands nir, sw"):
        feature_matrix({name: PIXEL[name] for name in ("green", "red", "nir")}, ["nbr"])


def test_unknown_feature_is_refused_with_those_known():
    with pytest.raises(ModelError, match=r"unknown feature 'aspect'; expected .*ndvi"):
        feature_matrix(CUBE, ["aspect"])


def test_reflectance_at_or_below_zero_gives_a_finite_ratio():
    dark = {name: np.array([-0.02, 0.0], np.float32) for name in CUBE}
    assert np.isfinite(feature_matrix(dark, list(FEATURES))).all()


def test_heights_and_decibels_are_not_raised_to_the_floor_of_reflectance():
    low = {"elevation": np.array([-30.0]), "vv": np.array([-12.5])}
    np.testing.assert_allclose(feature_matrix(low, ["elevation", "vv"]), [[-30, -12.5]])


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
