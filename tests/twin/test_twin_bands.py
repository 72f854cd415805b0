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
    "B02": "997ea3aa330b59c18895d974a9e3118bb2ed040b271bb3a32e6fe1a35e3c5426",
    "B03": "6b6a91e67ca7282e4eea03421008428ccd8bc08049e7a805aac399046522769f",
    "B04": "e1e748136aba15e32a6ca6510c7e31feb3ad5c9c06d27562892c6197d3bf7bf1",
    "B11": "76883dc89fad417c9382e6695945b1fd80108ba298d092da8df97cdd03222b40",
    "B12": "19157990c52170afa6157d63ef273aae7364cbf1d188e9731b4371b7a4c3dc87",
    "B8A": "b8917cdd7382854dd8df4576dffe341bee7356eb403d8b13a71d61a05c4175ec",
    "SCL": "6c4649012a1e36223e23d340999b196cb6eeddac47a88f550f62175bb7baa238",
}
"""SHA-256 of the pixels of ``small_archive``, since each instrument has a response of
its own; the same with and without other bands."""


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


def shoot(
    spec, ground, names=BAND_NAMES["msi"], light=None, platform=PLATFORM, **changes
):
    sky = light or Light(210.0, 0.8, -0.6, 0.92, 1e6, 1e6, 1e6, 5)
    return expose(
        *ground,
        sky,
        spec.optics(platform),
        spec.sensor.instrument()._replace(**changes),
        spec.sensor.confusion(),
        beside=spec.msi_optics(platform, names) if names else None,
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


def test_sentinel_2c_sees_green_pixels_as_its_bands_lie(twin_spec, ground):
    # Without errors. Over closed green cover the red edge rises from 2B's 703.8 nm to
    # 2C's 707.1 nm; both see the plateau alike, and bare ground in every band.
    still = {"terrain": 0.0, "multiplicative": 0.0, "additive": 0.0, "dn_step": 1.0}
    b, c = (
        reflectance(twin_spec, shoot(twin_spec, ground, platform=platform, **still))
        for platform in ("sentinel-2b", "sentinel-2c")
    )
    land = ground[0]
    green = (land.fvc_peak > 0.7) & (land.canopy < 0.05)
    bare = (land.fvc_peak < 0.05) & (land.canopy == 0.0)
    assert green.sum() > 200
    assert bare.sum() > 100
    edge, wide = 6 + BAND_NAMES["msi"].index("rededge1"), 6 + 4
    gain = (c - b)[edge, green]
    assert (gain > 0.0).mean() > 0.99
    assert 0.005 < gain.mean() < 0.04
    assert np.abs((c - b)[wide, green]).mean() < 0.004
    assert np.abs((c - b)[:, bare]).max() < 0.01


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
