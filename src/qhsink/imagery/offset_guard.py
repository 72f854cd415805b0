"""A statistical guard: which scene looks shifted by a forgotten or doubled offset.

Metadata decide the offset (``sources.offsets``); this catches metadata that lie, as
some Earth Search items have done (Element84 earth-search issues 66 and 71). What to
do with a scene found is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

MIN_NEIGHBOURS = 2
"""With one neighbour alone, nothing tells which of the two is shifted."""

MAX_NEIGHBOURS = 4
"""The nearest dates compared with: over more, the season is no straight line."""


@dataclass(frozen=True, slots=True)
class SceneLevel:
    """Two levels of one scene over the pixels that are clear on it."""

    item_id: str
    acquired: datetime
    dark_red: float
    """Low percentile of red reflectance."""
    nir: float
    """Median near-infrared reflectance."""
    n_clear: int
    """Clear pixels that the levels rest on."""


@dataclass(frozen=True, slots=True)
class ShiftFinding:
    """One scene that looks shifted."""

    item_id: str
    shift: float
    """Mean of the two differences [reflectance]: positive when the offset was not
    taken off, negative when it was taken off twice."""
    dark_red_difference: float
    """Dark red level less the median of the neighbours' [reflectance]."""
    nir_difference: float
    """NIR level less what the neighbours' trend expects [reflectance]."""
    neighbours: tuple[str, ...]
    """Items compared with."""


def find_shifted(
    levels: Sequence[SceneLevel],
    *,
    shift: float,
    tolerance: float,
    max_days: int,
    min_clear: int = 100,
) -> tuple[ShiftFinding, ...]:
    """Return the scenes that look shifted against their neighbours in time.

    Parameters
    ----------
    levels : sequence of SceneLevel
        Scenes of one place, any order.
    shift : float
        Reflectance shift looked for: 0.1 for 1000 digital numbers.
    tolerance : float
        Largest distance from ``shift``, in both levels.
    max_days : int
        Scenes further apart are not neighbours.
    min_clear : int
        Scenes with fewer clear pixels are neither judged nor compared with.

    Returns
    -------
    tuple of ShiftFinding
        By time. Found one by one, the clearest first, each taken out before the
        others are judged again, so that it accuses no innocent neighbour.

    Notes
    -----
    An offset adds the same number to every band. Vegetation moves near infrared by
    0.1 in a month but not the dark red level; haze lifts red more than near
    infrared; snow is masked before the levels are taken. So both levels must move,
    by ``shift`` within ``tolerance`` and with one sign: dark red against the median
    of the nearest ``MAX_NEIGHBOURS`` dates, near infrared against their trend (a
    Theil-Sen line: the median of pairwise slopes). A consequence that is tested: as
    long as natural dark red levels stay within ``shift - tolerance`` of each other,
    nothing is flagged, whatever near infrared does. Not found: a series in which
    half the scenes or more are shifted, and scenes with fewer than two neighbours.
    """
    pool = sorted(
        (level for level in levels if level.n_clear >= min_clear),
        key=lambda level: (level.acquired, level.item_id),
    )
    findings: list[tuple[datetime, ShiftFinding]] = []
    while True:
        judged = [_compare(level, pool, timedelta(days=max_days)) for level in pool]
        misfits = [
            (_misfit(finding, shift), place)
            for place, finding in enumerate(judged)
            if finding is not None
        ]
        misfit, place = min(misfits, default=(float("inf"), 0))
        finding = judged[place] if misfit <= tolerance else None
        if finding is None:
            return tuple(found for _, found in sorted(findings, key=lambda f: f[0]))
        findings.append((pool.pop(place).acquired, finding))


def _misfit(finding: ShiftFinding, shift: float) -> float:
    """Return how far the two differences are from one shift of either sign."""
    sign = 1.0 if finding.dark_red_difference > 0 else -1.0
    return max(
        abs(finding.dark_red_difference - sign * shift),
        abs(finding.nir_difference - sign * shift),
    )


def _compare(
    level: SceneLevel, pool: Sequence[SceneLevel], reach: timedelta
) -> ShiftFinding | None:
    """Return how a scene differs from its neighbours; None when they are too few."""
    away = sorted(
        (abs(other.acquired - level.acquired), other.item_id, other)
        for other in pool
        if other is not level and abs(other.acquired - level.acquired) <= reach
    )
    near = [other for _, _, other in away[:MAX_NEIGHBOURS]]
    if len(near) < MIN_NEIGHBOURS:
        return None
    dark = level.dark_red - median(other.dark_red for other in near)
    nir = level.nir - _expected_nir(level.acquired, near)
    ids = tuple(other.item_id for other in near)
    return ShiftFinding(level.item_id, (dark + nir) / 2.0, dark, nir, ids)


def _expected_nir(moment: datetime, near: Sequence[SceneLevel]) -> float:
    """Return the near-infrared level that the neighbours' trend expects."""
    days = [(other.acquired - moment).total_seconds() / 86_400.0 for other in near]
    both_sides = min(days) < 0.0 < max(days)
    slopes = [
        (near[j].nir - near[i].nir) / (days[j] - days[i])
        for i in range(len(near))
        for j in range(i)
        if abs(days[j] - days[i]) >= 1.0
    ]
    # Two dates on one side make a line, but not one to extrapolate.
    slope = median(slopes) if slopes and (both_sides or len(near) > 2) else 0.0
    return median(
        other.nir - slope * day for other, day in zip(near, days, strict=True)
    )
