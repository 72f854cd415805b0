"""Maps and rows of further targets on tiles that show nothing to map."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pandas as pd
import pytest
import shapely

from qhsink.config import load_run_config, load_settings
from qhsink.estimation.ledger import sum_region
from qhsink.grid import Grid, qinghai_albers
from qhsink.imagery.composite import Composite, Flag
from qhsink.mapping.features import required_bands
from qhsink.mapping.layers import Group
from qhsink.steps.target_maps import TargetWork, TileSeen, target_keys
from qhsink.steps.target_models import load_target_models
from qhsink.steps.target_rasters import read_ecosystem
from qhsink.steps.tile_jobs import TileJob
from qhsink.steps.tile_layers import Cube, SeenKeys
from qhsink.store import Store, make_key

EDGE = 128
NODATA = -32768


@pytest.fixture
def config(project_folder):
    return load_run_config(project_folder / "config" / "demo-targets.toml")


@pytest.fixture
def models(config, project_folder):
    found = load_target_models(config, project_folder)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "flag", [Flag.WATER, Flag.TOO_FEW], ids=["all of a lake", "never seen clear"]
)
def test_a_tile_without_a_pixel_to_class_gives_empty_maps_and_rows_that_say_so(
    config, models, tmp_path, flag
):
    grid = Grid(qinghai_albers(), 480.0, tile_px=EDGE, block_px=EDGE)
    tile = grid.tile(-40, 30)
    job = TileJob(-40, 30, "peak", (), (("leaf", shapely.to_wkb(tile.bounds)),))
    composite = Composite(
        np.full((6, EDGE, EDGE), NODATA, np.int16),
        np.zeros((EDGE, EDGE), np.uint8),
        np.full((EDGE, EDGE), int(flag), np.uint8),
    )

    def nothing(features):
        names = tuple(required_bands(features))
        return Cube(names, np.full((len(names), EDGE, EDGE), NODATA, np.int16))

    key = make_key("anything", code="1", params={}, inputs={})
    seen = SeenKeys(key, dict.fromkeys(get_args(Group), key))
    keys = target_keys(job, seen, models, tile=tile.name, unseen=config.unseen)
    settings = load_settings(store=tmp_path)
    TargetWork(
        job, grid, models, TileSeen(lambda: composite, nothing, lambda: None),
        keys=keys, settings=settings,
    ).run()  # fmt: skip
    store = Store(tmp_path)
    for name in models.models:
        found = store.find(keys[f"maps/{name}"])
        assert found.meta["valid_pixels"] == 0
        ledger = store.find(keys[f"ledger/{name}"])
        rows = pd.read_parquet(ledger.path("rows.parquet"))
        sums = sum_region(rows[rows["target"] == name], ["leaf"])
        assert sums.land_ha == sums.other_ha == 0.0
        unseen = sums.water_ha if flag == Flag.WATER else sums.unobserved_ha
        assert unseen == pytest.approx((EDGE * 480.0) ** 2 / 1e4)
    assert not read_ecosystem(store.find(keys["ecosystem"])).any()
