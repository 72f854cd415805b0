"""What ``sample design`` hands out: GeoPackage, CSV, KML and interpretation sheets.

Knows how a field phone and an interpreter read a design; not how it was drawn.
"""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

SHEET_COLUMNS = (
    ("id", "编号", "unit"),
    ("lon", "经度 (°)", "longitude"),
    ("lat", "纬度 (°)", "latitude"),
    ("reference", "判读类别", "reference class or value"),
    ("confidence", "把握 (高/中/低)", "confidence (high/medium/low)"),
    ("image_date", "影像或调查日期", "date of image or visit"),
    ("interpreter", "判读人", "interpreter"),
    ("remarks", "备注", "remarks"),
)
"""Column, Chinese and English heading of the interpretation sheet. No stratum and no
map class: the interpreter must not know them."""

_STYLE = (
    "body{font:14px/1.5 'Noto Sans SC','Microsoft YaHei',sans-serif;margin:24px}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{border:1px solid #999;padding:4px 6px;text-align:left;vertical-align:top}"
    "th small{display:block;font-weight:400;color:#555}"
    "td.fill{min-width:7em;height:2em}tr{page-break-inside:avoid}"
    "thead{display:table-header-group}"
)


def write_design(folder: Path, units: gpd.GeoDataFrame, record: dict[str, Any]) -> None:
    """Write every output of a design into ``folder``.

    Parameters
    ----------
    units : GeoDataFrame
        Columns ``id, stratum, inclusion_prob, weight, lon, lat, x, y``; points in
        the equal-area CRS.
    record : dict
        How the design was made; written as ``design.json``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    package = folder / "design.gpkg"
    package.unlink(missing_ok=True)
    units.to_file(package, layer="sample", driver="GPKG", engine="pyogrio")
    table = pd.DataFrame(units.drop(columns="geometry"))
    table.to_csv(folder / "design.csv", index=False)
    (folder / "design.kml").write_text(_kml(table), encoding="utf-8")
    (folder / "sheet.html").write_text(_sheet(table, record), encoding="utf-8")
    _sheet_table(table).to_csv(folder / "sheet.csv", index=False, encoding="utf-8-sig")
    write_record(folder, record)


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write how the design was made as ``design.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "design.json").write_text(
        json.dumps(record, ensure_ascii=False, indent=1, allow_nan=False) + "\n",
        encoding="utf-8",
    )


def _kml(table: pd.DataFrame) -> str:
    """Return placemarks in WGS84, which KML 2.2 prescribes."""
    marks = "".join(
        f"<Placemark><name>{html.escape(str(row.id))}</name>"
        f"<Point><coordinates>{row.lon:.7f},{row.lat:.7f},0</coordinates></Point>"
        "</Placemark>\n"
        for row in table.itertuples()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>\n'
        f"<name>qhsink sample</name>\n{marks}</Document></kml>\n"
    )


def _sheet_table(table: pd.DataFrame) -> pd.DataFrame:
    blank = [name for name, _, _ in SHEET_COLUMNS if name not in ("id", "lon", "lat")]
    return table[["id", "lon", "lat"]].assign(**dict.fromkeys(blank, ""))


def _sheet(table: pd.DataFrame, record: dict[str, Any]) -> str:
    heads = "".join(f"<th>{zh}<small>{en}</small></th>" for _, zh, en in SHEET_COLUMNS)
    fill = '<td class="fill"></td>' * (len(SHEET_COLUMNS) - 3)
    rows = "".join(
        f"<tr><td>{html.escape(str(row.id))}</td><td>{row.lon:.6f}</td>"
        f"<td>{row.lat:.6f}</td>{fill}</tr>\n"
        for row in table.itertuples()
    )
    side = f"{record['unit_area_ha'] * 1e4:.0f} m²"
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        f"<title>样地判读表</title><style>{_STYLE}</style></head><body>"
        "<h1>样地判读表 <small>Interpretation sheet</small></h1>"
        f"<p>共 {len(table)} 个样本单元，每个单元面积 {side}，来源："
        f"{html.escape(record['source'])}，随机种子 {record['seed']}。"
        f"{len(table)} sample units of {side} each.</p>"
        "<p>坐标为 WGS84（与 CGCS2000 相差不到 1 米）。国内地图软件显示的多为 GCJ-02 "
        "坐标，会偏移数百米，请勿直接抄录；请按本表坐标判读，不得挪动点位，"
        "也不得查看专题图类别。"
        "Coordinates are WGS84. Chinese map apps show GCJ-02, off by hundreds of "
        "metres: do not copy theirs, do not move a unit, do not look at the map "
        "class.</p>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>\n{rows}</tbody></table>"
        "</body></html>\n"
    )
