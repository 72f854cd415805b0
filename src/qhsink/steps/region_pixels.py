"""Whether the pixels of a region are there: scenes, tiles, share of the land seen.

What is estimated from them is ``steps.estimates``'s and ``steps.target_estimates``'s.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from qhsink.domain.errors import Refusal
from qhsink.domain.region import Region
from qhsink.estimation.ledger import RegionSums
from qhsink.mapping.layers import layers_of
from qhsink.steps.map_indicators import ECOSYSTEM
from qhsink.steps.plan import Kind, RunPlan
from qhsink.steps.run_models import groups_by_model


def require_pixels(
    plan: RunPlan,
    failed: Mapping[str, str],
    region: Region,
    *,
    kind: Kind,
    tiles: Collection[str],
) -> None:
    """Check that a region has scenes, and that all its tiles could be read.

    Parameters
    ----------
    failed : mapping
        Tile to the reason why it has no pixels.
    kind : {"month", "peak"}
        Composite that the region's pixels come from.
    tiles : collection of str
        Tiles of the region.

    Raises
    ------
    Refusal
        When there is no scene, or a tile failed.
    """
    period = plan.period(kind)
    if not plan.scenes_of(kind):
        raise Refusal(
            f"no scene of {period.label} for {region.id}",
            expected=f"at least one between {period.start} and {period.end}",
            remedy="Choose another month, or check the source.",
        )
    failures = [text for tile, text in failed.items() if tile in tiles]
    if failures:
        raise Refusal(
            f"{len(failures)} of {len(tiles)} tiles of {region.id} could not be read: "
            f"{failures[0]}",
            expected="every tile of the region",
            remedy="Mend the source and run again: finished tiles are kept.",
        )


def require_layers(plan: RunPlan, region: Region, target: str) -> None:
    """Check that the source holds what the models of a target need over a region.

    Raises
    ------
    Refusal
        When it does not: model, layers and source are named.
    """
    config = plan.setup.config
    lacking = plan.lacking.get(region.id, {})
    by_model = groups_by_model(config, plan.setup.settings)
    for name in (ECOSYSTEM, target):
        model = config.models.of(name)
        for group in by_model.get(model or "", ()):
            if group in lacking:
                raise Refusal(
                    f"model {model} needs {', '.join(layers_of(group))} over "
                    f"{region.id}: {lacking[group]}",
                    expected="a source that holds what the models of a run need",
                    remedy="Name another --source, or a model that does without.",
                )


def least_valid_share(plan: RunPlan) -> float:
    """Return the share of a region's land that must have a value, 0..1."""
    return plan.setup.config.regions.min_valid_share


def too_little_seen(plan: RunPlan, region: Region, sums: RegionSums) -> Refusal:
    """Return the refusal of a region of which too little land has a value."""
    return Refusal(
        f"{sums.valid_share:.1%} of the land of {region.id} has enough clear "
        "observations",
        expected=f"at least {least_valid_share(plan):.0%}",
        remedy="Wait for more scenes, or choose a longer period.",
    )
