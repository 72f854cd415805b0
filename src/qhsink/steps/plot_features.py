"""Plots and a source to the reflectance above each plot, in the season it was measured.

The composite is made by the code that makes it for maps, on the pixels around the
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
from qhsink.domain.scene import Scene
from qhsink.estimation.training_plots import TrainingPlots
from qhsink.sources.remote import open_archive
from qhsink.sources.stac import pin
from qhsink.steps.compositing import composite_key, make_composite
from qhsink.steps.guard import shifted_scenes
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
    """``COLUMNS``, one row per plot in table order; reflectance 0..1 is NaN where the
    plot is not used."""
    scenes: tuple[Scene, ...]
    """Scenes that were used."""
    shifted: Mapping[str, str]
    """Scenes left out, with the reason."""

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
) -> PlotFeatures:
    """Return the reflectance above each plot: the mean over its footprint.

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

    Raises
    ------
    SourceError
        When the source or a scene cannot be read.

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
    scenes = {
        period: _scenes_over(
            plots, [p == period for _, p in periods], period, source, settings
        )
        for period in sorted({period for _, period in periods})
    }
    every = list({s.item_id: s for found in scenes.values() for s in found}.values())
    shifted = shifted_scenes(every, config, settings)
    drop = shifted if config.offset_guard.action == "exclude" else {}
    kept = {
        period: [scene for scene in found if scene.item_id not in drop]
        for period, found in scenes.items()
    }
    windows = plot_windows(places, periods, kept, grid)
    tasks = [delayed(partial(_window_rows, w, config, settings))() for w in windows]
    parts = compute(*tasks, scheduler="threads", num_workers=settings.workers)
    rows = pd.concat(parts, ignore_index=True).sort_values("plot", ignore_index=True)
    used = {s.item_id: s for window in windows for s in window.scenes}
    return PlotFeatures(rows, tuple(used[name] for name in sorted(used)), shifted)


def _scenes_over(
    plots: TrainingPlots,
    chosen: Sequence[bool],
    period: Period,
    source: SourceConfig,
    settings: Settings,
) -> tuple[Scene, ...]:
    """Return the scenes of a period whose box holds a plot of that period."""
    here = np.asarray(chosen)
    lon, lat = plots.plots.lon[here], plots.plots.lat[here]
    bbox = (
        float(lon.min()) - MARGIN_DEG,
        float(lat.min()) - MARGIN_DEG,
        float(lon.max()) + MARGIN_DEG,
        float(lat.max()) + MARGIN_DEG,
    )
    found = pin(source, project=settings.project, bbox=bbox, period=period)
    return tuple(scene for scene in found if holds_any(scene, lon, lat))


def _window_rows(
    window: PlotWindow, config: RunConfig, settings: Settings
) -> pd.DataFrame:
    """Return the features of a window's plots, from the store where they are there."""
    store = Store(settings.store)
    artifact = store.get(
        _window_key(window, config), lambda f: _write(window, config, settings, f)
    )
    progress.info(
        "%s: %d plots", window.period.label, len(window.places), extra={"outcome": None}
    )
    rows = pd.read_parquet(artifact.path("rows.parquet"))
    # A store's rows are of places, wherever those stand in the table of the day.
    return rows.assign(plot=[place.row for place in window.places])


def _window_key(window: PlotWindow, config: RunConfig) -> Key:
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
        code=code_version("qhsink.steps.plot_windows"),
        params={"places": places},
        inputs={"composite": composite.digest},
    )


def _write(
    window: PlotWindow, config: RunConfig, settings: Settings, folder: Path
) -> Mapping[str, Any]:
    grid = config.grid.build()
    # Masks are grown from pixels beyond the footprint.
    margin = config.masks.dilation_m + 2.0 * grid.pixel_size
    lattice = window_lattice(window.places, grid, margin_m=margin)
    with threadpool_limits(limits=1):
        composite = make_composite(
            window.scenes,
            lattice,
            config,
            kind=window.kind,
            archive=open_archive(settings),
        )
    rows = [footprint_mean(composite, lattice, place) for place in window.places]
    pd.DataFrame(rows, columns=list(COLUMNS)).to_parquet(folder / "rows.parquet")
    return {"plots": len(rows), "scenes": [s.item_id for s in window.scenes]}
