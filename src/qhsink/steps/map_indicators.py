"""Which indicators are made of which target's map, and how.

Vegetation cover is in ``plan.MAP_INDICATORS``: every run maps it. The targets here are
mapped only where an indicator that is reported needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from qhsink.config import RunConfig
from qhsink.domain.errors import ConfigError

ECOSYSTEM = "ecosystem"
"""Key of the ecosystem classifier among the models."""


@dataclass(frozen=True, slots=True)
class TargetIndicator:
    """One number made of a target's map."""

    target: str
    """Target in ``config/model_targets.toml``."""
    rows: str
    """Name of its rows in the ledger: the target's, or the area's."""
    statistic: Literal["total", "mean"]
    """Sum over land, or mean over land; land of other ecosystems counts as zero."""
    factor: float
    """Indicator's unit per unit of the target times hectare."""


TARGET_INDICATORS: Mapping[str, TargetIndicator] = {
    "arbor_area_map": TargetIndicator("canopy_cover", "arbor_area", "total", 1.0),
    "canopy_cover_map": TargetIndicator("canopy_cover", "canopy_cover", "mean", 1.0),
    "shrub_cover_map": TargetIndicator("shrub_cover", "shrub_cover", "mean", 1.0),
    # 1 g m-2 is 0.01 t ha-1.
    "agb_grass_map": TargetIndicator("agb_grass", "agb_grass", "total", 0.01),
    "agb_forest_map": TargetIndicator("agb_forest", "agb_forest", "total", 1.0),
    "growing_stock_map": TargetIndicator(
        "growing_stock", "growing_stock", "total", 1.0
    ),
}
"""Indicators by id; all are of the peak season."""


def reported_targets(config: RunConfig) -> tuple[str, ...]:
    """Return the targets that the reported indicators need and a model is named for.

    Raises
    ------
    ConfigError
        When a target is to be mapped and no ecosystem classifier is named.
    """
    wanted = dict.fromkeys(
        TARGET_INDICATORS[name].target
        for name in config.indicators.report
        if name in TARGET_INDICATORS
    )
    chosen = tuple(name for name in wanted if config.models.of(name) is not None)
    if chosen and config.models.of(ECOSYSTEM) is None:
        raise ConfigError(
            f"[models] names a model for {chosen[0]} and none for {ECOSYSTEM}",
            expected=f"{ECOSYSTEM} too: it says where {chosen[0]} is mapped",
            remedy=f'Add {ECOSYSTEM} = "{ECOSYSTEM}-..." under [models].',
        )
    return chosen
