"""Training evidence as plain values: the scientific part of a card.

Words for people are ``qhsink.mapping.card.text``'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.variogram import Variogram, describe_variogram
from qhsink.mapping import applicability
from qhsink.mapping.features import FEATURES
from qhsink.mapping.reference_error import reference_error
from qhsink.mapping.saturation import saturation_point
from qhsink.mapping.search import Search
from qhsink.mapping.training import ENSEMBLE, Comparison, Samples, Trained
from qhsink.mapping.validation import (
    DecileBias,
    IntervalRule,
    bias_by_decile,
    cross_covered,
    fit_interval,
    score,
)

CONFIDENCE = 0.90
"""Level of the prediction interval in cards."""
TOLERANCE = 0.005
"""Greatest difference of predictions retrained elsewhere, of the valid range."""


def describe_training(
    trained: Trained, samples: Samples, *, data: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the scientific part of a card: what the digest covers.

    Parameters
    ----------
    trained : Trained
        Ensemble and evidence.
    samples : Samples
        What it was trained on.
    data : mapping
        Where the samples come from, and what the target means; JSON-able.
    """
    runs = trained.runs
    mean = runs.predictions[ENSEMBLE]
    rule = fit_interval(samples.target, mean, runs.spread, confidence=CONFIDENCE)
    recipe = asdict(trained.recipe)
    recipe.pop("features")
    low, high = trained.recipe.valid_range
    kinds = {"runs": runs, "clusters": trained.clusters, **trained.further}
    smearing = trained.ensemble.smearing
    return {
        "grouping": runs.title,
        **data,
        "features": [
            {
                "name": name,
                "formula": FEATURES[name].formula,
                "unit": FEATURES[name].unit,
                "source": FEATURES[name].source,
            }
            for name in trained.recipe.features
        ],
        "recipe": _plain(recipe),
        "samples": len(samples.target),
        "smearing": [] if smearing is None else [_round(float(s)) for s in smearing],
        "row_autocorrelation": _round(trained.autocorrelation),
        "validation": {
            kind: _describe_comparison(comparison, samples.target, rule)
            for kind, comparison in kinds.items()
        },
        "saturation": {
            "observed": _known(saturation_point(samples.target, mean)),
            "predicted": _known(saturation_point(mean, samples.target)),
        },
        "interval": _plain(asdict(rule)),
        "applicability": applicability.describe(
            trained.applicability, trained.recipe.features
        ),
        **_described(trained.variogram),
        **_budgeted(samples, mean),
        **_searched(trained.search),
        "tolerance": _round(TOLERANCE * (high - low)),
    }


def interval_rule(science: Mapping[str, Any]) -> IntervalRule:
    """Return the prediction-interval rule that a card carries."""
    table = science["interval"]
    return IntervalRule(
        tuple(table["edges"]),
        tuple(table["residual_sd"]),
        tuple(table["factor"]),
        table["confidence"],
    )


def measured_cost(trained: Trained) -> dict[str, float]:
    """Return CPU milliseconds per million samples by model; not reproducible."""
    seconds = trained.runs.seconds_per_mpx
    return {name: round(1000 * value, 1) for name, value in seconds.items()}


def _describe_comparison(
    comparison: Comparison, observed: NDArray[np.float64], shipped: IntervalRule
) -> dict[str, Any]:
    """Return scores and coverage on one kind of folds.

    ``interval_coverage`` is of intervals calibrated on the other folds of the kind,
    ``shipped_coverage`` of the rule that the model carries.
    """
    mean = comparison.predictions[ENSEMBLE]
    held = cross_covered(
        observed, mean, comparison.spread, comparison.folds, confidence=CONFIDENCE
    )
    width = shipped.half_width(mean, comparison.spread)
    return {
        "title": comparison.title,
        "folds": len(np.unique(comparison.folds)),
        "groups": comparison.groups,
        "models": {
            name: _plain(asdict(score(observed, predicted)))
            for name, predicted in comparison.predictions.items()
        },
        "interval_coverage": _round(float(held.mean())),
        "shipped_coverage": _round(float((np.abs(observed - mean) <= width).mean())),
        "mean_half_width": _round(float(width.mean())),
        "member_spread": _round(float(comparison.spread.mean())),
        "by_observed": _rows(bias_by_decile(observed, mean, held, by=observed)),
        "by_predicted": _rows(bias_by_decile(observed, mean, held, by=mean)),
    }


def _described(variogram: Variogram | None) -> dict[str, Any]:
    if variogram is None:
        return {}
    told = describe_variogram(variogram, source="out_of_fold")
    return {"residual_variogram": told}


def _budgeted(samples: Samples, mean: NDArray[np.float64]) -> dict[str, Any]:
    if samples.se is None:
        return {}
    found = reference_error(samples.target, mean, samples.se)
    return {"reference_error": _plain(asdict(found))}


def _searched(search: Search | None) -> dict[str, Any]:
    if search is None:
        return {}
    found = _plain(asdict(search) | {"candidates": ()})
    found["candidates"] = [_plain(asdict(tried)) for tried in search.candidates]
    found["chosen"] = _plain(asdict(search.chosen))
    return {"search": found}


def _known(value: float | None) -> float | None:
    return None if value is None else _round(value)


def _rows(deciles: tuple[DecileBias, ...]) -> list[dict[str, Any]]:
    return [_plain(asdict(decile)) for decile in deciles]


def _plain(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _plain_value(value) for key, value in table.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain_value(item) for item in value]
    return _round(value) if isinstance(value, float) else value


def _round(value: float) -> float:
    """Four decimals: what can be reproduced where linear algebra rounds otherwise."""
    return round(value, 4) + 0.0
