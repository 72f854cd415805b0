"""Whole runs from a STAC API that behaves well or badly."""

from __future__ import annotations

import shutil

import pystac
import pytest

from qhsink.config import ReadConfig, Settings
from qhsink.steps.monitor import run_monitor
from qhsink.steps.request import RunRequest
from tests.standins.stac_api import StacStandIn, serving

pytestmark = pytest.mark.xdist_group("runs")

GRASSLAND, WETLAND = "632324", "eling-zhaling"
QUICK = ReadConfig(tries=2, backoff_s=0.01, idle_s=2.0, total_s=10.0, page_kb=16)


@pytest.fixture
def service(archive):
    with serving(StacStandIn(archive)) as running:
        yield running


@pytest.fixture
def settings(tmp_path, project_folder, service):
    """A project whose source ``live`` is the stand-in."""
    project = tmp_path / "project"
    shutil.copytree(project_folder / "config", project / "config")
    for name in ("aoi", "models"):
        (project / name).symlink_to(project_folder / name)
    (project / "config" / "sources.toml").write_text(
        f'[live]\nkind = "api"\nurl = "{service.url}"\n'
        'collections = ["sentinel-2-c1-l2a"]\n'
    )
    return Settings(project=project, store=tmp_path / "store", reads=QUICK)


def asked(source, config, out, *regions):
    return RunRequest(
        month="2025-08",
        regions=regions,
        source=str(source),
        config=str(config),
        out=str(out),
    )


def estimates(published):
    return {(r.region.id, r.indicator_id): r.estimate for r in published.rows}


def scene_of_grassland_only(archive):
    items = pystac.Catalog.from_file(str(archive)).get_items(recursive=True)
    august = [item for item in items if item.datetime.month == 8]
    return max(august, key=lambda item: (item.bbox[0], item.id)).id


def test_a_scene_that_cannot_be_read_refuses_its_region_until_it_can(
    archive, service, settings, coarse_config, tmp_path
):
    """Also: the API and the catalogue on disk give the same numbers."""
    both = (GRASSLAND, WETLAND)
    scene = scene_of_grassland_only(archive)
    service.faults.add("503", match=f"/data/.*{scene}/B04")
    request = asked("live", coarse_config, tmp_path / "out", *both)
    broken = run_monitor(request, settings)
    assert set(broken.refused) == {GRASSLAND}
    reason = broken.refused[GRASSLAND]
    assert scene in reason
    assert "503" in reason
    assert service.url.removeprefix("http://") in reason
    assert "\n" not in reason
    had = {r[1:] for r in service.asset_requests if scene not in r[1]}

    service.faults.clear()
    mended = run_monitor(request, settings)
    assert not mended.refused
    assert not had & {r[1:] for r in service.asset_requests}, "read twice"

    on_disk = settings.model_copy(update={"store": tmp_path / "other"})
    request = asked(archive, coarse_config, tmp_path / "disk", *both)
    assert estimates(run_monitor(request, on_disk)) == estimates(mended)
