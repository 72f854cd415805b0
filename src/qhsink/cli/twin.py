"""``qhsink twin``: the simulated archive that runs without a network."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qhsink.cli.evaluate import evaluate
from qhsink.cli.groups import PurposeGroup, examples
from qhsink.cli.twin_plots import plots

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from qhsink.regions.database import RegionDatabase
    from qhsink.twin.product_spec import Orbits
    from qhsink.twin.sentinel2_items import Choice, Processing

DEMO_REGIONS = ("qilian", "632324", "eling-zhaling")
"""A national park, a grassland county, a wetland: what ``make run`` monitors."""

DEMO_PRODUCTS = "s2,dem,s1"
"""What it reads."""

COARSE_M = 240.0
"""Pixel size of the reduced form for tests [m]."""


@click.group(cls=PurposeGroup)
def twin() -> None:
    """Make simulated pixels with known truth, never taken for observed ones."""


twin.add_command(evaluate)
twin.add_command(plots)


@twin.command(
    epilog=examples(
        "qhsink twin build",
        "qhsink twin build --coarse --region 632324 --out work/twin/small",
    )
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the archive.  [default: work/twin/demo]",
)
@click.option("--seed", type=int, default=2025, show_default=True, help="World's seed.")
@click.option(
    "--region", "regions", multiple=True, help="Region id; may be given many times."
)
@click.option(
    "--year",
    type=click.IntRange(2015, 2100),
    default=2025,
    show_default=True,
    help="Calendar year of the scenes.",
)
@click.option(
    "--pixel-size",
    type=float,
    default=60.0,
    show_default=True,
    help="Pixel edge [m]: a multiple of 60, or 20 for the real products' own pixels.",
)
@click.option(
    "--products",
    default=DEMO_PRODUCTS,
    show_default=True,
    help="What to simulate, with commas between: s2, dem, s1, landsat.",
)
@click.option(
    "--s2-processing",
    "processing",
    type=click.Choice(["collection-1", "before-04", "both-flags"]),
    default="collection-1",
    show_default=True,
    help="Sentinel-2 with its offset stated, from before there was one (years to "
    "2021), or stated and applied both, as some Earth Search items are.",
)
@click.option(
    "--s2-bands",
    "bands",
    type=click.Choice(["six", "red-edge", "all"]),
    help="Sentinel-2 with the bands that Landsat has too, with B05 to B07 beside them, "
    "or with all twelve.  [default: red-edge; all at 20 m]",
)
@click.option(
    "--s1-orbit",
    "orbits",
    type=click.Choice(["both", "ascending", "descending"]),
    default="descending",
    show_default=True,
    help="Direction of flight of Sentinel-1: two dates of each.",
)
@click.option("--coarse", is_flag=True, help="Shorthand for --pixel-size 240.")
@click.option("--force", is_flag=True, help="Build again even if it is complete.")
def build(
    out: Path | None,
    seed: int,
    regions: tuple[str, ...],
    year: int,
    pixel_size: float,
    products: str,
    processing: Processing,
    bands: Choice | None,
    orbits: Orbits,
    coarse: bool,
    force: bool,
) -> None:
    """Build the demonstration archive: simulated products as a STAC catalogue."""
    from qhsink.config import project_dir
    from qhsink.grid import qinghai_albers
    from qhsink.regions.database import load_database
    from qhsink.twin.archive import build_archive, read_manifest
    from qhsink.twin.granules import LEVELS_M

    project = project_dir()
    database = load_database(project / "aoi" / "qinghai.gpkg")
    crs = qinghai_albers()
    names = dict.fromkeys(regions or DEMO_REGIONS)
    shapes = [(name, database.geometry(name, crs)) for name in names]
    out = out or project / "work" / "twin" / "demo"
    steps = _Steps(f"Building the simulated archive of {', '.join(names)}")
    catalog = build_archive(
        out,
        regions=shapes,
        lakes=_lakes(database),
        seed=seed,
        year=year,
        pixel_size_m=COARSE_M if coarse else pixel_size,
        products=[name.strip() for name in products.split(",") if name.strip()],
        processing=processing,
        bands=bands or ("all" if pixel_size == LEVELS_M else "red-edge"),
        orbits=orbits,
        on_progress=steps,
        force=force,
    )
    manifest = read_manifest(out) or {}
    state = "built" if steps.called else "complete already, nothing to do"
    counts = ", ".join(f"{n} {name}" for name, n in manifest["products"].items())
    click.echo(
        f"{catalog}: {state} ({counts}, "
        f"{manifest['bytes'] / 1e6:.0f} MB, provenance: {manifest['provenance']})"
    )


def _lakes(database: RegionDatabase) -> list[BaseGeometry]:
    """Return the database's lakes, in the coordinates of the grid."""
    from qhsink.grid import qinghai_albers

    crs = qinghai_albers()
    return [
        database.geometry(region.id, crs)
        for region in database.regions
        if region.kind == "lake"
    ]


class _Steps:
    """Shows progress: a line that moves on a terminal, every tenth elsewhere."""

    def __init__(self, title: str) -> None:
        self.called = False
        self._title = title
        self._tenth = -1
        self._echo: Callable[..., None] = click.echo

    def __call__(self, done: int, total: int, what: str) -> None:
        if not self.called:
            self._echo(f"{self._title}: {total} steps", err=True)
        self.called = True
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            self._echo(f"\r\x1b[K  {done}/{total}  {what}{end}", err=True, nl=False)
        elif done * 10 // total > self._tenth:
            self._tenth = done * 10 // total
            self._echo(f"  {done}/{total}  {what}", err=True)
