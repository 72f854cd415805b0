"""Plots and a source to the layers above each plot, in the season it was measured.

They are read by the code that reads them for maps, on the pixels around the
plots of a block, so that a model learns from what it will be applied to. What is
learnt belongs to ``train``; which plots are fit for it, to ``estimation``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from dask.base import compute
from dask.delayed import delayed
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from qhsink.config import RunConfig, Settings, SourceConfig
from qhsink.domain.model_target import ModelTarget
from qhsink.domain.period import Period
from qhsink.domain.scene import RED_EDGE, Scene
from qhsink.estimation.training_plots import TrainingPlots
from qhsink.mapping.layers import Group, layers_of
from qhsink.sources.items import BBox
from qhsink.sources.layer_items import LayerItem, pin_layer
from qhsink.sources.remote import open_archive
from qhsink.sources.stac import pin
from qhsink.steps.compositing import composite_key, items_token, scene_token
from qhsink.steps.guard import shifted_scenes
from qhsink.steps.plan import Kind
from qhsink.steps.plot_windows import (
    COLUMNS,
    MARGIN_DEG,
    USED,
    PlotWindow,
    composite_periods,
    footprint_mean,
    grid_places,
    holds_any,
    plot_windows,
    window_lattice,
)
from qhsink.steps.request import season_of
from qhsink.steps.window_reading import Pinned, WindowReading
from qhsink.store import Key, Store, code_version, make_key

progress = logging.getLogger("qhsink.progress")

TERRAIN_OFF = (
    "terrain light is fitted on the slopes of a whole tile; the window around a plot "
    "is too small for a fit"
)
"""Why one correction is never made above plots."""


@dataclass(frozen=True, slots=True, eq=False)
class PlotFeatures:
    """Reflectance above plots, and what became of the others."""

    rows: pd.DataFrame
    """``COLUMNS`` and the layers asked for, one row per plot in table order, in the
    unit of each; NaN where the plot is not used."""
    scenes: tuple[Scene, ...]
    """Scenes that were used."""
    shifted: Mapping[str, str]
    """Scenes left out, with the reason."""
    items: tuple[LayerItem, ...] = ()
    """Heights and radar acquisitions that were used."""

    @property
    def used(self) -> NDArray[np.bool_]:
        """Which plots have features, shape (n,)."""
        return np.asarray(self.rows["fate"] == USED)

    def left_out(self) -> dict[str, int]:
        """Return the number of plots left out, by reason."""
        fates = self.rows.loc[~self.used, "fate"]
        return {str(k): int(v) for k, v in fates.value_counts(sort=False).items()}


def corrections_off(config: RunConfig) -> dict[str, str]:
    """Return the corrections asked for but not made above plots, with the reason."""
    return {} if config.corrections.terrain == "none" else {"terrain": TERRAIN_OFF}


def spell_corrections_off(config: RunConfig) -> list[str]:
    """Return a clause for each correction asked for but not made above plots."""
    return [
        f"the correction of {kind} that the configuration asks for was not made above "
        f"the plots ({why}): do not map with it"
        for kind, why in corrections_off(config).items()
    ]


def as_above_plots(config: RunConfig) -> RunConfig:
    """Return the configuration without what ``corrections_off`` names."""
    made = config.corrections.model_copy(update={"terrain": "none"})
    return config.model_copy(update={"corrections": made})


def extract_features(
    plots: TrainingPlots,
    target: ModelTarget,
    source: SourceConfig,
    config: RunConfig,
    settings: Settings,
    *,
    groups: Sequence[Group] = (),
) -> PlotFeatures:
    """Return the layers above each plot: the mean over its footprint.

    Parameters
    ----------
    plots : TrainingPlots
        Checked plots.
    target : ModelTarget
        Says which composites it is mapped from.
    source : SourceConfig
        Where pixels come from.
    config : RunConfig
        Grid, masks, corrections and composite: those of the runs that the model is
        meant for, without terrain light (``corrections_off``).
    settings : Settings
        Store and threads.
    groups : sequence of str
        Layers beyond the six bands; all but terrain are of the peak season's composite
        alone, and plots of another month are left out for want of them.

    Raises
    ------
    SourceError
        When the source or a scene cannot be read, or it has no such layers.

    Notes
    -----
    Pixels are weighted by the exact share of the footprint that they cover. Pixels
    without enough clear dates and water are left out; a plot of which less than
    ``LEAST_COVERED`` remains is not used. Bands are averaged, and features made of
    the averages. An error of the plot's recorded place is not modelled.
    """
    config = as_above_plots(config)
    grid = config.grid.build()
    places = grid_places(plots, grid)
    periods = composite_periods(plots, target, config)
    over = _Over(plots, source, config, settings, tuple(groups))
    of = {
        (kind, period): [p == period for _, p in periods]
        for kind, period in sorted(set(periods), key=lambda entry: entry[1])
    }
    scenes = {p: over.scenes(kind, p, here) for (kind, p), here in of.items()}
    season = {p: over.season(kind, p, here) for (kind, p), here in of.items()}
    items = {p: over.items(kind, p, here) for (kind, p), here in of.items()}
    pinned = [s for part in (season, scenes) for found in part.values() for s in found]
    every = list({s.item_id: s for s in pinned}.values())
    shifted = shifted_scenes(every, config, settings)
    drop = shifted if config.offset_guard.action == "exclude" else {}
    kept, beside = (
        {p: [s for s in found if s.item_id not in drop] for p, found in part.items()}
        for part in (scenes, season)
    )
    windows = plot_windows(places, periods, kept, grid, season=beside, items=items)
    how = _How(config, settings, tuple(groups))
    tasks = [delayed(partial(_window_rows, w, how))() for w in windows]
    parts = compute(*tasks, scheduler="threads", num_workers=settings.workers)
    rows = pd.concat(parts, ignore_index=True).sort_values("plot", ignore_index=True)
    used = {s.item_id: s for w in windows for s in (*w.season, *w.scenes)}
    held = {item.item_id: item for window in windows for item in window.items}
    return PlotFeatures(
        rows,
        tuple(used[name] for name in sorted(used)),
        shifted,
        tuple(held[name] for name in sorted(held)),
    )


@dataclass(frozen=True, slots=True)
class _How:
    """What every window is read with."""

    config: RunConfig
    settings: Settings
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class _Over:
    """What the source holds over the plots of a period."""

    plots: TrainingPlots
    source: SourceConfig
    config: RunConfig
    settings: Settings
    groups: tuple[Group, ...]

    def scenes(
        self, kind: Kind, period: Period, here: Sequence[bool]
    ) -> tuple[Scene, ...]:
        """Return the scenes of a period whose box holds a plot of that period."""
        edge = kind == "peak" and "rededge" in self.groups
        return self._pin(period, here, RED_EDGE if edge else ())

    def season(
        self, kind: Kind, period: Period, here: Sequence[bool]
    ) -> tuple[Scene, ...]:
        """Return those of the season that the period is the peak of."""
        if kind != "peak" or "season" not in self.groups:
            return ()
        return self._pin(season_of(period, self.config), here, ())

    def items(
        self, kind: Kind, period: Period, here: Sequence[bool]
    ) -> tuple[LayerItem, ...]:
        """Return heights and radar acquisitions over the plots of a period."""
        bbox = self._box(here)
        found: list[LayerItem] = []
        layer = partial(
            pin_layer, self.source, project=self.settings.project, bbox=bbox
        )
        if "terrain" in self.groups:
            found += layer("elevation")
        if kind == "peak" and "radar" in self.groups:
            found += layer("backscatter", period=season_of(period, self.config))
        return tuple(found)

    def _pin(
        self, period: Period, here: Sequence[bool], further: Sequence[str]
    ) -> tuple[Scene, ...]:
        found = pin(
            self.source,
            project=self.settings.project,
            bbox=self._box(here),
            period=period,
            further=further,
        )
        chosen = np.asarray(here)
        lon, lat = self.plots.plots.lon[chosen], self.plots.plots.lat[chosen]
        return tuple(scene for scene in found if holds_any(scene, lon, lat))

    def _box(self, here: Sequence[bool]) -> BBox:
        chosen = np.asarray(here)
        lon, lat = self.plots.plots.lon[chosen], self.plots.plots.lat[chosen]
        return (
            float(lon.min()) - MARGIN_DEG,
            float(lat.min()) - MARGIN_DEG,
            float(lon.max()) + MARGIN_DEG,
            float(lat.max()) + MARGIN_DEG,
        )


def _window_rows(window: PlotWindow, how: _How) -> pd.DataFrame:
    """Return the features of a window's plots, from the store where they are there."""
    store = Store(how.settings.store)
    artifact = store.get(_window_key(window, how), partial(_write, window, how))
    progress.info(
        "%s: %d plots", window.period.label, len(window.places), extra={"outcome": None}
    )
    rows = pd.read_parquet(artifact.path("rows.parquet"))
    # A store's rows are of places, wherever those stand in the table of the day.
    return rows.assign(plot=[place.row for place in window.places])


def _window_key(window: PlotWindow, how: _How) -> Key:
    config = how.config
    composite = composite_key(
        window.scenes,
        config,
        grid=config.grid.build(),
        tile="around plots",
        kind=window.kind,
    )
    places = [asdict(place) | {"row": None} for place in window.places]
    return make_key(
        "plot_features",
        code=code_version(
            "qhsink.steps.plot_windows",
            "qhsink.steps.window_reading",
            "qhsink.mapping.layers",
        ),
        params={
            "places": places,
            "groups": list(how.groups),
            "layers": config.layers.model_dump(mode="json"),
            "season": [scene_token(scene) for scene in window.season],
            "items": items_token(window.items),
        },
        inputs={"composite": composite.digest},
    )


def _write(window: PlotWindow, how: _How, folder: Path) -> Mapping[str, Any]:
    config, grid = how.config, how.config.grid.build()
    # Masks are grown from pixels beyond the footprint.
    margin = config.masks.dilation_m + 2.0 * grid.pixel_size
    lattice = window_lattice(window.places, grid, margin_m=margin)
    reading = WindowReading(
        Pinned(
            window.scenes,
            window.season,
            tuple(i for i in window.items if i.layer == "elevation"),
            tuple(i for i in window.items if i.layer == "backscatter"),
        ),
        lattice,
        config,
        kind=window.kind,
        groups=how.groups,
        archive=open_archive(how.settings),
    )
    layers: dict[str, NDArray[np.int16]] = {}
    with threadpool_limits(limits=1):
        composite = reading.composite()
        for group in how.groups:
            layers |= zip(layers_of(group), reading.planes(group), strict=True)
    rows = [footprint_mean(composite, lattice, p, layers) for p in window.places]
    columns = [*COLUMNS, *layers]
    pd.DataFrame(rows, columns=columns).to_parquet(folder / "rows.parquet")
    return {"plots": len(rows), "scenes": [s.item_id for s in window.scenes]}
