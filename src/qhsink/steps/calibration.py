"""Plots and a finished run's map to a calibration, and a run's means calibrated.

Composes: plots are checked in ``qhsink.estimation``, lines fitted in
``qhsink.mapping``, the run is read by ``finished``. The map itself is never changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qhsink.config import Settings
from qhsink.config.calibration import load_calibration_rules
from qhsink.config.parsing import parse_noun
from qhsink.domain.errors import BadInput, Refusal, TableError
from qhsink.domain.estimate import Estimate, Provenance
from qhsink.domain.region import Region
from qhsink.indicators.definitions import admit
from qhsink.indicators.interval import student_interval
from qhsink.mapping.calibration import Calibration, calibrate
from qhsink.steps.assisted import map_indicator
from qhsink.steps.calibration_pairs import CalibrationPlots, PlotRequest, pair_plots
from qhsink.steps.finished import FinishedRun, open_run, region_sums, run_regions
from qhsink.steps.plan import MAP_INDICATORS
from qhsink.store import file_digest

FORMAT = 1
"""Version of the file."""
MODE = "calibrated"
"""Inference mode: the map's mean, moved by lines fitted to plots."""


@dataclass(frozen=True, slots=True)
class CalibrationFile:
    """A calibration, and what it holds for."""

    format: int
    """``FORMAT``."""
    indicator: str
    """Indicator whose map was calibrated."""
    period: str
    """Period of the map."""
    model_id: str
    """Model that made the map."""
    model_digest: str
    """Its digest: a map of another model is another map."""
    pixel_size_m: float
    """Pixel of the map [m]."""
    provenance: Provenance
    """``simulated`` when plots or pixels are."""
    plots: str
    """Name of the plot table."""
    plots_sha256: str
    """Its digest."""
    without_map_value: tuple[str, ...]
    """Plots not used: the map has no value there."""
    calibration: Calibration
    """Lines and evidence."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CalibratedRegion:
    """A region's mean, of the map and calibrated."""

    region: Region
    """The region."""
    map_mean: float
    """Mean of the map over its land, as it is."""
    estimate: Estimate
    """The calibrated mean."""


@dataclass(frozen=True, slots=True)
class CalibratedResult:
    """Means and refusals, by region."""

    run: FinishedRun
    """The run whose ledger was read."""
    estimates: tuple[CalibratedRegion, ...]
    """In the order asked for."""
    refused: Mapping[str, str]
    """Region id to the reason."""


def make_calibration(
    request: PlotRequest, settings: Settings, *, confidence: float
) -> CalibrationFile:
    """Return the calibration of a run's map to plots.

    Raises
    ------
    BadInput
        When run or plots cannot be used.
    Refusal
        When plots or counties are too few, or do not tell a line.
    """
    indicator = map_indicator(request.indicator, settings)
    run = open_run(request.run)
    paired: CalibrationPlots = pair_plots(request, run, settings)
    made = calibrate(
        paired.pairs, load_calibration_rules(settings.project), confidence=confidence
    )
    simulated = "simulated" in (paired.provenance, run.provenance)
    model_id, digest = _model(run)
    return CalibrationFile(
        format=FORMAT,
        indicator=indicator.id,
        period=run.period(MAP_INDICATORS[indicator.id]).label,
        model_id=model_id,
        model_digest=digest,
        pixel_size_m=run.config.grid.pixel_size_m,
        provenance="simulated" if simulated else "observed",
        plots=request.plots.name,
        plots_sha256=file_digest(request.plots),
        without_map_value=paired.without_map_value,
        calibration=made,
    )


def read_calibration(path: Path) -> CalibrationFile:
    """Return the calibration that ``to_json`` wrote.

    Raises
    ------
    BadInput
        When it cannot be read or is not one.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TableError(
            f"{path.name} cannot be read ({type(error).__name__})",
            expected="a file made by qhsink models calibrate",
            remedy="Name another file.",
        ) from error
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        raise TableError(
            f"{path.name} is no calibration of format {FORMAT}",
            expected="a file made by qhsink models calibrate",
            remedy="Make it again.",
        )
    return parse_noun(CalibrationFile, table, where=path.name)


def calibrated_means(
    file: CalibrationFile,
    run_folder: Path,
    names: tuple[str, ...],
    settings: Settings,
    *,
    type_name: str,
    confidence: float,
) -> CalibratedResult:
    """Return calibrated means of regions of a run.

    Parameters
    ----------
    names : tuple of str
        Region ids.
    type_name : str
        Grassland type of the regions' land; empty for the line of all types.
    confidence : float
        Level of intervals.

    Raises
    ------
    BadInput
        When the run's map is not the one that was calibrated, or a region is
        unknown.
    """
    run = open_run(run_folder)
    _refuse_other_map(file, run)
    indicator = map_indicator(file.indicator, settings)
    period = run.period(MAP_INDICATORS[indicator.id])
    admit(indicator, period=period, available=("fvc_map",))
    regions, leaves = run_regions(run, names, settings)
    found, refused = [], {}
    for region in regions:
        try:
            sums = region_sums(run, region, leaves, period)
            map_mean = float(sums.dry_member_means.mean())
            value, se = file.calibration.mean(type_name, map_mean)
        except Refusal as error:
            refused[region.id] = str(error)
            continue
        low, high = student_interval(
            value, se, file.calibration.df, confidence, bounds=(0.0, 1.0)
        )
        simulated = "simulated" in (file.provenance, run.provenance)
        estimate = Estimate(
            indicator=indicator.id,
            region=region.id,
            period=period.label,
            value=value,
            se=se,
            df=file.calibration.df,
            low=low,
            high=high,
            confidence=confidence,
            unit=indicator.unit,
            mode=MODE,
            n=file.calibration.line(type_name).plots,
            area_ha=sums.area_ha,
            valid_share=sums.valid_share,
            outside_share=sums.outside_share,
            provenance="simulated" if simulated else "observed",
            flags=_flags(file, period.label),
        )
        found.append(CalibratedRegion(region, map_mean, estimate))
    return CalibratedResult(run, tuple(found), refused)


def _flags(file: CalibrationFile, period: str) -> tuple[str, ...]:
    if period == file.period:
        return ()
    return (f"calibrated on plots of {file.period}",)


def _model(run: FinishedRun) -> tuple[str, str]:
    """Return id and digest of the model that made the run's map of cover."""
    content = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    model = content["model"]
    return str(model["id"]), str(model["digest"])


def _refuse_other_map(file: CalibrationFile, run: FinishedRun) -> None:
    model_id, digest = _model(run)
    size = run.config.grid.pixel_size_m
    if digest != file.model_digest or size != file.pixel_size_m:
        raise BadInput(
            f"a map of {model_id} with pixels of {size:g} m",
            expected=f"the map calibrated: {file.model_id}, {file.pixel_size_m:g} m",
            remedy="Calibrate this map: qhsink models calibrate --run "
            f"{run.folder.name}.",
        )


def line_rows(calibration: Calibration) -> list[dict[str, Any]]:
    """Return a row for each line: what people read of it."""
    return [
        {
            "type": line.type or "all types",
            "rule": line.rule,
            "plots": line.plots,
            "counties": line.counties,
            "intercept": line.intercept,
            "se_intercept": float(np.sqrt(line.covariance[0])),
            "slope": line.slope,
            "se_slope": float(np.sqrt(line.covariance[2])),
            "scatter": line.scatter,
        }
        for line in calibration.lines
    ]
