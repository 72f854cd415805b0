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
    """Median of the two differences [reflectance]: positive when the offset was not
    taken off, negative when it was taken off twice."""
    dark_red_difference: float
    """Dark red level less the median of the neighbours'."""
    nir_difference: float
    """NIR level less the median of the neighbours'."""
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

    Notes
    -----
    An offset adds the same number to every band. Vegetation moves near infrared by
    0.1 in a month but not the dark red level; haze lifts red more than near
    infrared; snow is masked before the levels are taken. So both levels must move,
    by ``shift`` within ``tolerance`` and with one sign, against the median of the
    neighbours. A consequence that is tested: as long as natural dark red levels stay
    within ``shift - tolerance`` of each other, nothing is flagged, whatever near
    infrared does. Not found: a series in which half the scenes or more are shifted,
    and scenes with fewer than two neighbours.
    """
    judged = [level for level in levels if level.n_clear >= min_clear]
    findings = []
    for level in judged:
        near = _neighbours(level, judged, max_days)
        if len(near) < MIN_NEIGHBOURS:
            continue
        dark = level.dark_red - median(other.dark_red for other in near)
        nir = level.nir - median(other.nir for other in near)
        sign = 1.0 if dark > 0 else -1.0
        if max(abs(dark - sign * shift), abs(nir - sign * shift)) <= tolerance:
            ids = tuple(other.item_id for other in near)
            findings.append(
                ShiftFinding(level.item_id, (dark + nir) / 2.0, dark, nir, ids)
            )
    return tuple(findings)


def _neighbours(
    level: SceneLevel, judged: Sequence[SceneLevel], max_days: int
) -> list[SceneLevel]:
    reach = timedelta(days=max_days)
    return [
        other
        for other in judged
        if other.item_id != level.item_id
        and abs(other.acquired - level.acquired) <= reach
    ]
