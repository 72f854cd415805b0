"""From tables and a named method to totals and means: what ``estimate total`` does.

Chooses design and estimator; the arithmetic is in ``survey``, ``greg``,
``two_phase`` and ``unequal``. Opening files belongs to the command line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from qhsink.domain.errors import TableError
from qhsink.estimation import greg
from qhsink.estimation.auxiliaries import Auxiliaries, read_auxiliaries
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
    population_units,
    read_sample,
)
from qhsink.estimation.schema import (
    labels,
    match_strata,
    numbers,
    require_columns,
    sizes_by_label,
)
from qhsink.estimation.survey import (
    Calibration,
    Design,
    Moments,
    TotalEstimate,
    Uncalibrated,
    domain_levels,
    estimate_by_domain,
    estimate_ratio,
    estimate_total,
    present,
    rescale,
    stratified_sample,
)
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
    if request.method == "two-phase":
        return _two_phase(request, tables)
    sample = read_sample(request, tables)
    check_sum(request, sample)
    estimator = _ESTIMATORS[request.method]
    return estimator(request, tables, sample)


def _words(request: TotalRequest, design: Design, name: str) -> str:
    if isinstance(design, YatesGrundy):
        variance = "Yates-Grundy variance"
    elif isinstance(design, HajekBerger):
        variance = "Hajek-Berger approximation of the Yates-Grundy variance"
    elif request.fpc:
        variance = "finite population correction"
    else:
        variance = "with-replacement variance"
    if request.cluster:
        variance = f"ultimate clusters, {variance}"
    return f"{name}; {variance}"


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
    return _rows(request, tables, sample, design, _none(sample), name)


def _none(sample: Sample) -> Calibration:
    return Uncalibrated(np.ones(sample.n))


def _rows(
    request: TotalRequest,
    tables: TotalTables,
    sample: Sample,
    design: Design,
    calibration: Calibration,
    name: str,
    units: float | None = None,
) -> tuple[TotalEstimate, ...]:
    """Return rows of means, or of ratios where ``--ratio-of`` is given."""
    method = _words(request, design, name)
    if request.ratio_of is None:
        return estimate_by_domain(
            design,
            sample.y,
            calibration=calibration,
            domain=sample.domain,
            units=units,
            level=request.level,
            method=method,
        )
    x = numbers(tables.sample, request.ratio_of, table=SAMPLE)
    with_total = request.method != "ratio"
    rows = []
    for level, inside in domain_levels(sample.domain, sample.n):
        part = inside.astype(float)
        total = estimate_total(design, calibration, sample.y * part)
        rows.append(
            present(
                domain=level,
                n=int(inside.sum()),
                mean=estimate_ratio(design, calibration, sample.y * part, x * part),
                total=total if with_total else None,
                df=design.df(inside),
                level=request.level,
                method=f"{method}; mean is the ratio {request.y} / {request.ratio_of}",
            )
        )
    return tuple(rows)


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
    return _rows(request, tables, sample, design, fit, name)


def _regression(
    request: TotalRequest, tables: TotalTables, sample: Sample
) -> tuple[TotalEstimate, ...]:
    design = base_design(request, sample)
    known = _auxiliaries(request, tables)
    columns = np.column_stack([np.ones(sample.n), known.columns])
    if known.groups:
        return _by_domain_means(request, sample, design, known)
    units = population_units(request, sample)
    totals = units * np.concatenate([[1.0], known.means])
    fit = greg.calibrate(design, columns, totals, residuals=request.residuals)
    name = f"GREG on {', '.join(known.names)}, {request.residuals} residuals"
    return _rows(request, tables, sample, design, fit, name)


def _auxiliaries(request: TotalRequest, tables: TotalTables) -> Auxiliaries:
    if tables.aux_means is None:  # pragma: no cover - asked for beforehand
        raise AssertionError
    names = request.aux or ((request.ratio_of,) if request.ratio_of else ())
    group = request.domain
    if request.method == "ratio" and request.ratio == "separate":
        group = request.stratum
    return read_auxiliaries(tables.sample, tables.aux_means, names, group=group)


def _by_domain_means(
    request: TotalRequest,
    sample: Sample,
    design: Design,
    known: Auxiliaries,
) -> tuple[TotalEstimate, ...]:
    """Domain means of the auxiliaries are known: regression per domain.

    The prediction x'B is fitted to the whole sample and its domain mean corrected by
    the domain's own residuals: Rao and Molina (2015) sec. 2.5, with plain residuals.
    """
    if known.units is None or sample.domain is None:
        raise TableError(
            "auxiliary means by domain without sizes",
            expected="a column units beside the means: domain sizes in units",
            remedy="Add it.",
        )
    absent = sorted(set(sample.domain.tolist()) - set(known.groups))
    if absent:
        raise TableError(
            f"auxiliary means lack {request.domain} {', '.join(map(repr, absent))}",
            expected="one row per domain level in the sample",
            remedy="Add the rows.",
        )
    fitted, means = known.columns[:, 0], known.means[:, 0]
    name = "difference"
    if request.method == "regression":
        columns = np.column_stack([np.ones(sample.n), known.columns])
        root = np.sqrt(design.weight)
        slope = np.linalg.lstsq(columns * root[:, None], sample.y * root, rcond=None)[0]
        fitted = columns @ slope
        means = slope[0] + known.means @ slope[1:]
        name = "GREG by domain, auxiliary means known by domain, plain residuals"
    return greg.difference_by_domain(
        design,
        sample.y,
        fitted,
        population_means=dict(zip(known.groups, means.tolist(), strict=True)),
        population_units=dict(zip(known.groups, known.units.tolist(), strict=True)),
        domain=sample.domain,
        level=request.level,
        method=_words(request, design, name),
    )


def _difference(
    request: TotalRequest, tables: TotalTables, sample: Sample
) -> tuple[TotalEstimate, ...]:
    design = base_design(request, sample)
    known = _auxiliaries(request, tables)
    if len(known.names) != 1:
        raise TableError(
            f"method difference with auxiliaries {', '.join(known.names)}",
            expected="one auxiliary: a prediction of y in the unit of y",
            remedy="Use --method regression for several auxiliaries.",
        )
    if known.groups:
        return _by_domain_means(request, sample, design, known)
    if request.domain:
        raise TableError(
            "method difference by domain without the map's domain means",
            expected=f"columns {request.domain} and units in the table of means",
            remedy="Give one row of means per domain, or use --method regression.",
        )
    return greg.difference_by_domain(
        design,
        sample.y,
        known.columns[:, 0],
        population_means={None: float(known.means[0])},
        population_units={None: population_units(request, sample)},
        level=request.level,
        method=_words(request, design, f"difference to {known.names[0]}"),
    )


def _ratio(
    request: TotalRequest, tables: TotalTables, sample: Sample
) -> tuple[TotalEstimate, ...]:
    design = base_design(request, sample)
    name = request.ratio_of or (request.aux[0] if len(request.aux) == 1 else None)
    if name is None or request.aux not in ((), (name,)):
        raise TableError(
            "method ratio without one denominator",
            expected="--ratio-of COLUMN",
            remedy="Name the column that y is divided by.",
        )
    if tables.aux_means is None:
        plain = replace(request, ratio_of=name, aux=())
        words = "ratio of totals, total of the denominator not used"
        return _rows(plain, tables, sample, design, _none(sample), words)
    fit, words = _ratio_calibration(request, tables, sample, design)
    return estimate_by_domain(
        design,
        sample.y,
        calibration=fit,
        domain=sample.domain,
        units=population_units(request, sample),
        level=request.level,
        method=_words(request, design, words),
    )


def _ratio_calibration(
    request: TotalRequest, tables: TotalTables, sample: Sample, design: Design
) -> tuple[Calibration, str]:
    known = _auxiliaries(request, tables)
    x = known.columns[:, 0]
    if request.ratio == "combined":
        if known.groups:
            raise TableError(
                "auxiliary means by domain with method ratio",
                expected="one row: the mean over the population",
                remedy="Use --method regression or difference by domain.",
            )
        total = population_units(request, sample) * float(known.means[0])
        fit = greg.ratio_calibration(design, x, total, residuals=request.residuals)
        return fit, f"ratio to {known.names[0]}, {request.residuals} residuals"
    if sample.sizes is None or sample.stratum is None or not known.groups:
        raise TableError(
            "a separate ratio without strata",
            expected="--stratum, --strata and means with one row per stratum",
            remedy="Add them, or use --ratio combined.",
        )
    row = {group: index for index, group in enumerate(known.groups)}
    absent = [name for name in sample.names if name not in row]
    if absent:
        raise TableError(
            f"auxiliary means lack stratum {', '.join(map(repr, absent))}",
            expected="one row per stratum",
            remedy="Add the rows.",
        )
    means = known.means[[row[name] for name in sample.names], 0]
    fit = greg.separate_ratio_calibration(
        design, x, sample.stratum, sample.sizes * means, residuals=request.residuals
    )
    return fit, f"separate ratio to {known.names[0]}, {request.residuals} residuals"


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
    return _rows(
        request, tables, sample, design, _none(sample), name, units=request.population
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
    return _rows(request, second, sample, design, _none(sample), name)


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
        known = _auxiliaries(request, TotalTables(frame, aux_means=tables.aux_means))
        values, means = known.columns, known.means
    else:
        columns = [numbers(tables.sample, c, table=SAMPLE) for c in request.aux]
        every = np.column_stack(columns)
        values, means = every[measured.to_numpy()], every.mean(axis=0)
        size = float(len(every))
    if size is None:
        raise TableError(
            "two-phase regression without the size of the first phase",
            expected="--first-phase N beside --aux-means, or the first-phase units as "
            "rows with an empty y",
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
    "ratio": _ratio,
    "regression": _regression,
    "difference": _difference,
    "ht": _horvitz_thompson,
}
