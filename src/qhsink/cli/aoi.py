"""Commands on regions: list, show, check, add, build.

Prints; decides nothing. The tests and the database are in ``qhsink.regions``.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qhsink.cli.groups import PurposeGroup, examples
from qhsink.cli.options import POSITIVE

if TYPE_CHECKING:
    from rich.console import Console

    from qhsink.domain.region import Region
    from qhsink.regions.database import RegionDatabase
    from qhsink.regions.user import Examination

KIND_ZH = {
    "province": "省",
    "prefecture": "市州",
    "county": "县市区",
    "national_park": "国家公园",
    "wetland": "国际重要湿地",
    "nature_park": "草原自然公园",
    "priority_area": "绿化重点区",
    "lake": "湖泊",
    "user": "用户区域",
}
"""Words for a region's kind."""

STATUS_ZH = {"official": "行政/公开边界", "indicative": "示意边界", "user": "用户提供"}
"""Words for the standing of a boundary."""

MARK = {"error": "✗", "question": "?", "note": "·"}

as_json = click.option("--json", "json_out", is_flag=True, help="Print JSON.")
vector_file = click.argument("file", type=click.Path(path_type=Path))
repair_option = click.option(
    "--repair", is_flag=True, help="Make invalid polygons valid, and say what changed."
)
area_option = click.option(
    "--stated-area-ha",
    type=POSITIVE,
    help="Area that the authority states [ha]; must agree within 1 %.",
)
datum_option = click.option(
    "--datum",
    type=click.Choice(["cgcs2000", "wgs84", "gcj02"]),
    help="Datum of the file, where its outline cannot tell.",
)


@click.group(cls=PurposeGroup)
def aoi() -> None:
    """Regions: list, show, check, add, build the vector database."""


def _folder() -> Path:
    from qhsink.config import project_dir

    return project_dir() / "aoi"


def _database() -> RegionDatabase:
    from qhsink.regions.database import load_database

    return load_database(_folder() / "qinghai.gpkg")


def _console() -> Console:
    from rich.console import Console

    console = Console()
    # A pipe has no width; a narrow default would cut the names off.
    return console if console.is_terminal else Console(width=160)


def _record(region: Region) -> dict[str, Any]:
    return {**asdict(region), "area_gap": region.area_gap}


@aoi.command("list", epilog=examples("qhsink aoi list --kind national_park"))
@click.option("--kind", type=click.Choice(list(KIND_ZH)), help="Only this kind.")
@as_json
def list_regions(kind: str | None, json_out: bool) -> None:
    """List every region with its areas."""
    regions = [r for r in _database().regions if kind in (None, r.kind)]
    if json_out:
        text = json.dumps([_record(r) for r in regions], ensure_ascii=False, indent=1)
        click.echo(text)
        return
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("id", "名称", "English", "类别", "边界"):
        table.add_column(head, overflow="fold")
    for head in ("面积 ha", "公布面积 ha", "差"):
        table.add_column(head, justify="right", no_wrap=True)
    for region in regions:
        stated, gap = region.official_area_ha, region.area_gap
        table.add_row(
            region.id,
            region.name_zh,
            region.name_en,
            KIND_ZH[region.kind],
            STATUS_ZH[region.status],
            f"{region.area_ha:,.0f}",
            "—" if stated is None else f"{stated:,.0f}",
            "—" if gap is None else f"{gap:+.1%}",
        )
    _console().print(table)


@aoi.command()
@click.argument("region_id")
@as_json
@click.option(
    "--geojson",
    is_flag=True,
    help="Print the polygon as GeoJSON (longitude, latitude).",
)
def show(region_id: str, json_out: bool, geojson: bool) -> None:
    """Show one region: names, areas, sources, leaves."""
    import pyproj
    from shapely.geometry import mapping

    from qhsink.grid import qinghai_albers
    from qhsink.regions.database import load_leaves

    database = _database()
    region = database.get(region_id)
    degrees = database.geometry(region_id, pyproj.CRS("EPSG:4490"))
    if geojson:
        feature = {
            "type": "Feature",
            "id": region.id,
            "properties": _record(region),
            "geometry": mapping(degrees),
        }
        click.echo(json.dumps(feature, ensure_ascii=False))
        return
    leaves = load_leaves(_folder() / "qinghai.gpkg", qinghai_albers())
    record = _record(region) | {
        "bounds": [round(value, 5) for value in degrees.bounds],
        "leaves": list(leaves.leaves_of(region_id)),
        "leaves_digest": leaves.restricted_to([region_id]).digest,
    }
    if json_out:
        click.echo(json.dumps(record, ensure_ascii=False, indent=1))
        return
    _print_region(region, record)


def _print_region(region: Region, record: dict[str, Any]) -> None:
    west, south, east, north = record["bounds"]
    stated = region.official_area_ha
    gap = "" if region.area_gap is None else f"（差 {region.area_gap:+.1%}）"
    rows = {
        "id": region.id,
        "名称": region.name_zh,
        "English": region.name_en,
        "类别": KIND_ZH[region.kind],
        "边界": f"{STATUS_ZH[region.status]} ({region.status})",
        "面积": _area_text(region.area_ha),
        "公布面积": "未查到" if stated is None else f"{stated:,.1f} ha{gap}",
        "范围": f"{west:.3f}–{east:.3f}°E, {south:.3f}–{north:.3f}°N (CGCS2000)",
        "叶区": f"{len(record['leaves'])} 个",
        "来源": region.source,
        "许可": region.licence,
        "说明": region.note or "—",
    }
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for head, text in rows.items():
        table.add_row(head, text)
    _console().print(table)


@aoi.command(
    epilog=examples(
        "qhsink aoi check parcel.kml",
        "qhsink aoi check parcel.zip --datum wgs84 --stated-area-ha 1250",
    )
)
@vector_file
@repair_option
@area_option
@datum_option
@as_json
@click.pass_context
def check(
    ctx: click.Context,
    file: Path,
    repair: bool,
    stated_area_ha: float | None,
    datum: str | None,
    json_out: bool,
) -> None:
    """Test whether FILE can be a region; write nothing."""
    seen = _examine(file, repair=repair, stated_area_ha=stated_area_ha, datum=datum)
    _print_findings(file, seen, json_out=json_out)
    if seen.of("error"):
        ctx.exit(2)


@aoi.command(epilog=examples("qhsink aoi add parcel.geojson --datum cgcs2000"))
@vector_file
@repair_option
@area_option
@datum_option
@as_json
@click.pass_context
def add(
    ctx: click.Context,
    file: Path,
    repair: bool,
    stated_area_ha: float | None,
    datum: str | None,
    json_out: bool,
) -> None:
    """Take FILE into the database, if it passes every test."""
    from qhsink.regions.user import add_regions

    seen = _examine(file, repair=repair, stated_area_ha=stated_area_ha, datum=datum)
    if seen.of("error") or seen.of("question"):
        _print_findings(file, seen, json_out=json_out)
        click.echo("nothing was added.", err=True)
        ctx.exit(2)
    added = add_regions(_folder(), seen)
    _print_findings(file, seen, json_out=json_out)
    if not json_out:
        for region in added:
            click.echo(f"added {region.id}: {_area_text(region.area_ha)}")


def _area_text(area_ha: float) -> str:
    """Return an area as people read it: below a tenth of a hectare in square metres."""
    if area_ha < 0.1:
        return f"{area_ha * 1e4:,.3g} m²"
    return f"{area_ha:,.1f} ha"


def _examine(
    file: Path, *, repair: bool, stated_area_ha: float | None, datum: Any
) -> Examination:
    from qhsink.config import load_run_config, project_dir
    from qhsink.regions.user import examine_file, home_crs

    usual = load_run_config(project_dir() / "config" / "monitor.toml")
    return examine_file(
        file,
        crs=home_crs(),
        reference=_database(),
        repair=repair,
        stated_area_ha=stated_area_ha,
        datum=datum,
        pixel_size_m=usual.grid.pixel_size_m,
    )


def _print_findings(file: Path, seen: Examination, *, json_out: bool) -> None:
    if json_out:
        report = {
            "file": file.name,
            "passes": not (seen.of("error") or seen.of("question")),
            "regions": [_record(shape.region) for shape in seen.shapes],
            "findings": [asdict(finding) for finding in seen.findings],
        }
        click.echo(json.dumps(report, ensure_ascii=False, indent=1))
        return
    for shape in seen.shapes:
        click.echo(f"  {shape.region.id}: {_area_text(shape.region.area_ha)}")
    for finding in seen.findings:
        click.echo(f"{MARK[finding.severity]} [{finding.code}] {finding.text}")
    errors, questions = len(seen.of("error")), len(seen.of("question"))
    click.echo(
        f"{file.name}: {len(seen.shapes)} regions, {errors} errors, "
        f"{questions} questions"
    )


@aoi.command()
def build() -> None:
    """Build aoi/qinghai.gpkg from its sources."""
    from qhsink.regions.build import build_database

    summary = build_database(_folder())
    click.echo(
        f"{summary.path.name}: {summary.regions} regions, {summary.leaves} leaves"
    )
