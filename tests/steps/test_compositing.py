"""From a stack to a composite: what the configuration asks for is what happens."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from qhsink.config import load_run_config
from qhsink.domain.errors import ModelError
from qhsink.domain.scene import Scene
from qhsink.grid import qinghai_albers
from qhsink.sources.reading import WindowStack
from qhsink.steps import compositing
from qhsink.steps.compositing import make_composite

BOX = GeoBox((4, 4), Affine(20, 0, 0, 0, -20, 4e6), qinghai_albers().to_wkt())
MEADOW = np.array([400, 700, 500, 3000, 2000, 1200], "i2")


@pytest.fixture
def config(project_folder):
    return load_run_config(project_folder / "config" / "monitor.toml")


@pytest.fixture
def one_day(monkeypatch):
    """Meadow on one day, as an archive would hand it over."""

    def ready(scl, platform="sentinel-2b"):
        scene = Scene(
            item_id="one",
            collection="",
            acquired=dt.datetime(2025, 8, 1, 4, tzinfo=dt.UTC),
            platform=platform,
            baseline="",
            cloud_share=None,
            bbox=(0.0, 0.0, 1.0, 1.0),
            mask_kind="scl",
            files=(),
            offset_rule="",
            simulated=True,
        )
        stack = WindowStack(
            np.broadcast_to(MEADOW[None, :, None, None], (1, 6, 4, 4)).copy(),
            np.full((1, 4, 4), scl, "u2"),
            (dt.date(2025, 8, 1),),
            (("one",),),
            "scl",
        )
        monkeypatch.setattr(compositing, "read_window", lambda *_: stack)
        return [scene]

    return ready


def test_without_options_pixels_are_those_that_were_read(config, one_day):
    made = make_composite(one_day(scl=4), BOX, config, kind="month")
    np.testing.assert_array_equal(made.reflectance[:, 2, 2], MEADOW)
    assert (made.n_clear == 1).all()
    assert made.corrections == ()


def test_the_second_opinion_named_is_the_one_that_is_heard(config, one_day):
    name = "cloud-c8c88045"
    scenes = one_day(scl=8)
    heard = config.model_copy(
        update={"masks": config.masks.model_copy(update={"second_opinion": name})}
    )
    assert make_composite(scenes, BOX, config, kind="month").n_clear.sum() == 0
    assert (make_composite(scenes, BOX, heard, kind="month").n_clear == 1).all()


def test_a_second_opinion_that_is_not_there_ends_the_work(config, one_day):
    masks = config.masks.model_copy(update={"second_opinion": "cloud-00000000"})
    absent = config.model_copy(update={"masks": masks})
    with pytest.raises(ModelError, match="no second opinion 'cloud-00000000'"):
        make_composite(one_day(scl=4), BOX, absent, kind="month")


def test_a_correction_asked_for_reaches_the_composite_and_is_told(config, one_day):
    asked = config.corrections.model_copy(update={"bands": "sentinel-2"})
    adjusted = config.model_copy(update={"corrections": asked})
    scenes = one_day(scl=4, platform="landsat-8")
    made = make_composite(scenes, BOX, adjusted, kind="month")
    # Blue: (0.04 + 0.004) / 0.9778 = 0.0450.
    assert made.reflectance[0, 0, 0] == 450
    assert [(c.kind, c.made, c.note) for c in made.corrections] == [
        ("bands", True, "to Sentinel-2A")
    ]
