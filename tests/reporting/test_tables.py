"""Machine records and GeoParquet say the same."""

from __future__ import annotations

import dataclasses
import json
import math

import geopandas as gpd
import pytest
from shapely.geometry import box

from qhsink.grid import qinghai_albers
from qhsink.reporting.tables import estimates_table, write_estimates


def test_records_are_json_that_any_reader_takes(observed_report):
    records = estimates_table(observed_report.rows)
    again = json.loads(json.dumps(records, allow_nan=False))
    assert again == records
    assert len({tuple(record) for record in records}) == 1


def test_a_record_holds_the_estimate_and_the_verdict(observed_report):
    record = estimates_table(observed_report.rows)[0]
    assert record["value"] == 0.5632
    assert record["half_width"] == pytest.approx(1.6448536 * 0.0109)
    assert record["verdict"] == "not met"
    assert record["target_binding"] is False
    assert record["df"] is None
    assert record["flags"] == "not calibrated"
    assert record["area_gap"] == pytest.approx(1_621_345.6 / 1_583_900.0 - 1)


def test_a_record_holds_the_share_outside(observed_report):
    row = observed_report.rows[0]
    row = dataclasses.replace(
        row, estimate=dataclasses.replace(row.estimate, outside_share=0.25)
    )
    assert estimates_table([row])[0]["outside_share"] == 0.25
    assert estimates_table(observed_report.rows)[0]["outside_share"] is None


def test_a_refused_record_has_a_reason_and_no_number(observed_report):
    record = estimates_table(observed_report.rows)[4]
    assert record["refusal"].startswith("41.0% of")
    assert record["value"] is None
    assert record["verdict"] is None


def test_geoparquet_reads_back_as_written(observed_report, tmp_path):
    crs = qinghai_albers()
    outlines = {"qilian": box(0, 0, 10, 10), "632524": box(10, 0, 20, 10)}
    path = tmp_path / "estimates.parquet"
    write_estimates(observed_report.rows, outlines, crs, path)
    frame = gpd.read_parquet(path)
    assert frame.crs == crs
    assert len(frame) == len(observed_report.rows)
    assert frame["value"][0] == 0.5632
    assert math.isnan(frame["value"][4])
    assert frame["refusal"][4].startswith("41.0% of")
    assert frame.geometry[0].equals(outlines["qilian"])
    assert frame.geometry[2] is None


def test_a_table_of_refusals_alone_keeps_its_columns(observed_report, tmp_path):
    rows = [row for row in observed_report.rows if row.refusal]
    some = write_estimates(rows, {}, qinghai_albers(), tmp_path / "a.parquet")
    every = write_estimates(
        observed_report.rows, {}, qinghai_albers(), tmp_path / "b.parquet"
    )
    assert (gpd.read_parquet(some).dtypes == gpd.read_parquet(every).dtypes).all()
