"""``estimate total`` with auxiliaries: regression, difference and ratio, from tables.

Reads the population means and picks the estimator; the arithmetic is in ``greg`` and
``assisted``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qhsink.domain.errors import TableError
from qhsink.estimation import greg
from qhsink.estimation.assisted import difference_by_domain
from qhsink.estimation.auxiliaries import Auxiliaries, read_auxiliaries
from qhsink.estimation.domains import TotalEstimate, estimate_by_domain
from qhsink.estimation.request import (
    Sample,
    TotalRequest,
    TotalTables,
    base_design,
    population_units,
)
from qhsink.estimation.survey import Calibration, Design
from qhsink.estimation.total_rows import described, estimate_rows, uncalibrated


def regression(
    request: TotalRequest, tables: TotalTables, sample: Sample
) -> tuple[TotalEstimate, ...]:
    """Return GREG rows."""
    design = base_design(request, sample)
    known = sample_auxiliaries(request, tables)
    columns = np.column_stack([np.ones(sample.n), known.columns])
    if known.groups:
        return _by_domain_means(request, sample, design, known)
    units = population_units(request, sample)
    totals = units * np.concatenate([[1.0], known.means])
    fit = greg.calibrate(design, columns, totals, residuals=request.residuals)
    name = f"GREG on {', '.join(known.names)}, {request.residuals} residuals"
    return estimate_rows(request, tables, sample, design, fit, name)


def sample_auxiliaries(request: TotalRequest, tables: TotalTables) -> Auxiliaries:
    """Return the request's auxiliaries with their population means."""
    if tables.aux_means is None:  # pragma: no cover - asked for beforehand
        raise AssertionError
    names = request.aux or ((request.ratio_of,) if request.ratio_of else ())
    group, plain = request.domain, "domain"
    if request.method == "ratio" and request.ratio == "separate":
        group, plain = request.stratum, "stratum"
    means = tables.aux_means
    if group is not None and group not in means.columns:
        # Tables of strata call their key stratum, whatever the sample calls it.
        means = means.rename(columns={plain: group})
    return read_auxiliaries(tables.sample, means, names, group=group)


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
        greg.require_residuals(*columns.shape)
        root = np.sqrt(design.weight)
        slope = np.linalg.lstsq(columns * root[:, None], sample.y * root, rcond=None)[0]
        fitted = columns @ slope
        means = slope[0] + known.means @ slope[1:]
        name = "GREG by domain, auxiliary means known by domain, plain residuals"
    return difference_by_domain(
        design,
        sample.y,
        fitted,
        population_means=dict(zip(known.groups, means.tolist(), strict=True)),
        population_units=dict(zip(known.groups, known.units.tolist(), strict=True)),
        domain=sample.domain,
        level=request.level,
        method=described(request, design, name),
    )


def difference(
    request: TotalRequest, tables: TotalTables, sample: Sample
) -> tuple[TotalEstimate, ...]:
    """Return rows of the difference estimator.

    Raises
    ------
    TableError
        When there is not one auxiliary, or domains without means of their own.
    """
    design = base_design(request, sample)
    known = sample_auxiliaries(request, tables)
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
    return difference_by_domain(
        design,
        sample.y,
        known.columns[:, 0],
        population_means={None: float(known.means[0])},
        population_units={None: population_units(request, sample)},
        level=request.level,
        method=described(request, design, f"difference to {known.names[0]}"),
    )


def ratio(
    request: TotalRequest, tables: TotalTables, sample: Sample
) -> tuple[TotalEstimate, ...]:
    """Return rows of a ratio, or of a total by the ratio estimator.

    Raises
    ------
    TableError
        When the denominator is not one column.
    """
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
        return estimate_rows(plain, tables, sample, design, uncalibrated(sample), words)
    fit, words = _ratio_calibration(request, tables, sample, design)
    return estimate_by_domain(
        design,
        sample.y,
        calibration=fit,
        domain=sample.domain,
        units=population_units(request, sample),
        level=request.level,
        method=described(request, design, words),
    )


def _ratio_calibration(
    request: TotalRequest, tables: TotalTables, sample: Sample, design: Design
) -> tuple[Calibration, str]:
    known = sample_auxiliaries(request, tables)
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
