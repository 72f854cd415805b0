"""Commands on sources: check one, search it, index a folder. Prints; decides nothing.

No message here shows a signed address or a token.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qhsink.cli.groups import PurposeGroup, examples

if TYPE_CHECKING:
    from qhsink.domain.scene import Scene
    from qhsink.sources.remote import Archive

QINGHAI_LAKE = (99.5, 36.5, 100.8, 37.3)
"""Where an API is tried [deg west, south, east, north]: a month of the whole province
would be a thousand items."""

PROVINCE = (89.4, 31.6, 103.1, 39.3)
"""Where a catalogue on disk is tried."""

store_option = click.option("--store", type=click.Path(path_type=Path), help="Store.")
as_json = click.option("--json", "json_out", is_flag=True, help="Print JSON.")


@click.group(cls=PurposeGroup)
def sources() -> None:
    """Look at sources of scenes: list, check, search, index a folder."""


@sources.command("list")
def list_sources() -> None:
    """List the sources of config/sources.toml."""
    from qhsink.config import load_sources, project_dir

    for name, source in load_sources(project_dir()).items():
        click.echo(f"{name:<26}{source.kind:<13}{source.url}")
        click.echo(f"{'':<26}{source.note}")


@sources.command()
@click.argument("name", required=False)
@click.option("--month", default="2025-08", show_default=True, help="Month to try.")
@click.option(
    "--bbox",
    nargs=4,
    type=float,
    help="Where to look [deg W S E N]; around Qinghai Lake, on disk the province.",
)
@store_option
def check(
    name: str | None,
    month: str,
    bbox: tuple[float, float, float, float] | None,
    store: Path | None,
) -> None:
    """Tell whether a source answers: one item over Qinghai, one windowed read.

    Without a name: which provider holds what, and on what that rests.
    """
    from qhsink.config import load_settings
    from qhsink.domain.errors import SourceError
    from qhsink.domain.period import parse_month
    from qhsink.sources.remote import open_archive
    from qhsink.sources.stac import find_items, pin_item
    from qhsink.steps.request import find_source

    settings = load_settings(store=store)
    if name is None:
        _show_offers(settings.project)
        return
    source = find_source(name, settings)
    key = (source.token_url and "signed when read") or source.bearer_env or "none"
    _say("source", f"{name} ({source.kind})")
    _say("address", source.url)
    _say("collections", ", ".join(source.collections) or "all")
    _say("key", key)
    period = parse_month(month)
    place = bbox or (PROVINCE if source.kind == "static" else QINGHAI_LAKE)
    began = time.perf_counter()
    found = find_items(source, project=settings.project, bbox=place, period=period)
    took = time.perf_counter() - began
    _say("search", f"{len(found)} items in {period.label}, {took:.2f} s")
    if not found:
        raise SourceError(
            f"source {name} has no item in {period.label} at {place}",
            expected="one item to try",
            remedy="Try another --month or --bbox.",
        )
    doc, folder = found[0]
    scene = pin_item(doc, folder)
    cloud = "not stated" if scene.cloud_share is None else f"{scene.cloud_share:.0%}"
    _say("item", f"{scene.item_id}, cloud {cloud}")
    _say("rule", scene.offset_rule)
    for label, text in _read_lines(scene, open_archive(settings)):
        _say(label, text)


LABELS = {
    "source": "数据源",
    "address": "地址",
    "collections": "产品集",
    "key": "密钥",
    "search": "检索",
    "item": "影像",
    "rule": "定标",
    "read": "读取",
    "pixels": "像元",
    "result": "结论",
}
"""Labels of ``check`` in Chinese: who runs it in Xining reads both."""


def _say(label: str, text: str) -> None:
    """Print one line of ``check``; a Chinese character is two columns wide."""
    both = f"{label} {LABELS[label]}"
    click.echo(f"{both:<{20 - len(LABELS[label])}}{text}")


def _show_offers(project: Path) -> None:
    from qhsink.config import load_sources
    from qhsink.sources.offers import offer_lines, providers

    for name, source in providers(load_sources(project)).items():
        click.echo(f"{name}  {source.url}")
        for line in offer_lines(source):
            click.echo(f"  {line}")
    click.echo(
        "yes 有: asset names hold on a real item; unverified 未核实: they are from "
        "documentation alone"
    )


def _read_lines(scene: Scene, archive: Archive) -> list[tuple[str, str]]:
    """Return what a read of one window of the red band showed."""
    from rasterio.windows import Window

    from qhsink.sources.rasters import bounded_gdal, unread
    from qhsink.sources.transfer import TransferFault, host_of, is_remote

    file = scene.file("red")
    began = time.perf_counter()
    try:
        with bounded_gdal(), archive.raster(file) as raster:
            edge = min(512, raster.width, raster.height)
            corner = (raster.width - edge) // 2, (raster.height - edge) // 2
            numbers = raster.read(1, window=Window(*corner, edge, edge))
    except TransferFault as fault:
        raise unread(scene.item_id, file, str(fault)) from fault
    took = time.perf_counter() - began
    seen = numbers[numbers != file.nodata]
    where = host_of(file.href) if is_remote(file.href) else "this disk"
    level = f"median reflectance {_median(seen, file.scale, file.offset)}"
    return [
        ("read", f"{edge} x {edge} pixels of red from {where}, {took:.2f} s"),
        ("pixels", f"{seen.size / numbers.size:.0%} with data, {level}"),
        ("result", "this source can be used 数据源可用"),
    ]


def _median(numbers: Any, scale: float, offset: float) -> str:
    import numpy as np

    if not numbers.size:
        return "unknown: no data in the middle of the scene"
    return f"{float(np.median(numbers)) * scale + offset:.3f}"


@sources.command(
    epilog=examples(
        "qhsink sources search --region 632324 --month 2025-08 --source earth-search"
    )
)
@click.option("--region", "regions", multiple=True, required=True, help="Region id.")
@click.option("--month", required=True, help="Calendar month, YYYY-MM.")
@click.option(
    "--source",
    "name",
    default="demo",
    show_default=True,
    help="A source of config/sources.toml, or a catalogue.",
)
@as_json
def search(regions: tuple[str, ...], month: str, name: str, json_out: bool) -> None:
    """List scenes with cloud share and coverage, and the calendar of usable days."""
    from qhsink.config import load_settings
    from qhsink.domain.period import parse_month
    from qhsink.grid import qinghai_albers
    from qhsink.regions.database import load_database
    from qhsink.sources.listing import calendar, days_of, list_items
    from qhsink.steps.request import find_source

    settings = load_settings()
    source, period = find_source(name, settings), parse_month(month)
    database = load_database(settings.project / "aoi" / "qinghai.gpkg")
    crs, answer = qinghai_albers(), {}
    for region_id in regions:
        region = database.get(region_id)
        shape = database.geometry(region.id, crs)
        items = list_items(source, shape, crs, project=settings.project, period=period)
        days = days_of(items, shape)
        answer[region.id] = [
            {
                "item": entry.item_id,
                "day": entry.day.isoformat(),
                "cloud_share": entry.cloud_share,
                "cover": round(entry.cover, 4),
                "refused": entry.refused,
            }
            for entry in items
        ]
        if json_out:
            continue
        usable = sum(day.usable for day in days)
        click.echo(
            f"\n{region.id} {region.name_zh}  {period.label}  {len(items)} items, "
            f"{len(days)} days, {usable} usable  "
            f"(影像{len(items)}景，{len(days)}天，其中可用{usable}天)"
        )
        for entry in items:
            cloud = "  ?" if entry.cloud_share is None else f"{entry.cloud_share:>4.0%}"
            note = f"  refused 未采用: {entry.refused}" if entry.refused else ""
            click.echo(
                f"{entry.day}  cloud 云量 {cloud}  covers 覆盖 {entry.cover:>4.0%}  "
                f"{entry.item_id}{note}"
            )
        click.echo(calendar(days, period))
        click.echo(
            "digit: tenths of the region covered, 9 for all of it; x: too cloudy; "
            "·: no scene"
        )
        click.echo("数字：覆盖区域的十分之几（9为全部）；x：云量过多；·：无影像")
    if json_out:
        click.echo(json.dumps(answer, ensure_ascii=False))


@sources.command(
    epilog=examples(
        "qhsink sources index scenes/",
        "qhsink monitor --month 2025-08 --region 632324 --source scenes/catalog.json",
    )
)
@click.argument("folder", type=click.Path(path_type=Path))
def index(folder: Path) -> None:
    """Make a catalogue of a folder of SAFE or Landsat scenes."""
    from qhsink.domain.errors import SourceError
    from qhsink.sources.folders import index_folder

    done = index_folder(folder)
    for product, reason in done.refused.items():
        click.echo(f"refused {product}: {reason}", err=True)
    if not done.items:
        raise SourceError(
            f"none of {len(done.refused)} products in {folder} can be used",
            expected="whole products",
            remedy="See the reasons above.",
        )
    click.echo(f"{len(done.items)} scenes; use --source {done.catalogue}")


def _years(_context: object, _parameter: object, text: str) -> range:
    """Return ``2020`` or ``2019-2024`` as a range of years."""
    first, _, last = text.partition("-")
    if not (first.isdigit() and (last or first).isdigit()):
        raise click.BadParameter("give 2020, or 2019-2024")
    years = range(int(first), int(last or first) + 1)
    if not years or years.start < 2019:
        raise click.BadParameter("GEDI has observed since 2019; earlier year first")
    return years


@sources.command(
    epilog=examples(
        "qhsink sources gedi --region 632221 --years 2019-2024 --out gedi.gpkg"
    )
)
@click.option("--region", "region_id", required=True, help="Region id.")
@click.option("--years", callback=_years, required=True, help="2020, or 2019-2024.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Table of plots to write: .gpkg or .csv.",
)
@click.option(
    "--source",
    "name",
    default="earth-engine",
    show_default=True,
    help="A source of config/sources.toml that serves GEDI.",
)
def gedi(region_id: str, years: range, out: Path, name: str) -> None:
    """Write GEDI biomass footprints of a region as plots to train on.

    Footprints are predictions with an error each (column se), not measurements; the
    mean of GEDI L4B is shown beside them for comparison.
    """
    from qhsink.config import load_settings
    from qhsink.steps.footprints import write_footprints
    from qhsink.steps.request import find_source

    settings = load_settings()
    source = find_source(name, settings)
    done = write_footprints(region_id, years, out, source, settings)
    for line in done.lines():
        click.echo(line)
