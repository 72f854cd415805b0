"""From tables and a named method to totals and means: what ``estimate total`` does.

Chooses design and estimator; the arithmetic is in ``survey``, ``greg``,
``two_phase`` and ``unequal``. Opening files belongs to the command line.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from qhsink.domain.errors import TableError
from qhsink.estimation import greg
from qhsink.estimation.domains import TotalEstimate, present
from qhsink.estimation.request import (
    SAMPLE,
    STRATA,
    Method,
    Sample,
    TotalRequest,
    TotalTables,
    base_design,
    check_options,
    check_sum,
    read_sample,
)
from qhsink.estimation.schema import (
    labels,
    match_strata,
    numbers,
    require_columns,
    sizes_by_label,
)
from qhsink.estimation.survey import Design, Moments, rescale, stratified_sample
from qhsink.estimation.total_assisted import (
    difference,
    ratio,
    regression,
    sample_auxiliaries,
)
from qhsink.estimation.total_rows import estimate_rows, uncalibrated
from qhsink.estimation.two_phase import double_regression, double_stratified
from qhsink.estimation.unequal import HajekBerger, YatesGrundy


def estimate_totals(
    request: TotalRequest, tables: TotalTables
) -> tuple[TotalEstimate, ...]:
    """Return total and mean, one row per domain level.

    Raises
    ------
    TableError
        When a table breaks its schema, or the options do not fit the method.
    """
    check_options(request, tables)
    # Overflow is caught where an estimate is made, with a message for people.
    with np.errstate(over="ignore", invalid="ignore"):
        if request.method == "two-phase":
            return _two_phase(request, tables)
        sample = read_sample(request, tables)
        check_sum(request, sample)
        return _ESTIMATORS[request.method](request, tables, sample)


def _expansion(
    request: TotalRequest, tables: TotalTables, sample: Sample
) -> tuple[TotalEstimate, ...]:
    names = {
        "srs": "simple random sampling, expansion",
        "stratified": "stratified random sampling, expansion",
        "cluster": "one-stage cluster sampling, expansion; mean per unit as a ratio",
    }
    design = base_design(request, sample)
    name = names[request.method]
    if sample.weight is not None:
        name += " with given weights"
    return estimate_rows(request, tables, sample, design, uncalibrated(sample), name)


def _poststratified(
    request: TotalRequest, tables: TotalTables, sample: Sample
) -> tuple[TotalEstimate, ...]:
    design = base_design(request, sample)
    if sample.stratum is None or sample.sizes is None:  # pragma: no cover
        raise AssertionError
    fit = greg.poststratify(
        design, sample.stratum, sample.sizes, residuals=request.residuals
    )
    name = f"post-stratification, {request.residuals} residuals"
    return estimate_rows(request, tables, sample, design, fit, name)


def _horvitz_thompson(
    request: TotalRequest, tables: TotalTables, sample: Sample
) -> tuple[TotalEstimate, ...]:
    if sample.weight is None:
        raise TableError(
            "method ht without inclusion probabilities",
            expected="--prob COLUMN (or --weight COLUMN, its inverse)",
            remedy="Add the option.",
        )
    base = stratified_sample(
        sample.n, stratum=sample.stratum, cluster=sample.cluster, weight=sample.weight
    )
    design: Design = base
    if tables.joint is not None:
        if sample.cluster is not None or sample.stratum is not None:
            raise TableError(
                "--joint-prob with --cluster or --stratum",
                expected="joint probabilities alone: they hold the whole design",
                remedy="Leave out the other option.",
            )
        design = YatesGrundy(sample.weight, tables.joint)
    elif request.fpc:
        if sample.cluster is not None or np.any(sample.weight < 1.0):
            raise TableError(
                "--fpc with clusters, or with weights below 1, under method ht",
                expected="units drawn with probabilities of at most 1",
                remedy="Leave out --fpc for the with-replacement variance.",
            )
        design = HajekBerger(sample.weight, base.stratum)
    name = "Horvitz-Thompson"
    if request.population is None:
        name += "; mean as a ratio (Hajek)"
    return estimate_rows(
        request,
        tables,
        sample,
        design,
        uncalibrated(sample),
        name,
        units=request.population,
    )


def _two_phase(request: TotalRequest, tables: TotalTables) -> tuple[TotalEstimate, ...]:
    wanted = [request.y, *(c for c in (request.stratum, *request.aux) if c)]
    require_columns(tables.sample, wanted, table=SAMPLE)
    measured = tables.sample[request.y].astype(str).str.strip() != ""
    if request.aux:
        return _two_phase_regression(request, tables, measured)
    if not request.stratum:
        raise TableError(
            "method two-phase without --stratum or --aux",
            expected="first-phase strata, or a first-phase auxiliary",
            remedy="Add one of them.",
        )
    if tables.strata is not None:
        first = sizes_by_label(tables.strata, table=STRATA)
    else:
        everyone = labels(tables.sample, request.stratum, table=SAMPLE)
        found, counts = np.unique(everyone, return_counts=True)
        first = dict(zip(found.tolist(), counts.astype(float).tolist(), strict=True))
    frame = tables.sample[measured]
    codes = match_strata(labels(frame, request.stratum, table=SAMPLE), first)
    design = double_stratified(
        codes,
        list(first.values()),
        population=float(request.population or 0.0),
        fpc=request.fpc,
    )
    second = TotalTables(frame)
    sample = Sample(
        y=numbers(frame, request.y, table=SAMPLE),
        domain=labels(frame, request.domain, table=SAMPLE) if request.domain else None,
        cluster=None,
        weight=None,
        stratum=codes,
        sizes=None,
        names=tuple(first),
    )
    name = f"two-phase for stratification, {sum(first.values()):g} first-phase units"
    return estimate_rows(request, second, sample, design, uncalibrated(sample), name)


def _two_phase_regression(
    request: TotalRequest, tables: TotalTables, measured: pd.Series[bool]
) -> tuple[TotalEstimate, ...]:
    if request.domain or request.stratum or request.ratio_of:
        raise TableError(
            "two-phase regression with domains, strata or a ratio",
            expected="--aux alone",
            remedy="Use two-phase with --stratum for domains.",
        )
    frame = tables.sample[measured]
    size = request.first_phase
    if tables.aux_means is not None:
        known = sample_auxiliaries(
            request, TotalTables(frame, aux_means=tables.aux_means)
        )
        values, means = known.columns, known.means
        size = size if size is not None else known.first_phase
    else:
        columns = [numbers(tables.sample, c, table=SAMPLE) for c in request.aux]
        every = np.column_stack(columns)
        values, means = every[measured.to_numpy()], every.mean(axis=0)
        size = float(len(every))
    if size is None:
        raise TableError(
            "two-phase regression without the size of the first phase",
            expected="--first-phase N (or a column n in the table of means), or the "
            "first-phase units as rows with an empty y",
            remedy="Add one of them.",
        )
    y = numbers(frame, request.y, table=SAMPLE)
    population = float(request.population or 0.0)
    mean = double_regression(
        y, values, means, first_size=size, population=population, fpc=request.fpc
    )
    row = _single_row(request, mean, len(y), len(y) - values.shape[1] - 1.0)
    return (row,)


def _single_row(
    request: TotalRequest, mean: Moments, n: int, df: float
) -> TotalEstimate:
    return present(
        domain=None,
        n=n,
        mean=mean,
        total=rescale(mean, float(request.population or 0.0)),
        df=df,
        level=request.level,
        method=f"two-phase regression on {', '.join(request.aux)}; "
        + ("finite population correction" if request.fpc else "no finite correction"),
    )


_Estimator = Callable[[TotalRequest, TotalTables, Sample], tuple[TotalEstimate, ...]]
_ESTIMATORS: dict[Method, _Estimator] = {
    "srs": _expansion,
    "stratified": _expansion,
    "cluster": _expansion,
    "poststratified": _poststratified,
    "ratio": ratio,
    "regression": regression,
    "difference": difference,
    "ht": _horvitz_thompson,
}
