"""What the run on a simulated world is asked: its configuration, regions and month.

Both trials, that of cover and that of all targets, ask the same run that an officer
starts; they differ in pixel, tile, models and indicators only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
from shapely.geometry.base import BaseGeometry

from qhsink.config import project_dir
from qhsink.grid import qinghai_albers
from qhsink.steps.request import RunRequest

Shapes = Sequence[tuple[str, BaseGeometry]]
"""Ids and outlines on the analysis grid's CRS."""


@dataclass(frozen=True, slots=True)
class TrialRun:
    """How the run of a trial is configured."""

    extends: str
    """File of ``config/`` that it starts from."""
    pixel_size_m: float
    tile_px: int
    indicators: Sequence[str]
    """Those that the run reports."""
    month: str
    """``YYYY-MM``"""


def ask_run(
    run: TrialRun, catalogue: Path, regions: Mapping[str, Shapes], folder: Path
) -> RunRequest:
    """Write configuration and regions into ``folder``; return the request.

    Parameters
    ----------
    regions : mapping of str to sequence
        Shapes by the name of the file they go to. Features of one file may not cover
        each other, so that regions within regions need files of their own.
    """
    base = (project_dir() / "config" / run.extends).as_posix()
    config = folder / "trial.toml"
    config.write_text(
        f'extends = "{base}"\n'
        f"[grid]\npixel_size_m = {run.pixel_size_m}\n"
        f"tile_px = {run.tile_px}\nblock_px = {run.tile_px}\n"
        f"[masks]\ndilation_m = {run.pixel_size_m}\n"
        "[regions]\ninside_province = false\nmin_valid_share = 0.6\n"
        f"[indicators]\nreport = {list(run.indicators)}\n",
        encoding="utf-8",
    )
    for name, shapes in regions.items():
        ids = [shape_id for shape_id, _ in shapes]
        gpd.GeoDataFrame(
            {"id": ids, "name": ids},
            geometry=[outline for _, outline in shapes],
            crs=qinghai_albers().to_wkt(),
        ).to_file(folder / f"{name}.gpkg")
    return RunRequest(
        month=run.month,
        regions=tuple(str(folder / f"{name}.gpkg") for name in regions),
        source=str(catalogue),
        config=str(config),
        out=str(folder / "out"),
    )
