"""Sentinel-2's own bands stand beside the six, and leave these as they were."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from qhsink.twin.archive import build_archive
from qhsink.twin.ground_light import SURFACES
from qhsink.twin.sensor import expose
from qhsink.twin.sky import Light
from qhsink.twin.spectra import BAND_NAMES

PLATFORM = "sentinel-2c"
SIZE = 100

RECORDED = {
    "B02": "80ada5a44404895bcc75326344a2a1d25d38fd3fa7724b2b0562c7f26b64e83d",
    "B03": "681c7fdb9027b53a54f72ac7f4e8b9f363d67b8888e7bfa90f9710199a377d0b",
    "B04": "7da6c5f5c8fbdf11ba8e40fbff99cc04cc37dcde2b64cdd6db3ab78e2152834b",
    "B11": "b3b867df1eccebc05fb601e5bb01185814a887e27d56a4998946f6e5e7a402b9",
    "B12": "31f4030710819055fa337cf7591c06d5e8e3d3b7a3180807b5264408cefb4625",
    "B8A": "f30425c7ae3d069ec68a26074ffd0ecd1b9f0f1871dd160a710ff55666f43fd9",
    "SCL": "e7ff5c47b7a01e0256ebefb389b1814d87dcb9427fb8999cce01775e64e554a2",
}
"""SHA-256 of the pixels of ``small_archive``, before there were other bands."""


def pixel_digests(archive: Path) -> dict[str, str]:
    """Digest each band's pixels over all granules and dates, in order of their path."""
    found: dict[str, hashlib._Hash] = {}
    for path in sorted((archive / "sentinel-2-c1-l2a").rglob("*.tif")):
        with rasterio.open(path) as file:
            found.setdefault(path.stem, hashlib.sha256()).update(file.read(1).tobytes())
    return {name: digest.hexdigest() for name, digest in found.items()}


@pytest.fixture(scope="module")
def ground(twin_spec):
    x, y = np.meshgrid(
        -430_000.0 + 300.0 * np.arange(SIZE), 4_100_000.0 - 300.0 * np.arange(SIZE)
    )
    x, y = x.ravel(), y.ravel()
    land = twin_spec.build_world(2025).at(x, y, np.zeros(x.size, dtype=np.uint8))
    columns, rows = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    return land, x, y, np.stack([columns.ravel(), rows.ravel()]).astype(np.int64)


def shoot(spec, ground, names=BAND_NAMES["msi"], light=None, **changes):
    sky = light or Light(210.0, 0.8, -0.6, 0.92, 1e6, 1e6, 1e6, 5)
    return expose(
        *ground,
        sky,
        spec.optics(PLATFORM),
        spec.sensor.instrument()._replace(**changes),
        spec.sensor.confusion(),
        beside=spec.msi_optics(PLATFORM, names) if names else None,
    )


def reflectance(spec, exposure):
    return exposure.dn * spec.sensor.scale + spec.sensor.offset


def test_the_six_bands_are_bit_for_bit_what_they_were(small_archive):
    # The 200 worlds of docs/coverage.md and the shipped model rest on these pixels. If
    # this fails after a change that means to alter them, both must be made again.
    assert pixel_digests(small_archive) == RECORDED


@pytest.mark.parametrize("names", [("rededge1", "rededge3"), BAND_NAMES["msi"]])
def test_bands_beside_the_six_change_neither_them_nor_one_another(
    twin_spec, ground, names
):
    sky = Light(210.0, 0.8, -0.6, 0.92, 0.1, 0.2, -200.0, 5)
    six = shoot(twin_spec, ground, (), sky)
    more = shoot(twin_spec, ground, names, sky)
    every = shoot(twin_spec, ground, light=sky)
    np.testing.assert_array_equal(more.dn[:6], six.dn)
    np.testing.assert_array_equal(more.scl, six.scl)
    rows = [6 + BAND_NAMES["msi"].index(name) for name in names]
    np.testing.assert_array_equal(more.dn[6:], every.dn[rows])


def test_errors_of_all_twelve_bands_have_the_stated_size_and_correlation(
    twin_spec, ground
):
    still = {"terrain": 0.0, "dn_step": 1.0}
    clean = reflectance(
        twin_spec,
        shoot(twin_spec, ground, multiplicative=0.0, additive=0.0, **still),
    )
    gaps = []
    for seed in range(0, 40_000, 4_001):
        light = Light(210.0, 0.8, -0.6, 0.92, 1e6, 1e6, 1e6, seed)
        noisy = shoot(twin_spec, ground, light=light, pixel_share=0.5, **still)
        gaps.append(reflectance(twin_spec, noisy) - clean)
    error = np.concatenate(gaps, axis=1)
    expected = np.sqrt(0.01**2 + (0.02 * clean) ** 2).mean(axis=1)
    assert error.std(axis=1) == pytest.approx(expected, rel=0.2)
    between = np.corrcoef(error)
    own = between[6:, 6:][np.triu_indices(6, 1)]
    assert 0.65 < own.mean() < 0.95
    assert 0.65 < between[:6, 6:].mean() < 0.95
    assert between[np.triu_indices(12, 1)].max() < 0.995


def test_plain_surfaces_lie_between_their_neighbours_in_wavelength(twin_spec):
    # From 443 to 945 nm: no spike.
    order = [0, 1, 2, 3, 5, 6, 7, 8, 4, 9]
    for name in SURFACES:
        surface = twin_spec.spectra[name]
        six, own = surface.reflectance, surface.msi
        row = np.array([own[0], *six[:4], *own[1:]])[order]
        bends = np.diff(row, 2)
        assert np.abs(bends).max() < 0.11, name


def test_green_pixels_rise_over_the_red_edge(twin_spec, ground):
    seen = reflectance(twin_spec, shoot(twin_spec, ground, terrain=0.0))
    land = ground[0]
    green = (land.fvc_peak > 0.7) & (land.canopy < 0.05)
    assert green.sum() > 200
    red, narrow = seen[2, green], seen[3, green]
    one, two, three, wide = seen[7:11, green]
    for low, high in ((red, one), (one, two), (two, three)):
        assert (high > low).mean() > 0.99
    assert np.abs(wide - narrow).mean() < 0.03


def test_an_archive_has_the_bands_it_was_asked_for_under_earth_search_s_names(
    tmp_path, lone_region, twin_spec, shared_dir
):
    folder = shared_dir / "data" / "stac_fixtures"
    real = json.loads(
        min(folder.glob("earth-search__sentinel-2-c1-l2a__*.json")).read_text("utf-8")
    )
    kept = {}
    for choice in ("six", "red-edge", "all"):
        out = tmp_path / choice
        build_archive(
            out,
            regions=[lone_region],
            seed=7,
            year=2025,
            pixel_size_m=240.0,
            spec=twin_spec,
            bands=choice,
        )
        kept[choice] = pixel_digests(out)
        path = min((out / "sentinel-2-c1-l2a").rglob("S2*.json"))
        assets = json.loads(path.read_text("utf-8"))["assets"]
        bands = {key for key, asset in assets.items() if "eo:bands" in asset}
        for key in bands:
            assert assets[key]["eo:bands"] == real["assets"][key]["eo:bands"]
            stem = Path(real["assets"][key]["href"]).stem
            assert Path(assets[key]["href"]).stem == stem
    assert set(kept["red-edge"]) - set(kept["six"]) == {"B05", "B06", "B07"}
    assert set(kept["all"]) - set(kept["red-edge"]) == {"B01", "B08", "B09"}
    assert kept["six"].items() <= kept["red-edge"].items() <= kept["all"].items()
