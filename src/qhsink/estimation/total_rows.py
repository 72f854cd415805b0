"""Rows of ``estimate total`` for any design and calibration, named in words.

Means, or ratios where a denominator is asked for. Which design and calibration is
``total``'s choice.
"""

from __future__ import annotations

import numpy as np

from qhsink.estimation.domains import (
    TotalEstimate,
    domain_levels,
    estimate_by_domain,
    present,
)
from qhsink.estimation.request import SAMPLE, Sample, TotalRequest, TotalTables
from qhsink.estimation.schema import numbers
from qhsink.estimation.survey import (
    Calibration,
    Design,
    Uncalibrated,
    estimate_ratio,
    estimate_total,
)
from qhsink.estimation.unequal import HajekBerger, YatesGrundy


def described(request: TotalRequest, design: Design, name: str) -> str:
    """Return the method in words: estimator, then variance."""
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


def uncalibrated(sample: Sample) -> Calibration:
    """Return the calibration that leaves the design weights alone."""
    return Uncalibrated(np.ones(sample.n))


def estimate_rows(
    request: TotalRequest,
    tables: TotalTables,
    sample: Sample,
    design: Design,
    calibration: Calibration,
    name: str,
    units: float | None = None,
) -> tuple[TotalEstimate, ...]:
    """Return rows of means, or of ratios where ``--ratio-of`` is given."""
    method = described(request, design, name)
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
