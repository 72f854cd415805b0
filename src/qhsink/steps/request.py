"""What was asked for, checked before anything is read or written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from qhsink.config import (
    RunConfig,
    Settings,
    SourceConfig,
    load_run_config,
    load_sources,
)
from qhsink.domain.errors import BadInput, ConfigError
from qhsink.domain.period import Period, parse_month, peak_season
from qhsink.sources.transfer import is_remote
from qhsink.steps.map_indicators import TARGET_INDICATORS


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A monthly run, in words that fit a schedule or a form."""

    month: str
    """Calendar month, ``YYYY-MM``."""
    regions: tuple[str, ...]
    """Region ids, or paths of vector files."""
    source: str
    """Name in ``config/sources.toml``, or path of a static catalogue or folder."""
    config: str | None = None
    """Run configuration; the source's own when None."""
    out: str | None = None
    """Folder of the results; ``out/<month>-<source>`` when None."""
    models: tuple[tuple[str, str], ...] = ()
    """Overrides ``(target, model id)``."""

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> RunRequest:
        """Return the request that ``to_json`` wrote."""
        models = tuple((target, model) for target, model in table["models"])
        return cls(**{**table, "regions": tuple(table["regions"]), "models": models})

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class Setup:
    """A request with its configuration found and checked."""

    request: RunRequest
    settings: Settings
    config: RunConfig
    config_name: str
    """File name of the run configuration."""
    source: SourceConfig
    month: Period
    peak: Period | None
    """The peak season that is complete by the end of the month, if any."""
    season: Period | None
    """Days that seasonal statistics are of, where there is a peak season."""
    out: Path
    """Folder of the results."""


def set_up(request: RunRequest, settings: Settings) -> Setup:
    """Return the request with everything it names loaded.

    Raises
    ------
    BadInput
        When the month, the source, the configuration or ``out`` cannot be used.
    """
    month = parse_month(request.month)
    if not request.regions:
        raise BadInput(
            "no region",
            expected="at least one region id or vector file",
            remedy="Add --region ID; `qhsink aoi list` shows the ids.",
        )
    source = find_source(request.source, settings)
    path = settings.project / "config" / source.run_config
    config = load_run_config(Path(request.config) if request.config else path)
    config = _with_models(config, request.models)
    season = config.season
    full = peak_season(month.start.year, start=season.peak_start, end=season.peak_end)
    peak = full if full.end <= month.end else None
    name = Path(request.source).stem if "/" in request.source else request.source
    default = settings.project / "out" / f"{request.month}-{name}"
    return Setup(
        request=request,
        settings=settings,
        config=config,
        config_name=Path(request.config).name if request.config else path.name,
        source=source,
        month=month,
        peak=peak,
        season=None if peak is None else season_of(peak, config),
        out=_writable_out(Path(request.out) if request.out else default),
    )


def season_of(peak: Period, config: RunConfig) -> Period:
    """Return the days that seasonal statistics are of: green-up to the peak's end.

    Raises
    ------
    ConfigError
        When they begin within the peak season.
    """
    year, first = peak.start.year, config.layers.season_start
    start = date.fromisoformat(f"{year}-{first}")
    if start > peak.start:
        raise ConfigError(
            f"[layers] season_start = {first!r}, the peak season from {peak.start}",
            expected="a season that holds the peak",
            remedy="Let it start earlier.",
        )
    return Period(start, peak.end, f"{year}-season")


def find_source(name: str, settings: Settings) -> SourceConfig:
    """Return the source called ``name``, or a static one for a path or address.

    Raises
    ------
    BadInput
        When it is neither.
    """
    sources = load_sources(settings.project)
    if name in sources:
        return sources[name]
    if is_remote(name):
        return SourceConfig(kind="static", url=name)
    if Path(name).exists():
        return SourceConfig(kind="static", url=str(Path(name).resolve()))
    raise BadInput(
        f"source {name!r}",
        expected=f"one of {', '.join(sources)}, or where a catalogue is",
        remedy="Correct --source, or add it to config/sources.toml.",
    )


def _with_models(config: RunConfig, models: tuple[tuple[str, str], ...]) -> RunConfig:
    """Return ``config`` with models named for one run, and what they serve reported."""
    known = type(config.models).model_fields
    for target, _ in models:
        if target not in known:
            raise BadInput(
                f"--model {target}=...",
                expected=f"one of the targets {', '.join(known)}",
                remedy="Correct the target before the equals sign.",
            )
    chosen = config.models.model_copy(update=dict(models))
    report = config.indicators.report
    named = {target for target, _ in models}
    reported = {
        TARGET_INDICATORS[name].target for name in report if name in TARGET_INDICATORS
    }
    added = [
        name
        for name, made in TARGET_INDICATORS.items()
        if made.target in named - reported
    ]
    indicators = config.indicators.model_copy(update={"report": (*report, *added)})
    return config.model_copy(update={"models": chosen, "indicators": indicators})


def _writable_out(out: Path) -> Path:
    if out.is_dir() and any(out.iterdir()) and not (out / "run.json").is_file():
        raise BadInput(
            f"--out {out} holds files that are not a qhsink run",
            expected="a new or empty folder, or an earlier run to be replaced",
            remedy="Name another folder.",
        )
    if out.exists() and not out.is_dir():
        raise BadInput(
            f"--out {out} is a file",
            expected="a folder",
            remedy="Name another folder.",
        )
    return out
