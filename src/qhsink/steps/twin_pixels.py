"""Simulated worlds to pixels: what their layers say, and what is true there.

For regressors without open training data, and for judging all of them on worlds that
none was trained on. The pixels come the way of a run: archive, pinned scenes,
peak-season composite, the layers beside it. What is learnt from them belongs to
``train_twin``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry
from threadpoolctl import threadpool_limits

from qhsink.config import (
    RunConfig,
    Settings,
    SourceConfig,
    load_run_config,
    project_dir,
)
from qhsink.config.residual_fields import Layout
from qhsink.config.train_twin import TwinTraining
from qhsink.domain.period import peak_season
from qhsink.domain.scene import BANDS, RED_EDGE
from qhsink.grid import qinghai_albers, transformer
from qhsink.mapping.layers import GROUPS, NODATA, layer_step, layers_of
from qhsink.regions.database import load_database
from qhsink.sources.layer_items import pin_layer
from qhsink.sources.stac import pin_scenes
from qhsink.steps.evaluate_world import truth_of
from qhsink.steps.request import season_of
from qhsink.steps.target_maps import clear_land
from qhsink.steps.twin_squares import lakes_near, world_squares
from qhsink.steps.window_reading import Pinned, WindowReading
from qhsink.store import Key, Store, code_version, file_digest, make_key
from qhsink.twin import classes
from qhsink.twin.archive import build_archive
from qhsink.twin.campaign import Truth
from qhsink.twin.sentinel2_items import Choice

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Report = Callable[[str], None]

TRUTHS = (
    "fvc",
    "canopy_cover",
    "shrub_cover",
    "agb_grass",
    "agb_forest",
    "growing_stock",
)
"""Targets whose truth the twin knows, by their names in ``Ground``."""

ECOSYSTEM_OF: Mapping[int, str] = {
    **dict.fromkeys(classes.FOREST, "forest"),
    **dict.fromkeys(classes.GRASSLAND, "grassland"),
    classes.MARSH: "wetland",
    classes.SHRUB: "shrubland",
    classes.CROPLAND: "cropland",
    classes.ROCK: "bare",
    classes.PLAYA: "bare",
    classes.SNOW: "snow_ice",
    classes.WATER: "water",
}
"""Class of the twin to the ecosystem it belongs to (``config/model_targets.toml``)."""

PRODUCTS = ("s2", "dem", "s1")
"""What is simulated of a world, by the names of ``qhsink twin build``."""
S2_BANDS: Choice = "red-edge"
"""Which bands its Sentinel-2 has."""

_NOT_PIXELS = {"train_seeds", "test_seeds", "samples", "land_samples", "features"}
_NOT_READ = {"models", "unseen", "regions", "estimate", "indicators", "residuals"}
"""Sections of a run's configuration that change no pixel read here."""
_MARGIN_DEG = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class TwinPixels:
    """n pixels of clear land in simulated worlds."""

    layers: Mapping[str, Floats]
    """(n,) value of each layer, in its unit: the six bands and ``GROUPS``."""
    truth: Mapping[str, Floats]
    """(n,) true value by target, in its unit."""
    ecosystem: NDArray[np.str_]
    """(n,) id of the true ecosystem."""
    x: Floats
    """(n,) easting on the grid [m]."""
    y: Floats
    """(n,) northing [m]."""
    seed: Ints
    """(n,) seed of the world."""
    square: Ints
    """(n,) number of the square; the same place in every world unless drawn."""

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> TwinPixels:
        """Return some of the pixels."""
        parts: dict[str, Any] = {}
        for field in fields(self):
            values = getattr(self, field.name)
            parts[field.name] = (
                {name: column[rows] for name, column in values.items()}
                if isinstance(values, Mapping)
                else values[rows]
            )
        return TwinPixels(**parts)


def read_worlds(
    spec: TwinTraining,
    seeds: Sequence[int],
    folder: Path,
    *,
    settings: Settings,
    report: Report,
) -> TwinPixels:
    """Return clear land pixels of the worlds of ``seeds``.

    Parameters
    ----------
    spec : TwinTraining
        Which places, year and pixel.
    seeds : sequence of int
        Which worlds.
    folder : Path
        Where archives lie; those that are not there are built.
    settings : Settings
        Store, where what was read is kept, and threads.
    report : callable
        Told in words what is being done.
    """
    work = _Reading(spec, folder, settings, report)
    store = Store(settings.store)
    parts = []
    for seed in seeds:
        found = store.get(work.key(seed), partial(work.write, seed))
        parts.append(_from_table(pd.read_parquet(found.path("pixels.parquet"))))
    return _joined(parts)


def read_layouts(
    layouts: Iterable[Layout], folder: Path, *, settings: Settings, report: Report
) -> TwinPixels:
    """Return the pixels of worlds that are laid out in several ways, as one table."""
    return _joined(
        [
            read_worlds(one.spec, one.seeds, folder, settings=settings, report=report)
            for one in layouts
            if one.seeds
        ]
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    spec: TwinTraining
    folder: Path
    settings: Settings
    report: Report

    def key(self, seed: int) -> Key:
        project = self.settings.project
        return make_key(
            "twin_pixels",
            code=code_version(
                "qhsink.twin",
                "qhsink.imagery",
                "qhsink.sources",
                "qhsink.mapping.layers",
                "qhsink.steps.compositing",
                "qhsink.steps.window_reading",
                "qhsink.steps.twin_pixels",
                "qhsink.steps.twin_squares",
            ),
            params={
                "spec": self.spec.model_dump(mode="json", exclude=_NOT_PIXELS),
                "seed": seed,
                "twin": file_digest(project / "config" / "twin.toml"),
                "config": self._config().model_dump(mode="json", exclude=_NOT_READ),
            },
        )

    def _config(self) -> RunConfig:
        return load_run_config(self.settings.project / "config" / "demo.toml")

    def write(self, seed: int, folder: Path) -> Mapping[str, Any]:
        database = load_database(self.settings.project / "aoi" / "qinghai.gpkg")
        squares = world_squares(self.spec, seed, database)
        lakes = lakes_near(database, [square for _, square in squares])
        self.report(f"world {seed}: archive of {len(squares)} squares")
        catalogue = build_archive(
            self.folder / f"world-{seed}",
            regions=[(f"square-{name}", square) for name, square in squares],
            lakes=lakes,
            seed=seed,
            year=self.spec.year,
            pixel_size_m=self.spec.pixel_size_m,
            products=PRODUCTS,
            bands=S2_BANDS,
            orbits=self._config().layers.radar_orbit,
            workers=self.settings.workers,
        )
        self.report(f"world {seed}: composites")
        truth = truth_of(seed, self.spec.year, lakes)
        parts = [
            self._pixels(square, catalogue, truth).assign(seed=seed, square=number)
            for number, (_, square) in enumerate(squares)
        ]
        table = pd.concat(parts, ignore_index=True)
        table.to_parquet(folder / "pixels.parquet", index=False)
        return {"pixels": len(table)}

    def _pixels(
        self, square: BaseGeometry, catalogue: Path, truth: Truth
    ) -> pd.DataFrame:
        geobox = _lattice(square, self.spec.pixel_size_m)
        clear, layers = _layers(square, geobox, catalogue, self._config(), self.spec)
        wanted = np.zeros(clear.shape, bool)
        wanted[:: self.spec.every, :: self.spec.every] = True
        known = np.logical_and.reduce([plane != NODATA for plane in layers.values()])
        index = np.flatnonzero(clear & wanted & known)
        x, y = _centres(geobox, index)
        ground = truth(x, y)
        columns = {"x": x, "y": y, "ecosystem": ground.ecosystem}
        columns |= {f"layer_{n}": plane.ravel()[index] for n, plane in layers.items()}
        columns |= {f"true_{name}": getattr(ground, name) for name in TRUTHS}
        return pd.DataFrame(columns)


def _from_table(table: pd.DataFrame) -> TwinPixels:
    def column(name: str) -> Floats:
        return table[name].to_numpy(np.float64)

    names = [str(name) for name in table]
    layers = [name for name in names if name.startswith("layer_")]
    truths = [name for name in names if name.startswith("true_")]
    return TwinPixels(
        layers={
            name.removeprefix("layer_"): column(name)
            * float(layer_step(name.removeprefix("layer_")))
            for name in layers
        },
        truth={name.removeprefix("true_"): column(name) for name in truths},
        ecosystem=table["ecosystem"].map(dict(ECOSYSTEM_OF)).to_numpy(str),
        x=column("x"),
        y=column("y"),
        seed=table["seed"].to_numpy(np.int64),
        square=table["square"].to_numpy(np.int64),
    )


def _joined(parts: Sequence[TwinPixels]) -> TwinPixels:
    joined: dict[str, Any] = {}
    for field in fields(TwinPixels):
        values = [getattr(part, field.name) for part in parts]
        joined[field.name] = (
            {name: np.concatenate([v[name] for v in values]) for name in values[0]}
            if isinstance(values[0], Mapping)
            else np.concatenate(values)
        )
    return TwinPixels(**joined)


def _lattice(square: BaseGeometry, pixel: float) -> GeoBox:
    left, low, right, top = square.bounds
    shape = (round((top - low) / pixel), round((right - left) / pixel))
    affine = Affine(pixel, 0.0, left, 0.0, -pixel, top)
    return GeoBox(shape, affine, qinghai_albers().to_wkt())


def _centres(geobox: GeoBox, index: NDArray[np.intp]) -> tuple[Floats, Floats]:
    rows, columns = np.divmod(index, geobox.shape[1])
    pixel = float(geobox.resolution.x)
    x = geobox.affine.c + (columns + 0.5) * pixel
    y = geobox.affine.f - (rows + 0.5) * pixel
    return np.asarray(x, np.float64), np.asarray(y, np.float64)


def _layers(
    square: BaseGeometry,
    geobox: GeoBox,
    catalogue: Path,
    config: RunConfig,
    spec: TwinTraining,
) -> tuple[NDArray[np.bool_], dict[str, NDArray[np.int16]]]:
    """Return clear land of a square, and every layer by name: as a run reads them."""
    to_degrees = transformer(qinghai_albers(), "EPSG:4326")
    west, south, east, north = to_degrees.transform_bounds(*square.bounds)
    bbox = (
        west - _MARGIN_DEG,
        south - _MARGIN_DEG,
        east + _MARGIN_DEG,
        north + _MARGIN_DEG,
    )
    source = SourceConfig(kind="static", url=str(catalogue.resolve()))
    peak = peak_season(
        spec.year, start=config.season.peak_start, end=config.season.peak_end
    )
    season = season_of(peak, config)
    within = partial(pin_scenes, source, project=project_dir(), bbox=bbox)
    layer = partial(pin_layer, source, project=project_dir(), bbox=bbox)
    reading = WindowReading(
        Pinned(
            within(period=peak, further=RED_EDGE),
            within(period=season),
            layer("elevation"),
            layer("backscatter", period=season),
        ),
        geobox,
        config,
        kind="peak",
        groups=GROUPS,
    )
    with threadpool_limits(limits=1):
        composite = reading.composite()
        layers = dict(zip(BANDS, composite.reflectance, strict=True))
        for group in GROUPS:
            planes = reading.planes(group)
            layers |= zip(layers_of(group), planes, strict=True)
    return clear_land(composite), layers
