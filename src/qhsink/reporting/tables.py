"""Rows of a run as machine records and GeoParquet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyproj
from shapely.geometry.base import BaseGeometry

from qhsink.domain.estimate import Estimate, Verdict
from qhsink.reporting.record import ReportRow

_NUMBERS = (
    "value",
    "se",
    "df",
    "low",
    "high",
    "half_width",
    "confidence",
    "area_ha",
    "valid_share",
    "outside_share",
    "stock_outside_share",
    "target_value",
    "target_year",
    "p_met",
    "polygon_area_ha",
    "official_area_ha",
    "area_gap",
    "n",
)


def estimates_table(rows: Sequence[ReportRow]) -> list[dict[str, Any]]:
    """Return one JSON-able record per row, refused rows included.

    Every record has the same keys; what does not apply is None. ``df`` is None for
    a normal interval, for JSON knows no infinity. Proportions stay 0..1.
    """
    return [_record(row) for row in rows]


def write_estimates(
    rows: Sequence[ReportRow],
    geometries: Mapping[str, BaseGeometry],
    crs: pyproj.CRS | str,
    path: Path,
) -> Path:
    """Write the records of ``rows`` with their regions' outlines as GeoParquet.

    Parameters
    ----------
    rows : sequence of ReportRow
        Refused rows are written too, with their reason.
    geometries : mapping
        Outline by region id; a region without one gets a null geometry.
    crs : pyproj.CRS or str
        CRS of the outlines.
    path : Path
        File to write.
    """
    table = pd.DataFrame(estimates_table(rows), columns=list(_COLUMNS))
    for name in _NUMBERS:
        table[name] = table[name].astype("float64")
    for name in ("simulated", "target_binding"):
        table[name] = table[name].astype("boolean")
    kinds = {*_NUMBERS, "simulated", "target_binding"}
    for name in (c for c in _COLUMNS if c not in kinds):
        table[name] = table[name].astype("string")
    outlines = [geometries.get(row.region.id) for row in rows]
    frame = gpd.GeoDataFrame(table, geometry=gpd.GeoSeries(outlines, crs=crs), crs=crs)
    frame.to_parquet(path)
    return path


def _record(row: ReportRow) -> dict[str, Any]:
    region = row.region
    record = {
        "indicator": row.indicator_id,
        "indicator_zh": row.indicator_zh,
        "indicator_en": row.indicator_en,
        "region": region.id,
        "region_zh": region.name_zh,
        "region_en": region.name_en,
        "region_kind": region.kind,
        "region_status": region.status,
        "polygon_area_ha": region.area_ha,
        "official_area_ha": region.official_area_ha,
        "area_gap": region.area_gap,
        **_estimate_fields(row.estimate),
        **_verdict_fields(row.verdict),
        "refusal": row.refusal,
    }
    return {name: record[name] for name in _COLUMNS}


def _estimate_fields(estimate: Estimate | None) -> dict[str, Any]:
    if estimate is None:
        return dict.fromkeys(_ESTIMATE_FIELDS)
    plain = {
        name: getattr(estimate, name)
        for name in _ESTIMATE_FIELDS
        if name not in ("df", "flags", "simulated")
    }
    return plain | {
        "df": estimate.df if math.isfinite(estimate.df) else None,
        "flags": "; ".join(estimate.flags),
        "simulated": estimate.provenance == "simulated",
    }


def _verdict_fields(verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return dict.fromkeys(_VERDICT_FIELDS)
    target = verdict.target
    return {
        "target": target.id,
        "target_value": target.value,
        "target_year": target.year,
        "target_binding": target.kind == "policy",
        "target_status": target.status,
        "verdict": verdict.outcome,
        "p_met": verdict.p_met,
        "verdict_reason": verdict.reason,
    }


_ESTIMATE_FIELDS = (
    "period",
    "value",
    "se",
    "df",
    "low",
    "high",
    "half_width",
    "confidence",
    "unit",
    "mode",
    "n",
    "area_ha",
    "valid_share",
    "outside_share",
    "stock_outside_share",
    "provenance",
    "simulated",
    "status",
    "flags",
)
_VERDICT_FIELDS = (
    "target",
    "target_value",
    "target_year",
    "target_binding",
    "target_status",
    "verdict",
    "p_met",
    "verdict_reason",
)
_COLUMNS = (
    "indicator",
    "indicator_zh",
    "indicator_en",
    "region",
    "region_zh",
    "region_en",
    "region_kind",
    "region_status",
    "polygon_area_ha",
    "official_area_ha",
    "area_gap",
    *_ESTIMATE_FIELDS,
    *_VERDICT_FIELDS,
    "refusal",
)
