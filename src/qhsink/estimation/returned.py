"""Whether what came back from the field matches the design that was sent out.

Compares two tables; repairing or estimating belongs elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import pyproj

from qhsink.estimation.schema import labels, numbers, require_columns

Problem = Literal[
    "missing",
    "unknown",
    "duplicated",
    "moved",
    "changed probability",
    "changed stratum",
    "unanswered",
]

_GEOD = pyproj.Geod(ellps="GRS80")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that differs from the design."""

    problem: Problem
    """What is wrong."""
    unit: str
    """Id of the sample unit."""
    detail: str
    """Figures, with units."""


def check_returned(
    design: pd.DataFrame, returned: pd.DataFrame, *, tolerance_m: float
) -> tuple[Finding, ...]:
    """Return what differs between a design and the table that came back.

    Parameters
    ----------
    design : DataFrame
        Columns ``id, lon, lat, stratum, inclusion_prob``, as text.
    returned : DataFrame
        Columns ``id, lon, lat``; ``stratum``, ``inclusion_prob`` and ``reference``
        are checked where present.
    tolerance_m : float
        Distance a unit may have moved [m].
    """
    wanted = ("id", "lon", "lat", "stratum", "inclusion_prob")
    require_columns(design, wanted, table="the design")
    require_columns(returned, ("id", "lon", "lat"), table="the returned table")
    sent = labels(design, "id", table="the design").tolist()
    came = labels(returned, "id", table="the returned table").tolist()
    findings = [Finding("missing", unit, "not returned") for unit in _less(sent, came)]
    findings += [
        Finding("unknown", unit, "not in the design") for unit in _less(came, sent)
    ]
    findings += [
        Finding("duplicated", unit, f"{came.count(unit)} rows")
        for unit in dict.fromkeys(u for u in came if came.count(u) > 1)
    ]
    before = _keyed(design, sent)
    after = _keyed(returned, came)
    common = [unit for unit in before.index if unit in set(came)]
    findings += _moved(before, after, common, tolerance_m=tolerance_m)
    findings += _changed(before, after, common)
    return tuple(findings)


def _less(units: Sequence[str], others: Sequence[str]) -> list[str]:
    known = set(others)
    return [unit for unit in dict.fromkeys(units) if unit not in known]


def _keyed(frame: pd.DataFrame, units: Sequence[str]) -> pd.DataFrame:
    keyed = frame.assign(unit=list(units)).drop_duplicates("unit")
    return keyed.set_index("unit", drop=False)


def _moved(
    before: pd.DataFrame,
    after: pd.DataFrame,
    common: Sequence[str],
    *,
    tolerance_m: float,
) -> list[Finding]:
    if not common:
        return []
    lon_0, lat_0, lon_1, lat_1 = (
        numbers(
            frame.loc[list(common)].reset_index(drop=True), column, table="coordinates"
        )
        for frame in (before, after)
        for column in ("lon", "lat")
    )
    _, _, distance = _GEOD.inv(lon_0, lat_0, lon_1, lat_1)
    return [
        Finding("moved", unit, f"{metres:.1f} m from where it was sent")
        for unit, metres in zip(common, np.asarray(distance).tolist(), strict=True)
        if not metres <= tolerance_m
    ]


def _changed(
    before: pd.DataFrame, after: pd.DataFrame, common: Sequence[str]
) -> list[Finding]:
    findings: list[Finding] = []
    old, new = (frame.loc[list(common)] for frame in (before, after))
    if "inclusion_prob" in new.columns and common:
        was, now = (
            numbers(f.reset_index(drop=True), "inclusion_prob", table="probabilities")
            for f in (old, new)
        )
        findings += [
            Finding("changed probability", unit, f"{a:.8g} became {b:.8g}")
            for unit, a, b in zip(common, was.tolist(), now.tolist(), strict=True)
            if abs(a - b) > 1e-6 * a
        ]
    if "stratum" in new.columns:
        pairs = zip(common, old["stratum"], new["stratum"], strict=True)
        findings += [
            Finding("changed stratum", unit, f"{a} became {b}")
            for unit, a, b in pairs
            if str(a).strip() != str(b).strip()
        ]
    if "reference" in new.columns:
        findings += [
            Finding("unanswered", unit, "no reference value")
            for unit, value in zip(common, new["reference"], strict=True)
            if not str(value).strip()
        ]
    return findings
