"""Items and metadata files of the simulated Sentinel-2 against real ones of c1."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from qhsink.grid import qinghai_albers
from qhsink.sources.angles import read_angles
from qhsink.sources.assets import pick_assets
from qhsink.sources.facts import read_facts
from qhsink.sources.folders import _safe_item
from qhsink.twin.archive import build_archive
from qhsink.twin.granules import Granule
from qhsink.twin.sentinel2_names import LAUNCHES, Product
from qhsink.twin.sky import Light

LACKING = {
    # Assets of a real item that a simulated one has not, and why.
    "visual": "a picture of three bands that are there; nothing in qhsink reads it",
    "preview": "the thumbnail again, as a raster of 320 m",
    "aot": "aerosol is one constant, `spectra.AEROSOL`: there is no map of it",
    "wvp": "the twin's atmosphere has no water vapour",
    "cloud": "clouds have an opacity; Sen2Cor's probability of one is not simulated",
    "snow": "nor that of snow",
    # Properties.
    "earthsearch:payload_id": "a run of Element 84's own machinery",
    "storage:platform": "the files lie in no cloud",
    "storage:region": "the files lie in no cloud",
    "storage:requester_pays": "the files lie in no cloud",
}
"""The only keys of a real item that a simulated one may lack."""

BEYOND = {
    "provenance": "every simulated thing says that it is",
    "qhsink:seed": "and of which world",
}
"""The only keys that it may have beyond."""


@pytest.fixture(scope="module")
def real_items(shared_dir):
    folder = shared_dir / "data" / "stac_fixtures"
    paths = sorted(folder.glob("earth-search__sentinel-2-c1-l2a__*.json"))
    assert len(paths) >= 3
    return [json.loads(path.read_text("utf-8")) for path in paths]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, lone_region, twin_spec):
    """An item's folder, of an archive at the real levels with all bands."""
    name, shape = lone_region
    out = tmp_path_factory.mktemp("metadata") / "archive"
    build_archive(
        out,
        regions=[(name, shape.centroid.buffer(500.0))],
        seed=7,
        year=2025,
        pixel_size_m=20.0,
        spec=twin_spec.model_copy(update={"passes": twin_spec.passes[3:4]}),
        bands="all",
    )
    return min((out / "sentinel-2-c1-l2a").rglob("S2*.json")).parent


@pytest.fixture(scope="module")
def ours(folder):
    return json.loads(next(folder.glob("S2*.json")).read_text("utf-8"))


def kind(value):
    """Type of a JSON value; whole and broken numbers are one."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, list):
        return ["list", *sorted({str(kind(entry)) for entry in value})]
    if isinstance(value, dict):
        return {key: kind(entry) for key, entry in value.items()}
    return type(value).__name__


def test_an_item_has_the_keys_and_types_of_a_real_one(ours, real_items):
    for real in real_items:
        assert set(real) - set(ours) <= {"links"}
        assert set(ours) <= set(real)
        assert set(real["assets"]) - set(ours["assets"]) == set(LACKING) & set(
            real["assets"]
        )
        assert set(ours["assets"]) <= set(real["assets"])
        missing = set(real["properties"]) - set(ours["properties"])
        assert missing == set(LACKING) & set(real["properties"])
        assert set(ours["properties"]) - set(real["properties"]) == set(BEYOND)
        for name, value in real["properties"].items():
            if name in missing or name == "processing:software":
                continue
            assert kind(ours["properties"][name]) == kind(value), name
        for key, asset in ours["assets"].items():
            assert kind(asset) == kind(real["assets"][key]), key
            for name in ("type", "roles", "title", "gsd"):
                assert asset.get(name) == real["assets"][key].get(name), (key, name)
            assert Path(asset["href"]).name == Path(real["assets"][key]["href"]).name
        # Storage is the one extension whose fields would not be true here.
        assert {e for e in real["stac_extensions"] if "/storage/" not in e} == set(
            ours["stac_extensions"]
        )


def test_every_lacking_key_is_argued_and_is_lacking_for_real(real_items):
    real = real_items[0]
    assert set(LACKING) <= set(real["assets"]) | set(real["properties"])
    assert all(len(why) > 12 for why in (LACKING | BEYOND).values())


def test_the_source_reads_an_item_as_it_reads_a_real_one(ours, real_items):
    facts, true = read_facts(ours), read_facts(real_items[0])
    assert (facts.family, facts.baseline) == (true.family, true.baseline)
    assert set(pick_assets(ours, "sentinel-2")) == set(
        pick_assets(real_items[0], "sentinel-2")
    )
    angles = read_angles(ours["properties"])
    assert angles.sun is not None
    assert angles.view is not None
    assert 10 < angles.sun[0] < 60
    assert 0 <= angles.view[0] < 12
    assert angles.view[1] in (103.0, 283.0)


def test_granule_metadata_states_lattice_and_angles(folder, ours):
    root = ET.parse(folder / "metadata.xml").getroot()  # noqa: S314 - our own
    assert root.tag.endswith("}Level-2A_Tile_ID")

    def number(path):
        return float(root.findtext(path))

    assert (
        root.findtext(".//HORIZONTAL_CS_CODE")
        == f"EPSG:{ours['properties']['proj:epsg']}"
    )
    assert root.findtext(".//TILE_ID") == ours["properties"]["s2:tile_id"]
    for key, level in (("red", 10), ("scl", 20), ("coastal", 60)):
        transform = ours["assets"][key]["proj:transform"]
        corner = root.find(f".//Geoposition[@resolution='{level}']")
        stated = [float(corner.findtext(tag)) for tag in ("XDIM", "ULX", "YDIM", "ULY")]
        assert stated == [transform[k] for k in (0, 2, 4, 5)]
        size = root.find(f".//Size[@resolution='{level}']")
        rows, columns = ours["assets"][key]["proj:shape"]
        assert (size.findtext("NROWS"), size.findtext("NCOLS")) == (
            str(rows),
            str(columns),
        )
    grids = {}
    for name in ("Zenith", "Azimuth"):
        rows = root.findall(f".//Sun_Angles_Grid/{name}/Values_List/VALUES")
        grids[name] = np.array([[float(v) for v in row.text.split()] for row in rows])
        assert grids[name].shape == (23, 23)
    mean = number(".//Mean_Sun_Angle/ZENITH_ANGLE")
    # The mean is that of the square's middle; the granule reaches 9.8 km beyond.
    assert mean == pytest.approx(grids["Zenith"].mean(), abs=0.1)
    assert mean == pytest.approx(
        90 - ours["properties"]["view:sun_elevation"], abs=1e-5
    )
    # Farther north the sun stands lower: by a degree in 110 km at noon, less before.
    assert 0.4 < grids["Zenith"][0, 11] - grids["Zenith"][-1, 11] < 1.1
    views = root.findall(".//Mean_Viewing_Incidence_Angle")
    assert [view.get("bandId") for view in views] == [str(k) for k in range(13)]
    for view in views:
        assert float(view.findtext("ZENITH_ANGLE")) == pytest.approx(
            ours["properties"]["view:incidence_angle"], abs=1e-5
        )


def test_product_metadata_is_read_as_that_of_a_downloaded_product(
    folder, tmp_path, ours
):
    # The reader of SAFE folders is the second opinion; it also wants the band files.
    product = tmp_path / ours["properties"]["s2:product_uri"]
    for level, bands in (("10", "B02 B03 B04"), ("20", "B8A B11 B12 SCL")):
        images = product / "GRANULE" / "one" / "IMG_DATA" / f"R{level}m"
        images.mkdir(parents=True)
        for band in bands.split():
            (images / f"T_{band}_{level}m.jp2").touch()
    path = product / "MTD_MSIL2A.xml"
    path.write_bytes((folder / "product_metadata.xml").read_bytes())
    found = _safe_item(path)
    for name in (
        "platform", "s2:product_type", "s2:product_uri", "s2:processing_baseline",
        "grid:code",
    ):  # fmt: skip
        assert found["properties"][name] == ours["properties"][name]
    cloud = ours["properties"]["eo:cloud_cover"]
    assert found["properties"]["eo:cloud_cover"] == pytest.approx(cloud, abs=1e-5)
    stated = found["assets"]["B04_10m"]["raster:bands"][0]
    assert stated["offset"] == pytest.approx(-0.1)
    assert stated["scale"] == pytest.approx(0.0001)
    assert found["bbox"] == pytest.approx(ours["bbox"], abs=1e-5)


def test_the_tile_document_and_the_thumbnail_are_those_of_the_item(folder, ours):
    tile = json.loads((folder / "tileInfo.json").read_text("utf-8"))
    assert (
        f"{tile['utmZone']}{tile['latitudeBand']}{tile['gridSquare']}"
        in (ours["properties"]["grid:code"])
    )
    assert tile["provenance"] == "simulated"
    with (
        pytest.warns(NotGeoreferencedWarning),
        rasterio.open(folder / "L2A_PVI.jpg") as file,
    ):
        picture = file.read()
    assert picture.shape == (3, 343, 343)
    assert picture.max() > 10
    assert (picture.max(axis=0) < 10).mean() > 0.99


@pytest.mark.parametrize(
    ("platform", "day", "absolute", "relative"),
    [
        ("sentinel-2b", datetime(2025, 7, 31, tzinfo=UTC), 43_879, 95),
        ("sentinel-2c", datetime(2025, 3, 30, tzinfo=UTC), 2_952, 122),
    ],
    ids=["2B as a real item of July 2025", "2C as a real item of March 2025"],
)
def test_absolute_orbits_are_those_of_real_items(
    monkeypatch, platform, day, absolute, relative
):
    monkeypatch.setattr("qhsink.twin.sentinel2_names.ORBIT", relative)
    one = product(platform=platform, start=day)
    assert one.absolute_orbit == absolute
    assert set(LAUNCHES) == {"sentinel-2a", "sentinel-2b", "sentinel-2c"}


def product(**changes) -> Product:
    light = Light(210.0, 0.8, -0.6, 0.92, 1e6, 1e6, 1e6, 5)
    made = Product(
        Granule(47, 600_000, 4_100_000, 60.0),
        "sentinel-2b",
        datetime(2025, 7, 31, 4, 6, tzinfo=UTC),
        "05.11",
        light,
        qinghai_albers(),
    )
    return replace(made, **changes)


def test_reflectance_conversion_follows_the_distance_to_the_sun(real_items):
    for real in real_items:
        day = datetime.fromisoformat(real["properties"]["datetime"])
        found = product(start=day).reflectance_conversion
        stated = real["properties"]["s2:reflectance_conversion_factor"]
        assert found == pytest.approx(stated, rel=2e-3)


def test_the_sensor_stands_across_the_track(twin_spec):
    # Middle of a swath: nadir; the edge: the configured angle.
    crs = qinghai_albers()
    to_grid = pyproj.Transformer.from_crs(4326, crs, always_xy=True)
    made = product(light=product().light._replace(swath=290_000.0, view_edge=11.0))
    x, _ = to_grid.transform(*made.granule.centre)
    across = x / 290_000.0 - math.floor(x / 290_000.0) - 0.5
    zenith, azimuth = made.view
    assert zenith == pytest.approx(22.0 * abs(across), abs=1e-6)
    assert azimuth == (283.0 if across > 0 else 103.0)
