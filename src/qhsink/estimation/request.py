"""What ``estimate total`` is asked, and the checked columns it is asked of.

Reads tables of text into a sample and its design, and refuses options that do not
fit the method. Estimating belongs to ``total``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qhsink.domain.errors import TableError
from qhsink.estimation.domains import Level
from qhsink.estimation.greg import Residuals
from qhsink.estimation.schema import (
    labels,
    match_strata,
    numbers,
    require_columns,
    sizes_by_label,
)
from qhsink.estimation.survey import (
    Codes,
    Floats,
    StratifiedClusters,
    stratified_sample,
)

Method = Literal[
    "srs",
    "stratified",
    "poststratified",
    "ratio",
    "regression",
    "difference",
    "two-phase",
    "cluster",
    "ht",
]

SAMPLE, STRATA = "the sample", "the strata table"


@dataclass(frozen=True, slots=True)
class TotalRequest:
    """What is to be estimated from which columns."""

    y: str
    """Variable of interest."""
    method: Method
    """Estimator."""
    population: float | None = None
    """Units in the population; clusters in the frame for ``cluster``."""
    stratum: str | None = None
    """Stratum column (post-stratum for ``poststratified``)."""
    weight: str | None = None
    """Column of design weights."""
    prob: str | None = None
    """Column of inclusion probabilities."""
    cluster: str | None = None
    """Cluster column."""
    domain: str | None = None
    """Domain column."""
    aux: tuple[str, ...] = ()
    """Auxiliary columns."""
    ratio_of: str | None = None
    """Denominator column of a ratio."""
    fpc: bool = False
    """Whether sampling without replacement is corrected for."""
    residuals: Residuals = "g-weighted"
    """Residual convention of calibrated variances."""
    ratio: Literal["combined", "separate"] = "combined"
    """Ratio estimator over strata."""
    clusters_in_frame: float | None = None
    """Clusters in the frame, for methods whose population counts units."""
    first_phase: float | None = None
    """First-phase units, for two-phase regression."""
    level: Level = field(default_factory=Level)
    """Interval wanted."""


@dataclass(frozen=True, slots=True)
class TotalTables:
    """The tables of a request; cells are text."""

    sample: pd.DataFrame
    """One row per sample unit."""
    strata: pd.DataFrame | None = None
    """``stratum,units``."""
    aux_means: pd.DataFrame | None = None
    """Population means of the auxiliaries."""
    joint: Floats | None = None
    """Joint inclusion probabilities, shape (n, n)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Checked columns of the sample."""

    y: Floats
    domain: NDArray[np.str_] | None
    cluster: Codes | None
    weight: Floats | None
    stratum: Codes | None
    """Codes into ``sizes``, or plain codes without a strata table."""
    sizes: Floats | None
    names: tuple[str, ...]

    @property
    def n(self) -> int:
        """Sample units."""
        return len(self.y)


_NEEDS: dict[Method, tuple[str, ...]] = {
    "srs": (),
    "stratified": ("stratum", "strata"),
    "poststratified": ("stratum", "strata"),
    "ratio": (),
    "regression": ("aux", "aux_means"),
    "difference": ("aux", "aux_means"),
    "two-phase": ("population",),
    "cluster": ("cluster",),
    "ht": (),
}
_IGNORES: dict[Method, tuple[str, ...]] = {
    "srs": ("stratum", "cluster", "aux", "aux_means", "joint"),
    "stratified": ("cluster", "aux", "aux_means", "joint"),
    "poststratified": ("aux", "aux_means", "joint"),
    "ratio": ("joint",),
    "regression": ("ratio_of", "joint"),
    "difference": ("ratio_of", "joint"),
    "two-phase": ("cluster", "weight", "prob", "joint"),
    "cluster": ("aux", "aux_means", "joint", "clusters_in_frame"),
    "ht": ("aux", "aux_means"),
}


def check_options(request: TotalRequest, tables: TotalTables) -> None:
    """Raise TableError when an option is missing for the method, or would be idle."""
    given = {
        "strata": tables.strata is not None,
        "aux_means": tables.aux_means is not None,
        "joint": tables.joint is not None,
    }

    def is_given(name: str) -> bool:
        return given[name] if name in given else bool(getattr(request, name))

    absent = [name for name in _NEEDS[request.method] if not is_given(name)]
    if absent:
        raise TableError(
            f"method {request.method} without {_flags(absent)}",
            expected=f"{_flags(_NEEDS[request.method])} with this method",
            remedy="Add the option.",
        )
    stray = [name for name in _IGNORES[request.method] if is_given(name)]
    if stray:
        raise TableError(
            f"method {request.method} with {_flags(stray)}, which it cannot use",
            expected="only options that enter the estimate",
            remedy="Leave it out, or choose the method that uses it.",
        )
    if request.weight and request.prob:
        raise TableError(
            "both --weight and --prob",
            expected="one of them: a weight is 1 / probability",
            remedy="Leave one out.",
        )


def _flags(names: list[str] | tuple[str, ...]) -> str:
    odd = {"joint": "--joint-prob"}
    return ", ".join(odd.get(n, "--" + n.replace("_", "-")) for n in names)


def read_sample(request: TotalRequest, tables: TotalTables) -> Sample:
    """Return the checked columns of the sample; TableError when one is wrong."""
    frame = tables.sample
    optional = (request.stratum, request.weight, request.prob, request.cluster)
    rest = (request.domain, request.ratio_of, *request.aux)
    wanted = [request.y, *(name for name in (*optional, *rest) if name)]
    require_columns(frame, wanted, table=SAMPLE)
    cluster = _codes(frame, request.cluster)[0] if request.cluster else None
    stratum, sizes, names = _read_strata(request, tables)
    return Sample(
        y=numbers(frame, request.y, table=SAMPLE),
        domain=labels(frame, request.domain, table=SAMPLE) if request.domain else None,
        cluster=cluster,
        weight=_weights(frame, request),
        stratum=stratum,
        sizes=sizes,
        names=names,
    )


def _codes(frame: pd.DataFrame, column: str) -> tuple[Codes, tuple[str, ...]]:
    names, codes = np.unique(labels(frame, column, table=SAMPLE), return_inverse=True)
    return codes.astype(np.intp), tuple(names.tolist())


def _read_strata(
    request: TotalRequest, tables: TotalTables
) -> tuple[Codes | None, Floats | None, tuple[str, ...]]:
    if not request.stratum:
        if tables.strata is not None:
            raise TableError(
                "--strata without --stratum",
                expected="the sample's stratum column",
                remedy="Add --stratum COLUMN.",
            )
        return None, None, ()
    if tables.strata is None:
        codes, names = _codes(tables.sample, request.stratum)
        return codes, None, names
    sizes = sizes_by_label(tables.strata, table=STRATA)
    found = labels(tables.sample, request.stratum, table=SAMPLE)
    return match_strata(found, sizes), np.asarray(list(sizes.values())), tuple(sizes)


def _weights(frame: pd.DataFrame, request: TotalRequest) -> Floats | None:
    column = request.weight or request.prob
    if not column:
        return None
    values = numbers(frame, column, table=SAMPLE)
    bad = (values <= 0.0) | ((values > 1.0) if request.prob else False)
    if np.any(bad):
        line = int(np.argmax(bad)) + 2
        raise TableError(
            f"{SAMPLE}, column {column!r}, line {line}: {values[line - 2]:g}",
            expected="a probability in (0, 1]" if request.prob else "a positive weight",
            remedy="Correct the value: a sampled unit had a chance of being drawn.",
        )
    return 1.0 / values if request.prob else values


def check_sum(request: TotalRequest, sample: Sample) -> None:
    """Refuse strata, or weights, that do not add to the population.

    Strata may differ by the rounding of their sizes. Weights of a simple or stratified
    sample are known before it is drawn; 5 % allows for what was adjusted since.
    """
    population = request.population
    if population is not None and sample.sizes is not None:
        total = float(sample.sizes.sum())
        if abs(total - population) > max(0.5 * len(sample.sizes), 1e-6 * population):
            raise TableError(
                f"{STRATA} adds to {total:g} units, --population is {population:g}",
                expected="strata that make up the population",
                remedy="Correct one of them; both count the same units.",
            )
    if sample.weight is None or request.method not in ("srs", "stratified"):
        return
    known = population if sample.sizes is None else float(sample.sizes.sum())
    weights = float(sample.weight.sum())
    if known is not None and abs(weights - known) > 0.05 * known:
        raise TableError(
            f"weights that add to {weights:g} in a population of {known:g}",
            expected="weights that stand for the population, within 5 %",
            remedy="Correct the weights or --population.",
        )


def population_units(request: TotalRequest, sample: Sample) -> float:
    """Return the number of units in the population.

    Raises
    ------
    TableError
        When neither the request nor strata nor weights tell it.
    """
    if sample.sizes is not None and request.method != "cluster":
        return float(sample.sizes.sum())
    if request.population is not None:
        return request.population
    if sample.weight is not None and request.method != "cluster":
        return float(sample.weight.sum())
    raise TableError(
        f"method {request.method} without --population",
        expected="the number of units in the population (of clusters in the frame, "
        "for cluster)",
        remedy="Add --population N.",
    )


def base_design(request: TotalRequest, sample: Sample) -> StratifiedClusters:
    """Return the design before any calibration."""
    poststratified = request.method == "poststratified"
    stratum = None if poststratified else sample.stratum
    sizes = _first_stage_sizes(request, sample, stratified=stratum is not None)
    weight = sample.weight
    if weight is None and sample.cluster is not None and sizes is None:
        weight = np.full(sample.n, population_units(request, sample) / sample.n)
    return stratified_sample(
        sample.n,
        stratum=stratum,
        cluster=sample.cluster,
        sizes=sizes,
        weight=weight,
        fpc=request.fpc,
    )


def _first_stage_sizes(
    request: TotalRequest, sample: Sample, *, stratified: bool
) -> Floats | None:
    if sample.cluster is not None and request.method != "cluster":
        if request.clusters_in_frame is None:
            return None
        if stratified:
            raise TableError(
                "--clusters-in-frame with strata",
                expected="one number of clusters for the whole frame",
                remedy="Use --method cluster, where strata.csv counts clusters.",
            )
        return np.asarray([request.clusters_in_frame])
    if stratified:
        return sample.sizes
    known = sample.weight is not None and not request.fpc
    if known and request.population is None:
        return None
    return np.asarray([population_units(request, sample)])
