"""``qhsink estimate region``: plots and a finished run, joined; broken on purpose."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pyproj
import pytest
import rasterio
import shapely
from click.testing import CliRunner

from qhsink.cli import cli
from qhsink.domain.errors import BadInput, RegionError, SourceError, TableError
from qhsink.grid import qinghai_albers
from qhsink.imagery.composite import Flag
from qhsink.regions.database import load_database

pytestmark = pytest.mark.xdist_group("runs")

COUNTY, WETLAND = "632324", "eling-zhaling"


def ask(run, frame, folder, *options, regions=(COUNTY,)):
    folder.mkdir(exist_ok=True)
    frame.to_csv(folder / "plots.csv", index=False)
    where = [part for region in regions for part in ("--region", region)]
    done = CliRunner().invoke(
        cli,
        [
            "estimate", "region", *where, "--sample", str(folder / "plots.csv"),
            "--indicator", "fvc_peak", "--run", str(run),
            "--json", str(folder / "out.json"), *options,
        ],
        standalone_mode=False,
    )  # fmt: skip
    if done.exception is not None:
        raise done.exception
    return done, json.loads((folder / "out.json").read_text(encoding="utf-8"))


def of(plots, region):
    return plots[plots["stratum"] == region]


def truth_of(archive, region):
    text = (archive.parent / "truth" / "truth.json").read_text(encoding="utf-8")
    return json.loads(text)["regions"][region]["fvc_peak_mean_without_water"]


@pytest.mark.parametrize("method", ["difference", "regression"])
def test_plots_correct_the_map_towards_the_truth(run, plots, archive, tmp_path, method):
    done, found = ask(run, of(plots, COUNTY), tmp_path / "a", "--method", method)
    row = found["estimates"][0]
    truth = truth_of(archive, COUNTY)
    assert abs(row["estimate"] - truth) < abs(row["map_mean"] - truth)
    # One draw: an interval may miss; coverage is counted by `qhsink twin evaluate`.
    assert abs(row["estimate"] - truth) < 3.0 * row["se"]
    assert row["relative_efficiency"] > 1.5
    assert row["estimate"] == pytest.approx(row["map_mean"] - row["map_bias"], abs=0.02)
    lost = len(row["plots_without_map_value"]) + len(row["plots_on_water"])
    assert row["n"] + lost == 60
    assert row["status"] == "estimate"
    assert any("area of applicability" in text for text in row["lacking"])
    assert "SIMULATED" in done.stdout


def test_the_map_mean_is_the_one_the_report_prints(run, plots, tmp_path):
    found = ask(run, of(plots, COUNTY), tmp_path / "a")[1]["estimates"][0]
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    printed = {(e["region"], e["indicator"]): e for e in record["estimates"]}
    value = printed[COUNTY, "fvc_peak"]["value"]
    assert found["map_mean"] == pytest.approx(value, rel=1e-12)
    assert found["map_total"] == pytest.approx(value * found["land_ha"], rel=1e-12)


def test_a_table_and_a_geopackage_of_points_give_the_same(run, plots, tmp_path):
    import geopandas as gpd

    one = of(plots, COUNTY)
    _, by_table = ask(run, one, tmp_path / "a")
    points = gpd.GeoDataFrame(
        one.drop(columns=["lon", "lat"]),
        geometry=gpd.points_from_xy(one["lon"], one["lat"]),
        crs="EPSG:4326",
    ).to_crs(qinghai_albers())
    points.to_file(tmp_path / "plots.gpkg", engine="pyogrio")
    done = CliRunner().invoke(
        cli,
        [
            "estimate", "region", "--region", COUNTY, "--indicator", "fvc_peak",
            "--sample", str(tmp_path / "plots.gpkg"), "--run", str(run), "--json", "-",
        ],
        standalone_mode=False,
    )  # fmt: skip
    again = json.loads(done.stdout)["estimates"][0]
    assert again["se"] == pytest.approx(by_table["estimates"][0]["se"], rel=1e-9)


def test_one_estimate_per_region_asked_for_and_each_a_domain(run, plots, tmp_path):
    """Both regions in one design; alone, each gives the same by strata."""
    both = ask(run, plots, tmp_path / "a", regions=(COUNTY, WETLAND))[1]["estimates"]
    assert [row["region"] for row in both] == [COUNTY, WETLAND]
    for row in both:
        alone = ask(
            run, of(plots, row["region"]), tmp_path / "b", regions=(row["region"],)
        )[1]["estimates"][0]
        assert row["estimate"] == pytest.approx(alone["estimate"], rel=1e-12)
        assert row["se"] == pytest.approx(alone["se"], rel=1e-9)


def test_a_plot_larger_than_a_pixel_is_held_against_its_footprint(run, plots, tmp_path):
    frame = of(plots, COUNTY)
    small = ask(run, frame, tmp_path / "a", "--plot-m", "1")[1]["estimates"][0]
    pixel = ask(run, frame, tmp_path / "b")[1]["estimates"][0]
    wide = ask(run, frame, tmp_path / "c", "--plot-m", "3000")[1]["estimates"][0]
    # A plot of one metre lies in its pixel, up to two that straddle an edge.
    assert small["map_bias"] == pytest.approx(pixel["map_bias"], abs=1e-3)
    assert wide["map_bias"] != pytest.approx(pixel["map_bias"], abs=1e-4)


def test_plots_without_a_map_value_are_counted_and_named(
    run, plots, tmp_path, project_folder
):
    frame = of(plots, COUNTY)
    crs = qinghai_albers()
    shape = load_database(project_folder / "aoi" / "qinghai.gpkg").geometry(COUNTY, crs)
    x, y = clouded_places(run, shape)
    to_lonlat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    lon, lat = to_lonlat.transform(x[:3], y[:3])
    cloudy = frame.iloc[:3].assign(id=["c1", "c2", "c3"], lon=lon, lat=lat)
    before = ask(run, frame, tmp_path / "a")[1]["estimates"][0]
    done, found = ask(run, pd.concat([frame, cloudy]), tmp_path / "b")
    row = found["estimates"][0]
    assert set(row["plots_without_map_value"]) >= {"c1", "c2", "c3"}
    assert row["n"] == before["n"]
    assert row["estimate"] == pytest.approx(before["estimate"], rel=1e-12)
    lost = row["plots_without_map_value"]
    assert f"{len(lost)} without a map value" in done.stdout
    assert f"no map value at {lost[0]}" in done.stdout


def clouded_places(run, shape):
    """Return pixel centres in ``shape`` that are land without a map value."""
    for path in sorted((run / "maps" / "2025-peak").glob("fvc_*.tif")):
        with rasterio.open(path) as file:
            empty = file.read(1) == file.nodata
            quality = path.with_name(path.name.replace("fvc_", "quality_"))
            with rasterio.open(quality) as other:
                empty &= (other.read(2) & int(Flag.WATER)) == 0
            x, y = (np.asarray(part) for part in file.xy(*np.nonzero(empty)))
        inside = shapely.contains_xy(shape, x, y)
        if inside.sum() >= 3:
            return x[inside], y[inside]
    raise AssertionError


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda f: f.assign(lat=f["lat"] + 5), TableError, "60 of 60 plots outside"),
        (
            lambda f: f.assign(lon=f["lat"], lat=f["lon"]),
            TableError,
            "lon and lat are easily swapped",
        ),
        (lambda f: f.assign(reference=f["reference"] * 100), TableError, "percentages"),
        (lambda f: pd.concat([f, f.iloc[:1]]), TableError, "every plot once"),
        (lambda f: f.drop(columns="reference"), TableError, "no column 'reference'"),
    ],
    ids=["elsewhere", "swapped", "percent", "duplicate", "no value column"],
)
def test_wrong_plots_are_refused_in_one_line(run, plots, tmp_path, change, kind, words):
    with pytest.raises(kind) as caught:
        ask(run, change(of(plots, COUNTY)), tmp_path / "a")
    assert words in str(caught.value)


def test_too_few_plots_refuse_the_region_and_not_the_others(run, plots, tmp_path):
    frame = pd.concat([of(plots, COUNTY), of(plots, WETLAND).iloc[:3]])
    done, found = ask(run, frame, tmp_path / "a", regions=(COUNTY, WETLAND))
    assert done.return_value == 3
    assert [row["region"] for row in found["estimates"]] == [COUNTY]
    assert "expected at least 5 for difference" in found["refused"][WETLAND]


def test_a_region_outside_the_run_is_refused(run, plots, tmp_path):
    with pytest.raises(RegionError, match="no-such-region"):
        ask(run, plots, tmp_path / "a", regions=("no-such-region",))
    done, found = ask(run, plots, tmp_path / "b", regions=(COUNTY, WETLAND, "qilian"))
    assert done.return_value == 3
    assert "in the ledger of 2025-peak" in found["refused"]["qilian"] or (
        "plots on mapped land" in found["refused"]["qilian"]
    )


def test_an_indicator_that_is_no_map_mean_is_refused(run, plots, tmp_path):
    with pytest.raises(BadInput, match="one that is a mean of a map"):
        ask(run, plots, tmp_path / "a", "--indicator", "cvcg")


def test_a_map_changed_after_the_run_is_refused(run, plots, tmp_path):
    mine = shutil.copytree(run, tmp_path / "mine")
    victim = next((mine / "maps" / "2025-peak").glob("fvc_*.tif"))
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.unlink()
    victim.write_bytes(content)
    with pytest.raises(SourceError, match="is changed"):
        ask(mine, of(plots, COUNTY), tmp_path / "a")


def test_a_folder_that_is_no_run_is_refused(plots, tmp_path):
    with pytest.raises(SourceError, match="holds no finished run"):
        ask(tmp_path, of(plots, COUNTY), tmp_path / "a")
