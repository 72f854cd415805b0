"""`qhsink aoi` as a user meets it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner
from shapely.geometry import box, mapping

from qhsink.cli import cli
from qhsink.domain.errors import RegionError


@pytest.fixture
def home(project_folder, tmp_path, monkeypatch):
    """A project folder of one's own, so that `add` writes nowhere else."""
    shutil.copytree(project_folder / "config", tmp_path / "config")
    (tmp_path / "aoi").mkdir()
    shutil.copy(project_folder / "aoi" / "qinghai.gpkg", tmp_path / "aoi")
    monkeypatch.setenv("QHSINK_HOME", str(tmp_path))
    return tmp_path


def aoi(*words):
    return CliRunner().invoke(cli, ["aoi", *map(str, words)])


def parcel(path, west=101.40):
    geometry = mapping(box(west, 34.50, west + 0.06, 34.55))
    path.write_text(json.dumps(geometry))
    return path


def test_list_shows_every_region_with_both_areas(home):
    result = aoi("list")
    assert result.exit_code == 0
    assert "祁连山国家公园" in result.output
    assert "-12.0%" in result.output
    records = json.loads(aoi("list", "--json").output)
    assert len([r for r in records if r["kind"] == "county"]) == 45


def test_list_of_one_kind(home):
    records = json.loads(aoi("list", "--kind", "wetland", "--json").output)
    assert {r["kind"] for r in records} == {"wetland"}


def test_show_tells_source_and_standing(home):
    text = aoi("show", "qilian").output
    assert "indicative" in text
    assert "Tianditu" in text
    record = json.loads(aoi("show", "qilian", "--json").output)
    assert len(record["leaves"]) == 1
    feature = json.loads(aoi("show", "qilian", "--geojson").output)
    assert 95 < feature["geometry"]["coordinates"][0][0][0] < 103


def test_show_of_an_unknown_region_is_an_error_with_the_nearest(home):
    result = aoi("show", "quilian")
    assert isinstance(result.exception, RegionError)
    assert "Did you mean qilian" in str(result.exception)


def test_add_asks_for_the_datum_then_takes_the_region(home, tmp_path):
    path = parcel(tmp_path / "meadow.geojson")
    asked = aoi("add", path)
    assert asked.exit_code == 2
    assert "--datum" in asked.output
    assert not (home / "aoi" / "user.gpkg").exists()
    taken = aoi("add", path, "--datum", "cgcs2000")
    assert taken.exit_code == 0
    assert "added meadow" in taken.output
    assert aoi("show", "meadow").exit_code == 0
    again = aoi("add", path, "--datum", "cgcs2000")
    assert again.exit_code == 2
    assert "duplicate" in again.output


def test_check_reports_for_machines(home, tmp_path):
    path = parcel(tmp_path / "abroad.geojson", west=80.0)
    result = aoi("check", path, "--json")
    assert result.exit_code == 2
    report = json.loads(result.output)
    assert report["passes"] is False
    assert "outside" in [finding["code"] for finding in report["findings"]]


def test_a_polygon_smaller_than_a_pixel_is_refused_with_its_area(home, tmp_path):
    # A metre by a metre at 34.5 N, where a degree is 91.8 by 110.9 km.
    path = tmp_path / "dot.geojson"
    path.write_text(json.dumps(mapping(box(101.4, 34.5, 101.400011, 34.500009))))
    result = aoi("check", path, "--datum", "wgs84")
    assert result.exit_code == 2
    assert "dot: 1.01 m²" in result.output
    assert "[too-small] dot: 1.01 m2, less than one pixel of 20 m" in result.output
    assert aoi("add", path, "--datum", "wgs84").exit_code == 2


def test_a_polygon_of_some_pixels_is_told_in_square_metres(home, tmp_path):
    path = tmp_path / "plot.geojson"
    path.write_text(json.dumps(mapping(box(101.4, 34.5, 101.40027, 34.50022))))
    result = aoi("check", path, "--datum", "wgs84")
    assert result.exit_code == 0
    assert "plot: 605 m²" in result.output


def test_check_of_a_stated_area_in_the_wrong_unit_fails(home, tmp_path):
    path = parcel(tmp_path / "meadow.geojson")
    result = aoi("check", path, "--datum", "wgs84", "--stated-area-ha", "30")
    assert result.exit_code == 2
    assert "unit of the stated area" in result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "absent.geojson"], "error: no file"),
        (["check", "notes.txt"], "error: notes.txt: kind of file .txt"),
        (["show", "nowhere"], "error: region 'nowhere'"),
    ],
    ids=["an absent file", "a text file", "an unknown region"],
)
def test_bad_input_ends_with_status_two_and_one_line(home, words, message):
    (home / "notes.txt").write_text("not a map")
    run = subprocess.run(
        [sys.executable, "-c", "from qhsink.cli import main; main()", "aoi", *words],
        capture_output=True,
        text=True,
        cwd=home,
        env=dict(os.environ),
        check=False,
    )
    assert run.returncode == 2
    assert run.stderr.startswith(message)
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("named", "shown"),
    [("ascii", "utf-8"), ("latin-1", "utf-8"), ("gb18030", "gb18030")],
)
def test_chinese_is_told_whatever_the_locale(home, named, shown):
    run = subprocess.run(
        [
            sys.executable,
            *("-c", "from qhsink.cli import main; main()", "aoi", "show", "632324"),
        ],
        capture_output=True,
        cwd=home,
        env={**os.environ, "PYTHONIOENCODING": named},
        check=False,
    )
    assert run.returncode == 0, run.stderr.decode()
    assert "河南蒙古族自治县" in run.stdout.decode(shown)


def test_help_loads_no_geometry_library():
    code = (
        "import sys; from click.testing import CliRunner; from qhsink.cli import cli;"
        "CliRunner().invoke(cli, ['aoi', '--help']);"
        "sys.exit('geopandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
