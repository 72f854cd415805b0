"""A region's month as a lazy dataset, and the recipe that the docs give for it."""

from __future__ import annotations

import re

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt

from qhsink.config import load_run_config, load_settings
from qhsink.domain.errors import BadInput, SourceError
from qhsink.grid import Grid, qinghai_albers
from qhsink.regions.database import load_database
from qhsink.sources.stac import pin
from qhsink.steps.compositing import make_composite
from qhsink.steps.region_cube import open_region
from qhsink.steps.request import RunRequest, set_up
from tests.runs.conftest import PIXEL

REGION = "eling-zhaling"


@pytest.fixture
def opened(archive, coarse_config, tmp_path):
    return open_region(
        REGION,
        "2025-08",
        source=str(archive),
        config=str(coarse_config),
        chunk_px=64,
        settings=load_settings(store=tmp_path / "store"),
    )


def test_a_region_and_month_are_what_a_run_composites(
    opened, archive, coarse_config, project_folder
):
    assert all(layer.chunks for layer in opened.data_vars.values()), "lazy"
    assert opened.attrs["provenance"] == "simulated"
    cube = opened.compute()
    geometry = load_database(project_folder / "aoi" / "qinghai.gpkg").geometry(
        REGION, qinghai_albers()
    )
    area = float(cube["inside"].sum()) * PIXEL**2
    assert area == pytest.approx(geometry.area, rel=1e-6)
    request = RunRequest("2025-08", (REGION,), str(archive), str(coarse_config))
    setup = set_up(request, load_settings())
    scenes = pin(
        setup.source,
        project=setup.settings.project,
        bbox=(90.0, 30.0, 105.0, 40.0),
        period=setup.month,
    )
    box = Grid(qinghai_albers(), PIXEL, tile_px=128, block_px=128).window(geometry)
    # The cube grows cloud from beyond its edge; a window made alone cannot.
    config = load_run_config(coarse_config)
    composite = make_composite(scenes, box.pad(1), config, kind="month")
    n_clear = composite.n_clear[1:-1, 1:-1]
    np.testing.assert_array_equal(cube["clear"].sum("time"), n_clear)
    made = composite.reflectance[2, 1:-1, 1:-1] / 1e4
    valued = n_clear > 0
    assert valued.mean() > 0.5
    red = cube["red"].where(cube["clear"]).to_numpy()[:, valued]
    np.testing.assert_allclose(np.nanmedian(red, axis=0), made[valued], atol=1e-4)


def test_the_recipe_in_the_docs_draws_a_map(
    archive, coarse_config, project_folder, tmp_path, monkeypatch
):
    page = (project_folder / "docs" / "pixels.md").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    named = f'source="{archive}", config="{coarse_config}"'
    assert 'source="demo"' in recipe
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")
    found = {}
    # The docs are ours.
    exec(recipe.replace('source="demo"', named), found)  # noqa: S102
    plt.close("all")
    assert (tmp_path / "ndvi.png").stat().st_size > 10_000
    month = found["month"]
    assert 0.1 < float(month.mean()) < 0.9
    assert np.isfinite(month.where(found["cube"].inside > 0.5)).mean() > 0.3


@pytest.mark.parametrize(
    ("region", "month", "error", "said"),
    [
        ("qilan", "2025-08", BadInput, "qilan"),
        (REGION, "2025-13", BadInput, "2025-13"),
        (REGION, "2025-01", SourceError, "no scene of 2025-01 over eling-zhaling"),
    ],
    ids=["unknown-region", "no-month", "empty-month"],
)
def test_what_cannot_be_opened_says_so(
    archive, coarse_config, region, month, error, said
):
    with pytest.raises(error, match=said):
        open_region(region, month, source=str(archive), config=str(coarse_config))
