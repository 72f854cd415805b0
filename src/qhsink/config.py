"""TOML to frozen configuration: ``RunConfig`` (science) and ``Settings`` (places).

Every number that changes a result is in ``RunConfig`` and enters content keys;
where files lie and how many threads run is in ``Settings`` and never does. A key
that is not known is an error that names the nearest known one.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Protocol,
    TypeVar,
    get_args,
    get_type_hints,
)

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from qhsink.domain.carbon import (
    Band,
    DeductionSchedule,
    Factor,
    FactorChoice,
    FactorTable,
)
from qhsink.domain.errors import BadInput, ConfigError
from qhsink.domain.estimate import Target
from qhsink.domain.indicator import (
    ForestRule,
    GradeScale,
    Indicator,
    OfficialStatistic,
)
from qhsink.grid import Grid, named_crs

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

READS = "reads"
"""The table of ``config/sources.toml`` that is no source."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]
_Model = TypeVar("_Model", bound=BaseModel)


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


_Noun = TypeVar("_Noun", bound="DataclassInstance")
_Named = TypeVar("_Named", bound=_HasId)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GridConfig(_Section):
    """The analysis grid."""

    crs: str
    """``qinghai-albers``, an EPSG code or a PROJ string; must be equal-area."""
    pixel_size_m: Annotated[float, Field(gt=0)]
    """Edge of a pixel [m]."""
    tile_px: int = 1024
    """Edge of a tile [pixels]."""
    block_px: int = 512
    """Edge of a file's internal block [pixels]."""

    def build(self) -> Grid:
        """Return the grid; GridError when it cannot carry true areas."""
        return Grid(named_crs(self.crs), self.pixel_size_m, self.tile_px, self.block_px)


class SeasonConfig(_Section):
    """When the peak of growth is."""

    peak_start: Annotated[str, Field(pattern=r"^\d\d-\d\d$")]
    """First day of the peak window, MM-DD."""
    peak_end: Annotated[str, Field(pattern=r"^\d\d-\d\d$")]
    """Last day of the peak window, MM-DD."""


class MaskConfig(_Section):
    """Which observations are clear (methodology B1)."""

    scl_clear: tuple[int, ...]
    """Sentinel-2 scene classes kept."""
    scl_water: int
    """Sentinel-2 scene class of water."""
    qa_reject_bits: tuple[int, ...]
    """Landsat QA_PIXEL bits of which none may be set."""
    qa_water_bit: int
    """Landsat QA_PIXEL bit of water."""
    dilation_m: Annotated[float, Field(ge=0)]
    """Distance by which cloud, shadow and snow are grown [m]."""
    snow_ndsi: float
    """NDSI above which an observation is snow."""
    snow_nir: float
    """... if its near-infrared reflectance is above this."""


class CompositeConfig(_Section):
    """How dates become one value per pixel."""

    min_clear_month: Annotated[int, Field(ge=1)]
    """Clear dates required in a monthly median."""
    min_clear_peak: Annotated[int, Field(ge=1)]
    """Clear dates required in the peak-season composite."""
    peak_quantile: Share
    """Quantile of NDVI whose date is taken at the peak."""


class OffsetGuardConfig(_Section):
    """The statistical check for a scene shifted by a forgotten or doubled offset."""

    action: Literal["exclude", "warn"]
    """What happens to a scene that looks shifted."""
    shift: float
    """Reflectance shift that is looked for (1000 DN = 0.1)."""
    tolerance: float
    """Largest distance from ``shift`` that still counts as that shift."""
    dark_percentile: float
    """Percentile of red reflectance taken as the dark level [%]."""
    max_days: int
    """Neighbouring dates further apart than this are not compared [days]."""


class RegionRules(_Section):
    """When a region gets a number."""

    min_valid_share: Share
    """Least share of land area with enough clear observations."""
    inside_province: bool = True
    """Whether a user's region must lie in Qinghai; false on another grid."""


class ModelChoice(_Section):
    """Exact model ids; never ``latest``."""

    fvc: str
    """Folder name in ``models/``."""


class EstimateConfig(_Section):
    """Interval and verdict level."""

    confidence: Annotated[float, Field(gt=0.5, lt=1.0)]
    """Confidence of intervals and verdicts."""


class IndicatorChoice(_Section):
    """Which indicators a run reports, in reading order."""

    report: tuple[str, ...]
    """Ids from ``config/indicators.toml``."""


class RunConfig(_Section):
    """Everything that changes a result."""

    grid: GridConfig
    season: SeasonConfig
    masks: MaskConfig
    composite: CompositeConfig
    offset_guard: OffsetGuardConfig
    regions: RegionRules
    models: ModelChoice
    estimate: EstimateConfig
    indicators: IndicatorChoice


class SourceConfig(_Section):
    """One place where scenes come from."""

    kind: Literal["static", "api", "earthengine"]
    """A static catalogue (or a folder of items) on disk, a STAC API, Earth Engine."""
    url: str
    """Path (relative to the project folder) or URL of catalogue, API or endpoint."""
    collections: tuple[str, ...] = ()
    """Collections searched; empty for all in a static catalogue."""
    exclude: tuple[str, ...] = ()
    """Item ids left out: their metadata or files are known to be wrong."""
    run_config: str = "monitor.toml"
    """Run configuration that goes with it, in ``config/``."""
    token_url: str = ""
    """Where an address is signed, with ``{account}`` and ``{container}`` to be filled
    in from it; empty when addresses need no signature."""
    bearer_env: str = ""
    """Environment variable with an access token; empty when none is needed."""
    key_hosts: tuple[str, ...] = ()
    """Hosts that get the signature or the token; ``.example.org`` for all below it."""
    alternate: str = ""
    """Name of the alternate address that is read (``alternate`` of an asset)."""
    cloud_project: str = ""
    """Earth Engine: Google Cloud project; ``EARTHENGINE_PROJECT`` when empty."""
    deadline_s: Annotated[float, Field(gt=0)] = 300.0
    """Earth Engine: longest time for one request, answer included [s]."""
    max_concurrent: Annotated[int, Field(ge=1, le=40)] = 8
    """Earth Engine: requests at once in one process; a project may have 40."""
    cloud_score: Annotated[float, Field(ge=0, le=1)] = 0.60
    """Earth Engine: Cloud Score+ ``cs_cdf`` below which a pixel is cloud; 0: unused."""
    note: str = ""
    """What a user should know."""


class ReadConfig(_Section):
    """Bounds on reading over a network; none changes a result."""

    concurrent: Annotated[int, Field(ge=1, le=64)] = 16
    """Requests under way at once in one process."""
    tries: Annotated[int, Field(ge=1, le=20)] = 5
    """Tries per request."""
    backoff_s: Annotated[float, Field(gt=0)] = 0.5
    """Pause before the second try; doubled for each one more [s]."""
    connect_s: Annotated[float, Field(gt=0)] = 10.0
    """Longest wait for a connection [s]."""
    idle_s: Annotated[float, Field(gt=0)] = 30.0
    """Longest silence of a server [s]."""
    total_s: Annotated[float, Field(gt=0)] = 300.0
    """Longest time on the network for one file of one tile, tries and all [s]."""
    page_kb: Annotated[int, Field(ge=16, le=4096)] = 256
    """Size of the pages that reads are kept in [KiB]."""
    request_kb: Annotated[int, Field(ge=16, le=16384)] = 1024
    """Neighbouring pages are asked for together up to this [KiB]."""
    whole_mb: Annotated[float, Field(ge=0)] = 8.0
    """Files up to this size whose checksum is known are read whole and checked before
    use; larger ones once all of their pages have been read [MB]."""


class Settings(_Section):
    """Places and means; nothing here changes a result."""

    project: Path
    """Folder that holds ``aoi/``, ``config/`` and ``models/``."""
    store: Path
    """Artifact store."""
    workers: Annotated[int, Field(ge=1)] = 2
    """Tiles computed at once."""
    reads: ReadConfig = ReadConfig()
    """Bounds on reading over a network."""


def project_dir() -> Path:
    """Return the folder with ``config/monitor.toml``.

    Looked for in ``QHSINK_HOME``, the working directory and its parents, and the
    clone that this code runs from.
    """
    here = Path(__file__).resolve()
    named = os.environ.get("QHSINK_HOME")
    candidates = [Path(named)] if named else [Path.cwd(), *Path.cwd().parents]
    candidates += [] if named else [here.parents[2]]
    for folder in candidates:
        if (folder / "config" / "monitor.toml").is_file():
            return folder
    raise ConfigError(
        f"no config/monitor.toml in {candidates[0]}",
        expected="a qhsink project folder (aoi/, config/, models/)",
        remedy="Run from a clone, or set QHSINK_HOME to its folder.",
    )


def load_settings(*, store: Path | None = None, workers: int = 2) -> Settings:
    """Return the settings of this run; the store defaults to ``work/store``."""
    project = project_dir()
    return Settings(
        project=project,
        store=store or project / "work" / "store",
        workers=workers,
        reads=load_reads(project),
    )


def read_toml(path: Path) -> dict[str, Any]:
    """Return the parsed file, with ``extends = "other.toml"`` merged beneath it.

    Raises
    ------
    ConfigError
        When the file is absent or is not TOML.
    """
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except FileNotFoundError as error:
        raise ConfigError(
            f"no file {path}",
            expected="a TOML configuration",
            remedy="Name an existing file with --config.",
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{path.name}: {error}",
            expected="valid TOML",
            remedy="Correct the line named.",
        ) from error
    parent = table.pop("extends", None)
    return _merge(read_toml(path.parent / parent), table) if parent else table


def load_run_config(path: Path) -> RunConfig:
    """Return the frozen run configuration in ``path``."""
    return parse_section(RunConfig, read_toml(path), where=path.name)


def load_sources(project: Path) -> dict[str, SourceConfig]:
    """Return the sources of ``config/sources.toml`` by name."""
    table = read_toml(project / "config" / "sources.toml")
    return {
        name: parse_section(SourceConfig, entry, where=f"sources.toml [{name}]")
        for name, entry in table.items()
        if name != READS
    }


def load_reads(project: Path) -> ReadConfig:
    """Return the bounds on reading, ``[reads]`` of ``config/sources.toml``.

    They have defaults: neither the table nor the file needs to be there.
    """
    path = project / "config" / "sources.toml"
    table = read_toml(path).get(READS, {}) if path.is_file() else {}
    return parse_section(ReadConfig, table, where=f"sources.toml [{READS}]")


def load_targets(project: Path) -> tuple[Target, ...]:
    """Return the dated targets of ``config/targets.toml``."""
    table = read_toml(project / "config" / "targets.toml")
    optional = {"value": None, "baseline_value": None, "baseline_year": None}
    entries = [optional | entry for entry in table.get("target", [])]
    targets = _parse_nouns(Target, {"target": entries}, "target", where="targets.toml")
    for target in targets:
        _check_validity(target)
    return tuple(_by_id(targets, where="targets.toml").values())


def load_indicators(project: Path) -> Mapping[str, Indicator]:
    """Return the definitions of ``config/indicators.toml`` by id."""
    table = read_toml(project / "config" / "indicators.toml")
    return _by_id(
        _parse_nouns(Indicator, table, "indicator", where="indicators.toml"),
        where="indicators.toml",
    )


def load_factors(project: Path, *, file: Path | None = None) -> FactorTable:
    """Return the conversion factors of ``config/factors.toml``."""
    table = read_toml(file or project / "config" / "factors.toml")
    factors = _parse_nouns(Factor, table, "factor", where="factors.toml")
    return FactorTable(tuple(_by_id(factors, where="factors.toml").values()))


def load_bands(project: Path, *, file: Path | None = None) -> tuple[Band, ...]:
    """Return the plausibility bands of ``config/factors.toml``."""
    table = read_toml(file or project / "config" / "factors.toml")
    return _parse_nouns(Band, table, "band", where="factors.toml")


def load_deductions(
    project: Path, *, file: Path | None = None
) -> Mapping[str, DeductionSchedule]:
    """Return the deduction schedules of ``config/factors.toml`` by id."""
    table = read_toml(file or project / "config" / "factors.toml")
    schedules = _parse_nouns(
        DeductionSchedule, table, "deduction", where="factors.toml"
    )
    return _by_id(schedules, where="factors.toml")


def load_factor_choices(
    project: Path, *, file: Path | None = None
) -> Mapping[str, FactorChoice]:
    """Return which factors each ecosystem uses, by ecosystem."""
    table = read_toml(file or project / "config" / "factors.toml")
    choices = _parse_nouns(FactorChoice, table, "recipe", where="factors.toml")
    return _by_id(choices, where="factors.toml")


def load_official(project: Path) -> tuple[OfficialStatistic, ...]:
    """Return the official statistics of ``config/official.toml``."""
    table = read_toml(project / "config" / "official.toml")
    return _parse_nouns(OfficialStatistic, table, "statistic", where="official.toml")


def load_grades(project: Path) -> Mapping[str, GradeScale]:
    """Return the grade scales of ``config/strata.toml`` by id."""
    table = read_toml(project / "config" / "strata.toml")
    scales = _parse_nouns(GradeScale, table, "grades", where="strata.toml")
    return _by_id(scales, where="strata.toml")


def load_forest_rules(project: Path) -> Mapping[str, ForestRule]:
    """Return ``forest_national`` and ``forest_fao`` of ``config/strata.toml``."""
    table = read_toml(project / "config" / "strata.toml")
    return {
        name: _parse_noun(
            ForestRule, table.get(name, {}), where=f"strata.toml [{name}]"
        )
        for name in ("forest_national", "forest_fao")
    }


def parse_section(
    kind: type[_Model], table: Mapping[str, Any], *, where: str
) -> _Model:
    """Return ``table`` as ``kind``; ConfigError names the first wrong key."""
    try:
        return kind.model_validate(table)
    except pydantic.ValidationError as error:
        known = tuple(_field_names(kind))
        raise _config_error(error, where=where, known=known) from error


def _check_validity(target: Target) -> None:
    try:
        ordered = date.fromisoformat(target.valid_from) <= date.fromisoformat(
            target.valid_to
        )
    except ValueError:
        ordered = False
    if not ordered:
        raise ConfigError(
            f"targets.toml [[target]] {target.id}: valid from {target.valid_from!r} "
            f"to {target.valid_to!r}",
            expected="two dates in order, each as YYYY-MM-DD",
            remedy="Correct valid_from or valid_to.",
        )


def _parse_nouns(
    kind: type[_Noun], table: Mapping[str, Any], key: str, *, where: str
) -> tuple[_Noun, ...]:
    return tuple(
        _parse_noun(
            kind, entry, where=f"{where} [[{key}]] {entry.get('id', f'no. {number}')}"
        )
        for number, entry in enumerate(table.get(key, []), start=1)
    )


def _parse_noun(kind: type[_Noun], entry: Mapping[str, Any], *, where: str) -> _Noun:
    _reject_unknown_keys(kind, entry, where=where)
    known = tuple(field.name for field in dataclasses.fields(kind))
    try:
        return pydantic.TypeAdapter(kind).validate_python(dict(entry))
    except pydantic.ValidationError as error:
        raise _config_error(error, where=where, known=known) from error
    except BadInput as error:
        raise ConfigError(
            f"{where}: {error.found}", expected=error.expected, remedy=error.remedy
        ) from error


def _reject_unknown_keys(kind: type, entry: Mapping[str, Any], *, where: str) -> None:
    hints = get_type_hints(kind)
    for key, value in entry.items():
        if key not in hints:
            near = difflib.get_close_matches(key, hints, n=1)
            raise ConfigError(
                f"{where}: unknown key {key!r}",
                expected="a known key",
                remedy=f"Did you mean {near[0]!r}?" if near else "Remove it.",
            )
        inner = [
            part
            for part in get_args(hints[key])
            if isinstance(part, type) and dataclasses.is_dataclass(part)
        ]
        for row in value if inner and isinstance(value, list) else ():
            _reject_unknown_keys(inner[0], row, where=f"{where}, {key}")


def _by_id(nouns: Iterable[_Named], *, where: str) -> dict[str, _Named]:
    table: dict[str, _Named] = {}
    for noun in nouns:
        if noun.id in table:
            raise ConfigError(
                f"{where}: id {noun.id!r} twice",
                expected="every id once",
                remedy="Rename or remove one of the two.",
            )
        table[noun.id] = noun
    return table


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _field_names(kind: type[BaseModel]) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        yield name
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _field_names(inner)


def _config_error(
    error: pydantic.ValidationError, *, where: str, known: tuple[str, ...]
) -> ConfigError:
    # A misspelt key is also a missing one: the word that was written says more.
    unknown = ("extra_forbidden", "unexpected_keyword_argument")
    found = sorted(error.errors(), key=lambda e: e["type"] not in unknown)
    first = found[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] in unknown:
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else "Remove it."
        return ConfigError(
            f"{where}: unknown key {path!r}", expected="a known key", remedy=hint
        )
    if first["type"] in ("missing", "missing_argument"):
        return ConfigError(
            f"{where}: key {path!r} is missing",
            expected="every key to be given",
            remedy="Add it; config/monitor.toml shows each with its meaning.",
        )
    return ConfigError(
        f"{where}: {path} = {first['input']!r}",
        expected=first["msg"][0].lower() + first["msg"][1:],
        remedy="Correct that value.",
    )
