"""Plots and a source to samples, and what a card says of them.

Composes: the table is checked in ``qhsink.estimation``, reflectance comes from
``plot_features``. What is learnt from the samples is ``train``'s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from qhsink.config import RunConfig, Settings, load_run_config
from qhsink.config.gedi import load_gedi
from qhsink.domain.errors import Refusal, TableError
from qhsink.domain.estimate import Provenance
from qhsink.domain.model_target import ModelTarget
from qhsink.domain.reference import GEDI
from qhsink.domain.scene import BANDS
from qhsink.estimation.field_plots import PLOTS, PROBABILITY, WEIGHT
from qhsink.estimation.schema import require_columns
from qhsink.estimation.training_plots import (
    LEAST,
    TrainingPlots,
    measured_columns,
    read_training_plots,
    refuse_outside,
)
from qhsink.grid import Grid
from qhsink.mapping.features import required_bands
from qhsink.mapping.layers import LAYERS, groups_of, raised
from qhsink.mapping.screening import filled_rows, linear_copies
from qhsink.mapping.training import Recipe, Samples
from qhsink.regions.database import load_database
from qhsink.registry import table_digest
from qhsink.steps.finished import LEAST_COVERED
from qhsink.steps.plot_features import (
    PlotFeatures,
    as_above_plots,
    corrections_off,
    extract_features,
    spell_corrections_off,
)
from qhsink.steps.plot_files import read_plots
from qhsink.steps.plot_windows import grid_places
from qhsink.steps.request import find_source
from qhsink.steps.train_gedi import refuse_other_targets, told_of_footprints
from qhsink.steps.train_request import TrainRequest
from qhsink.steps.train_tables import TrainingData, with_provenance

LEAST_LEFT = 20
"""Plots left to learn from while a group, region or year is held out, at least."""
FOLDS = Recipe().folds
"""Folds of the cross-validation."""


@dataclass(frozen=True, slots=True, eq=False)
class CheckedPlots:
    """A plot table that has passed, with the configuration it is read under."""

    path: Path
    """The file."""
    column: str
    """Column of the measured value."""
    plots: TrainingPlots
    """Its plots."""
    config: RunConfig
    """Grid, masks and composite."""
    doubts: tuple[str, ...]
    """What looks odd, in sentences."""
    weighted: bool
    """Whether the table states inclusion probabilities or weights."""


def check_plots(
    request: TrainRequest, target: ModelTarget, settings: Settings
) -> CheckedPlots:
    """Return the plots of a request: nothing but the table and borders is read.

    Raises
    ------
    BadInput
        When table, source or configuration cannot be used.
    """
    path = Path(request.plots or "")
    frame = read_plots(path)
    if request.group is not None:
        require_columns(frame, (request.group,), table=PLOTS)
        frame = frame.assign(site=frame[request.group])
    column = request.value or ("value" if "value" in frame else target.id)
    plots = read_training_plots(
        frame, target=target, value=column, defaults=request.defaults
    )
    if plots.reference == GEDI:
        refuse_other_targets(plots, target)
    if plots.site is not None:
        _refuse_few_groups(plots.site)
    config = _run_config(request, settings)
    if config.regions.inside_province:
        _refuse_abroad(plots, config.grid.build(), settings)
    known = measured_columns(frame)
    doubts = [str(copy) for copy in linear_copies(known)]
    doubts += [str(part) for part in filled_rows(column, known)]
    doubts += spell_corrections_off(config)
    weighted = PROBABILITY in frame or WEIGHT in frame
    return CheckedPlots(path, column, plots, config, tuple(doubts), weighted)


def plot_data(
    request: TrainRequest,
    target: ModelTarget,
    checked: CheckedPlots,
    settings: Settings,
    *,
    features: Sequence[str],
) -> TrainingData:
    """Return samples of the plots that have enough clear pixels.

    Parameters
    ----------
    features : sequence of str
        What the model will read.

    Raises
    ------
    SourceError
        When the source or a scene cannot be read.
    Refusal
        When too few plots have features.
    """
    plots = checked.plots
    source = find_source(request.source, settings)
    layers = required_bands(features)
    found = extract_features(
        plots, target, source, checked.config, settings, groups=groups_of(layers)
    )
    used = found.used
    if used.sum() < LEAST:
        raise Refusal(
            f"{int(used.sum())} of {len(used)} plots with enough clear pixels "
            f"({_spell_counts(found.left_out())} left out)",
            expected=f"at least {LEAST}",
            remedy="Check that the source holds the plots' places and years, or "
            "choose another.",
        )
    provenance: Provenance = (
        "simulated"
        if request.simulated
        or plots.provenance == "simulated"
        or any(scene.simulated for scene in found.scenes)
        or any(item.simulated for item in found.items)
        else "observed"
    )
    told = _describe(request, target, checked, found, settings.project)
    samples = _samples(plots, found, checked.config.grid.build(), layers)
    return TrainingData(samples, with_provenance(told, provenance), checked.doubts)


def _run_config(request: TrainRequest, settings: Settings) -> RunConfig:
    source = find_source(request.source, settings)
    own = settings.project / "config" / source.run_config
    return load_run_config(Path(request.config) if request.config else own)


def _refuse_abroad(plots: TrainingPlots, grid: Grid, settings: Settings) -> None:
    database = load_database(settings.project / "aoi" / "qinghai.gpkg")
    province = database.province()
    shape = database.geometry(province.id, grid.crs)
    shapely.prepare(shape)
    places = grid_places(plots, grid)
    inside = shapely.intersects_xy(shape, [p.x for p in places], [p.y for p in places])
    refuse_outside(plots.plots, np.asarray(inside), where=province.name_en)


def _samples(
    plots: TrainingPlots, features: PlotFeatures, grid: Grid, layers: Sequence[str]
) -> Samples:
    used = np.flatnonzero(features.used)
    groups = _numbered(plots.site, used)
    if groups is not None:
        _refuse_few_groups(groups)  # again: of those that have features
    places = grid_places(plots, grid)
    rows = features.rows
    names = dict.fromkeys((*BANDS, *layers))
    return Samples(
        # As features do: a logarithm is taken of reflectance, too.
        raised({name: rows[name].to_numpy(np.float64)[used] for name in names}),
        plots.plots.y[used],
        groups=groups,
        x_m=np.array([places[row].x for row in used]),
        y_m=np.array([places[row].y for row in used]),
        year=_if_even(plots.years[used]),
        region=_if_even(_numbered(plots.region, used)),
        stratum=_numbered(plots.plots.stratum, used),
        se=None if plots.se is None else plots.se[used],
    )


def _numbered(
    labels: NDArray[np.str_] | None, rows: NDArray[np.intp]
) -> NDArray[np.int64] | None:
    if labels is None:
        return None
    return np.unique(labels[rows], return_inverse=True)[1].astype(np.int64)


def _if_even(labels: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    """Return the labels where each may be held out and enough plots are left."""
    if labels is None:
        return None
    most = int(np.unique(labels, return_counts=True)[1].max())
    return labels if len(labels) - most >= LEAST_LEFT else None


def _refuse_few_groups(groups: NDArray[np.str_] | NDArray[np.int64]) -> None:
    counts = np.unique(groups, return_counts=True)[1]
    if len(counts) < FOLDS or len(groups) - counts.max() < LEAST_LEFT:
        raise TableError(
            f"{len(counts)} groups, {counts.max()} of {len(groups)} plots in one",
            expected=f"{FOLDS} or more, and {LEAST_LEFT} plots beside the largest",
            remedy="Name another column with --group, or leave out the sites: then "
            "spatial blocks are held out.",
        )


def _describe(
    request: TrainRequest,
    target: ModelTarget,
    checked: CheckedPlots,
    features: PlotFeatures,
    project: Path,
) -> dict[str, Any]:
    plots, column = checked.plots, checked.column
    reading = _reading(request, checked, features)
    source: dict[str, Any] = {
        "title": f"A user's plots, {checked.path.name}",
        "citation": f"Its origin was not stated. {reading}",
        "licence": "not stated",
        "sha256": table_digest(checked.path),
        "rows": _rows(features),
    }
    if checked.doubts:
        source["doubts"] = list(checked.doubts)
    told = {
        "definition": {
            "en": f"{target.reference_en} (column {column})",
            "zh": f"{target.reference_zh}（字段 {column}）",
            "evidence": f"the owner of the plots answers for column {column}.",
        },
        "domain": " ".join(_domain(plots, features)),
        "fold_rule": _fold_rule(plots),
        "fold_limits": "As independent as the groups are. The plots' own places and "
        "years alone are tested: nothing is known of others.",
        "source": source,
        "extraction": _extraction(request, checked, features),
    }
    if plots.site is not None:
        told["grouping"] = f"groups of column {request.group or 'site'}"
    if plots.reference == GEDI:
        return told_of_footprints(told, target, load_gedi(project).footprints)
    return told


def _reading(
    request: TrainRequest, checked: CheckedPlots, features: PlotFeatures
) -> str:
    """Return in words how reflectance came to the plots."""
    plots, used = checked.plots, features.used
    sizes, error = plots.size_m[used], plots.position_sd_m
    pixel = checked.config.grid.pixel_size_m
    areas = np.where(plots.is_round, np.pi / 4.0, 1.0)[used] * np.square(sizes)
    span = " to ".join(dict.fromkeys(f"{s:g}" for s in (sizes.min(), sizes.max())))
    place = "not stated" if error is None else f"{error[used].max():g} m at most"
    return (
        f"Reflectance is the mean over each plot ({span} m wide; standard error of its "
        f"place: {place}, not modelled), weighted by coverage of pixels of "
        f"{pixel:g} m (the median plot is {np.median(areas) / pixel**2:.2g} of a "
        "pixel), of the composite of the season in which it was measured: "
        f"{len(features.scenes)} scenes of "
        f"{Path(request.source).name}, {features.rows['n_clear'][used].mean():.1f} "
        f"clear dates on average. A plot is used where {LEAST_COVERED:.0%} of it or "
        "more is clear land."
    )


def _rows(features: PlotFeatures) -> str:
    lost = features.left_out()
    text = f"{len(features.rows):,} in the table, {sum(lost.values())} left out"
    return text + (f": {_spell_counts(lost)}" if lost else "")


def _spell_counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in counts.items()) or "none"


def _domain(plots: TrainingPlots, features: PlotFeatures) -> Sequence[str]:
    """Return sentences on where, when and what the plots used are."""
    used = features.used
    lon, lat = plots.plots.lon[used], plots.plots.lat[used]
    days = [day for day, kept in zip(plots.dates, used, strict=True) if kept]
    place = (
        f"{int(used.sum())} plots between {lon.min():.2f} and {lon.max():.2f} E, "
        f"{lat.min():.2f} and {lat.max():.2f} N, measured from {min(days)} to "
        f"{max(days)}."
    )
    said = [place]
    for name, labels in (("Region", plots.region), ("Stratum", plots.plots.stratum)):
        if labels is not None:
            names, counts = np.unique(labels[used], return_counts=True)
            shares = [f"{n} {c}" for n, c in zip(names, counts, strict=True)]
            said.append(f"{name}: {', '.join(shares)}.")
    return [*said, "Elsewhere, and in other years, the scores are not known to hold."]


def _fold_rule(plots: TrainingPlots) -> str:
    groups = (
        "plots of one site" if plots.site is not None else "spatial blocks of plots"
    )
    return (
        f"Five folds of whole groups, dealt at random. Group: {groups}. Beside them "
        "clusters of like spectra, each held out whole, and regions and years where "
        f"{LEAST_LEFT} plots or more are left to learn from."
    )


def _extraction(
    request: TrainRequest, checked: CheckedPlots, features: PlotFeatures
) -> dict[str, Any]:
    """Return how reflectance came to the plots, JSON-able."""
    plots, used = checked.plots, features.used
    sizes, ids = plots.size_m[used], [scene.item_id for scene in features.scenes]
    error, se = plots.position_sd_m, plots.se
    return {
        "source": Path(request.source).name,
        "layers": [str(n) for n in features.rows if n in LAYERS],
        "items": sorted(item.item_id for item in features.items),
        "scenes": len(ids),
        "scenes_sha256": hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest(),
        "scenes_left_out": dict(features.shifted),
        "pixel_m": checked.config.grid.pixel_size_m,
        "corrections": as_above_plots(checked.config).corrections.in_use(),
        "corrections_off": corrections_off(checked.config),
        "plot_m": [round(float(sizes.min()), 2), round(float(sizes.max()), 2)],
        "position_sd_m": None if error is None else round(float(error[used].max()), 2),
        "value_se": None if se is None else round(float(np.median(se[used])), 6),
        "clear_dates": round(float(features.rows["n_clear"][used].mean()), 2),
        "least_covered": LEAST_COVERED,
        "left_out": features.left_out(),
        "weights": "stated, not used in the fit" if checked.weighted else "not stated",
    }
