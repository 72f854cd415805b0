"""``qhsink estimate hybrid``: tracks of footprints joined to a finished run."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyproj
import pytest
import rasterio
import shapely
from click.testing import CliRunner

from qhsink.cli import cli
from qhsink.config import load_settings
from qhsink.domain.errors import BadInput, TableError
from qhsink.grid import qinghai_albers
from qhsink.regions.database import load_database

pytestmark = pytest.mark.xdist_group("runs")

COUNTY = "632324"


def ask(run, command, *options, region=COUNTY):
    words = ["estimate", command, "--region", region, "--run", str(run), *options]
    done = CliRunner().invoke(cli, [*words, "--json", "-"], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done, json.loads(done.stdout)


@pytest.fixture(scope="module")
def footprints(run):
    """Every pixel of the county's map and around it; a track is a row of pixels."""
    parts = []
    for path in sorted(run.glob("maps/2025-peak/fvc_x*.tif")):
        with rasterio.open(path) as file:
            stored = file.read(1)
            rows, columns = np.nonzero(stored != file.nodata)
            x, y = file.xy(rows, columns)
            to_degrees = pyproj.Transformer.from_crs(
                file.crs, "EPSG:4326", always_xy=True
            )
            value = stored[rows, columns] * file.scales[0] + file.offsets[0]
        lon, lat = to_degrees.transform(np.asarray(x), np.asarray(y))
        track = [f"{top:.0f}" for top in np.asarray(y)]
        parts.append(
            pd.DataFrame({"lon": lon, "lat": lat, "track": track, "mapped": value})
        )
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def every_pixel(footprints, tmp_path_factory):
    path = tmp_path_factory.mktemp("tracks") / "all.csv"
    footprints.to_csv(path, index=False)
    return path


def test_along_every_pixel_the_mean_is_the_maps_and_the_model_part_the_ledgers(
    run, every_pixel
):
    found = ask(run, "hybrid", "--tracks", str(every_pixel), "--cluster", "track")[1]
    row = found["estimates"][0]
    whole = ask(run, "model")[1]["estimates"][0]
    # Pixels on the border count whole here and in part in the ledger.
    assert row["mean"] == pytest.approx(whole["estimate"], abs=0.002)
    assert row["map_mean"] == pytest.approx(whole["estimate"], rel=1e-12)
    for part in ("parameters", "residuals"):
        assert row["variance"][part] == pytest.approx(whole["variance"][part])
    assert row["se_mean"] ** 2 == pytest.approx(sum(row["variance"].values()))
    assert row["total"] is None
    assert found["provenance"] == "simulated"


def test_few_tracks_give_the_ratio_and_its_variance_by_hand(run, footprints, tmp_path):
    chosen = footprints[footprints["track"].isin(footprints["track"].unique()[20:80:9])]
    chosen.to_csv(tmp_path / "some.csv", index=False)
    done, found = ask(
        run, "hybrid", "--tracks", str(tmp_path / "some.csv"), "--cluster", "track"
    )
    row = found["estimates"][0]
    assert done.return_value == 0
    assert 2 <= row["clusters"] <= 7
    assert row["ci_mean"][0] < row["mean"] < row["ci_mean"][1]
    # By hand, over the footprints that the command used: those in the county.
    database = load_database(load_settings().project / "aoi" / "qinghai.gpkg")
    shape = database.geometry(COUNTY, qinghai_albers())
    to_grid = pyproj.Transformer.from_crs("EPSG:4326", qinghai_albers(), always_xy=True)
    x, y = to_grid.transform(chosen["lon"].to_numpy(), chosen["lat"].to_numpy())
    mine = chosen[shapely.contains_xy(shape, x, y)]
    by_track = mine.groupby("track")["mapped"].agg(["sum", "size"])
    mean = by_track["sum"].sum() / by_track["size"].sum()
    gap = by_track["sum"] - mean * by_track["size"]
    m = len(by_track)
    sampling = (gap**2).sum() / (by_track["size"].mean() ** 2 * m * (m - 1))
    assert row["mean"] == pytest.approx(mean, rel=1e-9)
    assert row["variance"]["sampling"] == pytest.approx(sampling, rel=1e-9)
    assert ("not calibrated: few clusters" in row["flags"]) == (m < 8)


def test_footprints_with_values_of_their_own_correct_the_map(run, footprints, tmp_path):
    """Values a constant above the map: the correction is that constant, exactly."""
    step = footprints["track"].unique()[::5]
    noise = np.random.default_rng(5).normal(0.0, 0.02, len(footprints))
    table = footprints.assign(
        agbd=footprints["mapped"] + 0.03, noisy=footprints["mapped"] + 0.03 + noise
    )
    table[table["track"].isin(step)].to_csv(tmp_path / "values.csv", index=False)
    tracks = ("--tracks", str(tmp_path / "values.csv"), "--cluster", "track")
    exact = ask(run, "hybrid", *tracks, "--value", "agbd", "--value-se", "0.01")[1]
    row = exact["estimates"][0]
    assert row["mean"] == pytest.approx(row["map_mean"] + 0.03, abs=1e-9)
    assert row["variance"]["parameters"] == pytest.approx(1e-4)
    assert row["variance"]["sampling"] < 1e-20
    row = ask(run, "hybrid", *tracks, "--value", "noisy")[1]["estimates"][0]
    assert row["mean"] == pytest.approx(row["map_mean"] + 0.03, abs=0.003)
    assert row["variance"]["parameters"] == 0.0
    assert "error of the footprints' own model left out" in row["flags"]
    assert ("not calibrated: few clusters" in row["flags"]) == (row["clusters"] < 30)
    plain = ask(run, "hybrid", *tracks)[1]["estimates"][0]
    assert row["variance"]["sampling"] < plain["variance"]["sampling"]


def test_wrong_orders_are_refused(run, footprints, tmp_path):
    one = footprints[footprints["track"] == footprints["track"].iloc[5000]]
    one.to_csv(tmp_path / "one.csv", index=False)
    tracks = ("--tracks", str(tmp_path / "one.csv"))
    done, found = ask(run, "hybrid", *tracks, "--cluster", "track")
    assert done.return_value == 3
    assert "at least 2 tracks" in found["refused"][COUNTY]
    with pytest.raises(TableError, match="has no column 'site'"):
        ask(run, "hybrid", *tracks)
    with pytest.raises(BadInput, match="made of a map"):
        ask(run, "hybrid", *tracks, "--cluster", "track", "--indicator", "cvcg")
    with pytest.raises(BadInput, match="without a value"):
        ask(run, "hybrid", *tracks, "--cluster", "track", "--value-se", "0.1")
