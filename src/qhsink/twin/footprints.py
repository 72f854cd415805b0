"""Lidar footprints along tracks, as a GEDI-like instrument would report them.

Parallel tracks at random offsets over a square: the sampled unit is the track. How
footprints become an estimate is not known here.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from qhsink.domain.errors import TableError
from qhsink.twin.campaign import Floats, Share, Truth

DIAMETER_M = 25.0
"""Footprint diameter [m]: GEDI; the truth is averaged over its area."""


class FootprintRules(BaseModel):
    """How the instrument samples and errs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tracks: Annotated[int, Field(ge=2)]
    """Ground tracks across the square."""
    spacing_m: Annotated[float, Field(gt=0.0)]
    """Between footprints along a track [m]."""
    heading_deg: float
    """Direction of the tracks from grid north [deg]."""
    footprint_sd_share: Share
    """Relative error of a footprint around the model's prediction."""
    model_cv: Share
    """Relative error of the model, common to all footprints."""
    members: Annotated[int, Field(ge=2)]
    """Refits of the model that stand for its error."""
    good_share: Share
    """Share of footprints of good quality."""


def shoot(
    truth: Truth,
    bounds: tuple[float, float, float, float],
    *,
    rules: FootprintRules,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, Floats]:
    """Return the footprints in a rectangle and their predictions by model member.

    Parameters
    ----------
    truth : callable
        The truth at places.
    bounds : tuple of float
        Left, bottom, right, top in grid coordinates [m].

    Returns
    -------
    table : DataFrame
        ``track``, ``x``, ``y``, ``agbd`` [Mg ha-1], ``agbd_se`` [Mg ha-1] (model and
        footprint together), ``quality_flag`` (1 good).
    members : float64 array of shape (K, n)
        ``agbd`` by refit of the model [Mg ha-1].

    Notes
    -----
    Each track's offset is uniform over the width across the heading, so every place
    is as likely as any other. Bad footprints are clouds: flagged, and far too low.
    """
    track, x, y = _lay_tracks(bounds, rules, rng)
    true = _over_footprint(truth, x, y)
    own = 1.0 + rules.footprint_sd_share * rng.standard_normal(x.size)
    shared = 1.0 + rules.model_cv * rng.standard_normal()
    good = rng.random(x.size) < rules.good_share
    agbd = true * own * shared * np.where(good, 1.0, 0.2)
    spread = float(np.hypot(rules.footprint_sd_share, rules.model_cv))
    table = pd.DataFrame(
        {
            "track": track,
            "x": x,
            "y": y,
            "agbd": agbd,
            "agbd_se": spread * agbd,
            "quality_flag": good.astype(np.int64),
        }
    )
    factors = 1.0 + rules.model_cv * rng.standard_normal(rules.members)
    return table, factors[:, None] * agbd[None, :]


def _lay_tracks(
    bounds: tuple[float, float, float, float],
    rules: FootprintRules,
    rng: np.random.Generator,
) -> tuple[Floats, Floats, Floats]:
    left, bottom, right, top = bounds
    turn = np.radians(rules.heading_deg)
    along = np.array([np.sin(turn), np.cos(turn)])
    across = np.array([np.cos(turn), -np.sin(turn)])
    width, height = right - left, top - bottom
    half_across = 0.5 * (abs(across[0]) * width + abs(across[1]) * height)
    half_along = 0.5 * (abs(along[0]) * width + abs(along[1]) * height)
    offsets = rng.uniform(-half_across, half_across, rules.tracks)
    steps = np.arange(-half_along, half_along, rules.spacing_m)
    starts = rng.uniform(0.0, rules.spacing_m, rules.tracks)
    reach = (steps[None, :] + starts[:, None]).ravel()
    aside = np.repeat(offsets, steps.size)
    track = np.repeat(np.arange(rules.tracks, dtype=np.float64), steps.size)
    x = 0.5 * (left + right) + reach * along[0] + aside * across[0]
    y = 0.5 * (bottom + top) + reach * along[1] + aside * across[1]
    inside = (x > left) & (x < right) & (y > bottom) & (y < top)
    if np.unique(track[inside]).size < 2:
        raise TableError(
            f"{np.unique(track[inside]).size} tracks over the square",
            expected="at least 2: one track has no sampling variance",
            remedy="Ask for more tracks or a larger square.",
        )
    return track[inside], x[inside], y[inside]


def _over_footprint(truth: Truth, x: Floats, y: Floats) -> Floats:
    """Return true forest biomass averaged over the footprint: its centre and rim."""
    reach = DIAMETER_M / 2.0 / np.sqrt(2.0)
    steps = ((0.0, 0.0), (reach, 0.0), (-reach, 0.0), (0.0, reach), (0.0, -reach))
    seen = [truth(x + dx, y + dy).agb_forest.astype(np.float64) for dx, dy in steps]
    return np.asarray(np.mean(seen, axis=0), dtype=np.float64)
