"""A simulated field campaign over a simulated archive, as a plot table.

The archive's manifest says which world it shows; plots are measured in that world with
the errors of ``config/evaluate.toml``. Every row says that it is simulated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from qhsink.config import project_dir
from qhsink.domain.errors import BadInput, SourceError
from qhsink.grid import qinghai_albers, transformer
from qhsink.regions.database import RegionDatabase, load_database
from qhsink.steps.evaluate_places import load_trial
from qhsink.steps.evaluate_world import truth_of
from qhsink.twin.archive import read_manifest
from qhsink.twin.campaign import PlotRules, Truth, visit
from qhsink.twin.classes import ECOSYSTEMS
from qhsink.twin.world import WATER

Floats = NDArray[np.float64]

MEASURED = ("fvc", "agb_grass", "agb_forest")
"""What a campaign measures."""
PLOT_M = 30.0
"""Edge of a square plot [m]."""
FIRST_DAY, DAYS = (7, 15), 48
"""Plots are visited in the peak season: from 15 July to 31 August."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """What is drawn."""

    archive: Path
    """Folder of the archive."""
    target: str
    """One of ``MEASURED``."""
    count: int
    """Plots, water left out."""
    seed: int
    """Seed of places and errors."""


def twin_plots(campaign: Campaign) -> pd.DataFrame:
    """Return the plots of a campaign, columns as ``qhsink train --plots`` reads them.

    A simple random sample of points in the archive's regions; those on water are no
    plots on land and are left out.

    Raises
    ------
    BadInput
        When the target is not measured.
    SourceError
        When the folder holds no archive.
    """
    if campaign.target not in MEASURED:
        raise BadInput(
            f"target {campaign.target!r}",
            expected=f"one that the campaign measures: {', '.join(MEASURED)}",
            remedy="Choose one of them.",
        )
    manifest = read_manifest(campaign.archive)
    if manifest is None:
        raise SourceError(
            f"no archive in {campaign.archive}",
            expected="a folder made by qhsink twin build",
            remedy="Build it first, or name its folder with --archive.",
        )
    database = load_database(project_dir() / "aoi" / "qinghai.gpkg")
    shapes = {
        name: database.geometry(name, qinghai_albers()) for name in manifest["regions"]
    }
    rng = np.random.default_rng(campaign.seed)
    truth = truth_of(manifest["seed"], manifest["year"], _lakes(database))
    x, y, share = _draw(shapes, truth, campaign.count, rng)
    rules = load_trial().plots_rules
    table = visit(truth, x, y, rules=rules, rng=rng)
    return _as_table(table, campaign, shapes, manifest["year"], share, rules, rng)


def _lakes(database: RegionDatabase) -> tuple[BaseGeometry, ...]:
    crs = qinghai_albers()
    return tuple(
        database.geometry(region.id, crs)
        for region in database.regions
        if region.kind == "lake"
    )


def _draw(
    shapes: Mapping[str, BaseGeometry],
    truth: Truth,
    count: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats, float]:
    """Return places on land, and the probability of a plot's area to be drawn."""
    whole = shapely.union_all(list(shapes.values()))
    shapely.prepare(whole)
    left, bottom, right, top = whole.bounds
    xs: list[Floats] = []
    ys: list[Floats] = []
    tried = 0
    while sum(part.size for part in xs) < count:
        x = rng.uniform(left, right, 4 * count)
        y = rng.uniform(bottom, top, 4 * count)
        inside = shapely.contains_xy(whole, x, y)
        tried += int(inside.sum())
        x, y = x[inside], y[inside]
        land = truth(x, y).ecosystem != WATER
        xs.append(x[land])
        ys.append(y[land])
    found = sum(part.size for part in xs)
    land_area = float(whole.area) * found / tried
    chosen = np.concatenate(xs)[:count], np.concatenate(ys)[:count]
    return *chosen, count * PLOT_M**2 / land_area


def _as_table(
    measured: pd.DataFrame,
    campaign: Campaign,
    shapes: Mapping[str, BaseGeometry],
    year: int,
    share: float,
    rules: PlotRules,
    rng: np.random.Generator,
) -> pd.DataFrame:
    move = transformer(qinghai_albers(), "EPSG:4326")
    lon, lat = move.transform(measured["x"], measured["y"])
    first = date(year, *FIRST_DAY)
    days = rng.integers(0, DAYS, len(measured)).tolist()
    value = measured[campaign.target].to_numpy(np.float64)
    return pd.DataFrame(
        {
            "id": measured["plot"],
            "lon": np.round(lon, 6),
            "lat": np.round(lat, 6),
            "date": [(first + timedelta(days=day)).isoformat() for day in days],
            campaign.target: np.round(value, 6),
            "se": np.round(_errors(campaign.target, value, rules), 6),
            "plot_m": PLOT_M,
            "shape": "square",
            "position_sd_m": rules.position_sd_m,
            "stratum": [ECOSYSTEMS[code][0] for code in measured["ecosystem"]],
            "region": _regions(shapes, measured),
            "inclusion_prob": share,
            "provenance": "simulated",
        }
    )


def _errors(target: str, value: Floats, rules: PlotRules) -> Floats:
    """Return the standard error of each value that its crew would state."""
    if target != "fvc":
        return (rules.clip_cv if target == "agb_grass" else rules.tree_cv) * value
    among = value * (1.0 - value) / (rules.quadrat_concentration + 1.0)
    return np.asarray(np.sqrt(among / rules.quadrats))


def _regions(shapes: Mapping[str, BaseGeometry], measured: pd.DataFrame) -> list[str]:
    x, y = measured["x"].to_numpy(), measured["y"].to_numpy()
    names = np.full(x.size, "", dtype=object)
    for name, shape in shapes.items():
        names[shapely.contains_xy(shape, x, y) & (names == "")] = name
    return [str(name) for name in names]
