"""What a card says of a model that learnt from GEDI's footprints, and what it refuses.

Footprints are predictions from waveforms, not measured trees. How they are fetched is
``footprints``', how a plot table is trained on ``train_plots``'.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qhsink.config.gedi import FootprintConfig
from qhsink.domain.errors import TableError
from qhsink.domain.model_target import ModelTarget
from qhsink.estimation.training_plots import ERROR, SITE, TrainingPlots

TARGET = "agb_forest"
"""The only target that footprints are values of."""

_TITLE = "GEDI L4A footprints: PREDICTIONS OF BIOMASS FROM LIDAR WAVEFORMS"
_LICENCE = "open data of NASA and ORNL DAAC; the citation is asked for"
_SHARED = (
    "The equation that turned waveforms into biomass is one for a plant type and a "
    "continent and was fitted on few Chinese plots: its error is shared by all "
    "footprints, is no noise, and is in no score, spread or interval here. A total of "
    "this model lacks it (hierarchical model-based inference, Saarela et al. 2016, "
    "adds the covariance of that equation's parameters; the product gives each "
    "footprint's standard error and no covariances)."
)
_SLOPE = (
    "On slopes a waveform is stretched by the ground itself, over a footprint of 25 m "
    "by several metres, and heights come out too great; low and open canopy near the "
    "ground's own return is hardly told from it. No footprint was left out or "
    "corrected for slope."
)
_LOCAL = "Calibrate on measured plots of the region before an estimate rests on it."


def refuse_other_targets(plots: TrainingPlots, target: ModelTarget) -> None:
    """Refuse footprints for another target, or without error or track.

    Raises
    ------
    TableError
        When footprints cannot be what the training is asked for.
    """
    if target.id != TARGET:
        raise TableError(
            f"GEDI L4A footprints to train {target.id} on",
            expected=f"the target {TARGET}: above-ground biomass is all they tell",
            remedy=f"Train {TARGET}, or bring plots where {target.id} was measured.",
        )
    lacking = [
        name
        for name, values in ((ERROR, plots.se), (SITE, plots.site))
        if values is None
    ]
    if lacking:
        raise TableError(
            f"GEDI L4A footprints without column {' and '.join(map(repr, lacking))}",
            expected="the prediction's standard error, and the track of each "
            "footprint: neighbours along a track must stay in one fold",
            remedy="Write the table with qhsink sources gedi.",
        )


def told_of_footprints(
    told: Mapping[str, Any], target: ModelTarget, config: FootprintConfig
) -> dict[str, Any]:
    """Return what a card says of plots, put right for footprints.

    Parameters
    ----------
    told : mapping
        As for any plot table.
    target : ModelTarget
        What is trained.
    config : FootprintConfig
        What was kept, and the citation.
    """
    rules = "; ".join(
        f"{rule.field} from {rule.least:g} to {rule.most:g}" for rule in config.keep
    )
    source = dict(told["source"])
    reading = source["citation"].removeprefix("Its origin was not stated. ")
    name = source["title"].removeprefix("A user's plots, ")
    source |= {
        "title": f"{_TITLE} ({name})",
        "citation": f"{config.source}. Footprints are kept with {rules}. {reading}",
        "licence": _LICENCE,
    }
    definition = {
        "en": "Above-ground biomass of trees as GEDI L4A predicts it from the waveform "
        f"of a footprint of {config.diameter_m:g} m, per horizontal area: no trees "
        f"were measured. It stands for: {target.reference_en}",
        "zh": f"GEDI L4A 由直径 {config.diameter_m:g} 米足印的激光雷达波形预测的林木"
        "地上生物量（按水平面积计），并非每木实测。所代表的定义："
        f"{target.reference_zh}",
        "evidence": "predictions stand for measured trees; each comes with its own "
        "standard error (agbd_se), whose part in the errors is below.",
    }
    return {
        **told,
        "reference": "gedi_l4a",
        "source": source,
        "definition": definition,
        "domain": f"{told['domain']} {_SLOPE} {_LOCAL}",
        "grouping": "tracks (sub-orbit and beam)",
        "fold_limits": f"{_SHARED} Tracks that were held out may cross those that were "
        "learnt from.",
    }
