"""Corrections that a run asks for: made once, recorded, part of the artifact's key."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from qhsink.config import load_run_config, parse_section
from qhsink.config.corrections import CorrectionConfig, check_corrections
from qhsink.domain.errors import BadInput, ConfigError, SourceError
from qhsink.domain.scene import Scene, scene_from_json, scene_to_json
from qhsink.grid import qinghai_albers
from qhsink.imagery.composite import Composite
from qhsink.imagery.corrections import Correction
from qhsink.imagery.masking import Observations
from qhsink.imagery.relief import Sun, cos_incidence, relief_of
from qhsink.imagery.terrain import TerrainRules, correct_terrain
from qhsink.sources.reading import WindowStack
from qhsink.steps import correcting
from qhsink.steps.compositing import composite_key, corrections_token
from qhsink.steps.correcting import correct_stack
from qhsink.steps.rasters import read_composite, write_composite
from qhsink.store import Store, make_key

SIZE, PIXEL = 60, 30.0
DAY = dt.date(2025, 8, 1)


def scene(platform="sentinel-2b", **changes):
    plain = Scene(
        item_id=f"one-{platform}",
        collection="c",
        acquired=dt.datetime(2025, 8, 1, 4, 6, tzinfo=dt.UTC),
        platform=platform,
        baseline="05.11",
        cloud_share=0.0,
        bbox=(98.0, 36.0, 99.0, 37.0),
        mask_kind="scl",
        files=(),
        offset_rule="",
        simulated=True,
        sun=(40.0, 150.0),
        view=(8.0, 285.0),
    )
    return dataclasses.replace(plain, **changes)


@pytest.fixture(scope="module")
def numbers(project_folder):
    return load_run_config(project_folder / "config/monitor.toml").corrections


@pytest.fixture
def window():
    """A lattice far west of the grid's meridian, where its axes are turned."""
    affine = Affine(PIXEL, 0, -1_000_000.0, 0, -PIXEL, 4_000_000.0)
    return GeoBox((SIZE, SIZE), affine, qinghai_albers().to_wkt())


@pytest.fixture
def heights(tmp_path, window):
    """Rough ground on the window's own lattice, with one pixel around it."""
    z = 4000.0 + 60.0 * np.random.default_rng(4).random((SIZE + 2, SIZE + 2))
    path, padded = tmp_path / "dem.tif", window.pad(1)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=SIZE + 2,
        width=SIZE + 2,
        count=1,
        dtype="float32",
        crs=qinghai_albers().to_wkt(),
        transform=padded.affine,
    ) as file:
        file.write(z.astype("float32"), 1)
    return path, z


def uneven():
    """What one meadow differs from the next, the same in every band."""
    return np.random.default_rng(8).lognormal(0.0, 0.15, (SIZE, SIZE))


def lit_stack(z, *scenes):
    """One day of uneven meadow under a sun at 40 degrees."""
    turned = Sun(40.0, 150.0 - axis_azimuth())
    relief = relief_of(z, PIXEL)
    flat = np.cos(np.radians(40.0)) * relief.cos_slope
    gain = (cos_incidence(relief, turned) + 0.8) / (flat + 0.8) * uneven()
    level = np.array([400, 700, 500, 3000, 2000, 1200])
    lit = np.rint(level[:, None, None] * gain).astype(np.int16)
    ids = tuple(s.item_id for s in scenes)
    stack = WindowStack(
        lit[None], np.full((1, SIZE, SIZE), 4, "u2"), (DAY,), (ids,), "scl"
    )
    clear = np.ones((1, SIZE, SIZE), bool)
    return stack, Observations(clear, ~clear, ~clear)


def axis_azimuth():
    """The azimuth of +y on the window by the projection's convergence: an equal-area
    projection bends angles, here by a quarter of a degree."""
    proj = pyproj.Proj(qinghai_albers())
    middle = (-1_000_000.0 + SIZE * PIXEL / 2, 4_000_000.0 - SIZE * PIXEL / 2)
    factors = proj.get_factors(*proj(*middle, inverse=True))
    return factors.meridian_convergence


def test_terrain_light_goes_with_the_suns_azimuth_from_true_north(
    numbers, window, heights
):
    path, z = heights
    assert abs(axis_azimuth()) > 5.0
    one = scene()
    stack, seen = lit_stack(z, one)
    asked = numbers.model_copy(update={"terrain": "scs+c", "dem": str(path)})
    found, notes = correct_stack(stack, seen, [one], window, asked)
    kept = found.reflectance[0, 3] != -32768
    lit, level = (s.reflectance[0, 3][kept] / uneven()[kept] for s in (stack, found))
    assert lit.std() > 5 * level.std()
    rules = TerrainRules(**numbers.fit.model_dump())
    turned, straight = (
        correct_terrain(
            stack.reflectance[0], seen.clear[0], relief_of(z, PIXEL), sun, rules
        )[0][3].astype(int)
        for sun in (Sun(40.0, 150.0 - axis_azimuth()), Sun(40.0, 150.0))
    )
    assert np.abs(found.reflectance[0, 3] - turned).max() <= 10
    assert np.abs(found.reflectance[0, 3] - straight).max() > 100
    assert [(n.kind, n.day, n.made) for n in notes] == [("terrain", "2025-08-01", True)]
    assert "R²" in notes[0].note
    assert "|corr(L, cos i)| at most" in notes[0].note


def test_what_was_read_is_left_as_it_was(numbers, window, heights):
    path, z = heights
    stack, seen = lit_stack(z, scene())
    before = stack.reflectance.copy()
    asked = numbers.model_copy(
        update={"terrain": "scs+c", "dem": str(path), "view": "c-factor"}
    )
    correct_stack(stack, seen, [scene()], window, asked)
    np.testing.assert_array_equal(stack.reflectance, before)


def test_no_correction_is_made_twice(numbers, window, heights):
    path, z = heights
    stack, seen = lit_stack(z, scene())
    asked = numbers.model_copy(update={"terrain": "scs+c", "dem": str(path)})
    once, notes = correct_stack(stack, seen, [scene()], window, asked)
    with pytest.raises(BadInput, match="terrain has seen already"):
        correct_stack(once, seen, [scene()], window, asked, done=notes)


def test_a_day_without_the_suns_angle_is_left_with_the_reason(numbers, window, heights):
    path, z = heights
    blind = scene(sun=None)
    stack, seen = lit_stack(z, blind)
    asked = numbers.model_copy(
        update={"terrain": "scs+c", "dem": str(path), "view": "c-factor"}
    )
    found, notes = correct_stack(stack, seen, [blind], window, asked)
    np.testing.assert_array_equal(found.reflectance, stack.reflectance)
    assert not any(note.made for note in notes)
    assert "no item states where the sun stood" in notes[0].note
    assert "no item states sun and view angles" in notes[1].note


def test_a_view_from_the_side_of_the_sun_is_darkened(numbers, window, heights):
    one = scene(view=(10.0, 150.0))
    stack, seen = lit_stack(heights[1], one)
    asked = numbers.model_copy(update={"view": "c-factor"})
    found, (note,) = correct_stack(stack, seen, [one], window, asked)
    ratio = found.reflectance[0, 3].mean() / stack.reflectance[0, 3].mean()
    assert 0.93 < ratio < 0.99
    assert f"nir {ratio:.3f}" in note.note


def test_only_landsats_bands_are_brought_to_sentinel_2(numbers, window, heights):
    asked = numbers.model_copy(update={"bands": "sentinel-2"})
    for platform, made in (("landsat-9", True), ("sentinel-2a", False)):
        one = scene(platform)
        stack, seen = lit_stack(heights[1], one)
        stack.reflectance[0, 2] = 1000
        found, (note,) = correct_stack(stack, seen, [one], window, asked)
        assert note.made is made
        # (0.1 - 0.0009) / 0.9765 = 0.10148
        assert (found.reflectance[0, 2] == (1015 if made else 1000)).all()


def test_nothing_asked_for_is_nothing_done(numbers, window, heights):
    stack, seen = lit_stack(heights[1], scene())
    found, notes = correct_stack(stack, seen, [scene()], window, numbers)
    assert found is stack
    assert notes == ()


def test_every_option_and_every_height_has_its_own_key(project_folder, heights):
    config = load_run_config(project_folder / "config/monitor.toml")
    grid = config.grid.build()
    path, _ = heights
    asked = [
        {},
        {"terrain": "scs+c", "dem": str(path)},
        {"view": "c-factor"},
        {"bands": "sentinel-2"},
    ]
    digests = []
    for change in asked:
        corrections = config.corrections.model_copy(update=change)
        one = config.model_copy(update={"corrections": corrections})
        key = composite_key([], one, grid=grid, tile="t", kind="peak")
        digests.append(key.digest)
    assert len(set(digests)) == len(asked)
    token = corrections_token(config.corrections.model_copy(update=asked[1]))
    path.write_bytes(path.read_bytes() + b" ")
    assert token != corrections_token(config.corrections.model_copy(update=asked[1]))
    assert corrections_token(config.corrections) == {}


def test_a_stored_composite_remembers_what_was_done(tmp_path, window):
    notes = (
        Correction("terrain", "2025-08-01", made=True, note="C blue 1.00; R² 0.30"),
        Correction("view", "2025-08-01", made=False, note="left as it is: no angles"),
    )
    empty = np.zeros((SIZE, SIZE), "u1")
    stack = np.zeros((6, SIZE, SIZE), "i2")
    store = Store(tmp_path / "store")
    key = make_key("composite", code="0", params={}, inputs={})

    def write(folder):
        composite = Composite(stack, empty, empty, notes)
        write_composite(composite, folder, geobox=window, block=16)
        return {}

    assert read_composite(store.put(key, write)).corrections == notes


def test_a_scenes_angles_survive_its_json():
    for one in (scene(), scene(sun=None, view=None)):
        assert scene_from_json(scene_to_json(one)) == one


def test_terrain_without_heights_is_refused_when_the_configuration_is_read(numbers):
    with pytest.raises(ConfigError, match=r"terrain = 'scs\+c' without heights"):
        check_corrections(
            numbers.model_copy(update={"terrain": "scs+c"}), where="mine.toml"
        )
    bare = parse_section(CorrectionConfig, {"view": "c-factor"}, where="mine.toml")
    with pytest.raises(ConfigError, match="'c-factor' asked for without"):
        check_corrections(bare, where="mine.toml")
    with pytest.raises(ConfigError, match="terrain = 'cosine'"):
        parse_section(CorrectionConfig, {"terrain": "cosine"}, where="mine.toml")


def test_heights_that_are_not_there_end_the_tile_with_their_name(
    numbers, window, heights, monkeypatch, tmp_path
):
    stack, seen = lit_stack(heights[1], scene())
    asked = numbers.model_copy(update={"terrain": "scs+c", "dem": "absent.tif"})
    monkeypatch.setattr(correcting, "project_dir", lambda: tmp_path)
    with pytest.raises(SourceError, match=r"absent\.tif"):
        correct_stack(stack, seen, [scene()], window, asked)
