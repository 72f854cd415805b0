"""A model's card: what it learnt from, how it was judged, what it is not for.

Turns training evidence into plain values, and those into Markdown and a picture.
Folders and digests are ``qhsink.registry``'s business.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhsink.mapping import applicability
from qhsink.mapping.features import FEATURES
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
"""Greatest difference of predictions retrained elsewhere, in the target's unit."""


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
    return {
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
        "row_autocorrelation": _round(trained.autocorrelation),
        "validation": {
            "runs": _describe_comparison(runs, samples.target),
            "clusters": _describe_comparison(trained.clusters, samples.target),
        },
        "interval": _plain(asdict(rule)),
        "applicability": applicability.describe(
            trained.applicability, trained.recipe.features
        ),
        "tolerance": TOLERANCE,
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


def render_card(card: Mapping[str, Any]) -> str:
    """Return the card as Markdown for people."""
    science, run = card["science"], card["run"]
    return "\n".join(
        [
            f"# {card['id']}",
            "",
            science["definition"]["en"],
            "",
            science["definition"]["zh"],
            "",
            f"**Domain.** {science['domain']}",
            "",
            *_section_data(science),
            *_section_method(science),
            *_section_results(science, run["cpu_ms_per_mpx"]),
            *_section_errors(science),
            *_section_area(science),
            *_section_reproduce(card),
        ]
    )


def draw_validation(
    observed: NDArray[np.float64], predicted: NDArray[np.float64]
) -> bytes:
    """Return a PNG: observed against predicted, and residuals by predicted tenth."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - drawing is for training

    figure = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.hexbin(predicted, observed, gridsize=40, bins="log", cmap="Greens", mincnt=1)
    left.plot([0, 1], [0, 1], color="black", linewidth=0.8)
    left.set(
        xlabel="predicted cover, out of fold",
        ylabel="observed cover",
        title=f"R² {score(observed, predicted).r2:.3f}, n {len(observed)}",
        xlim=(0, 1),
        ylim=(0, 1),
        aspect="equal",
    )
    parts = np.array_split(np.argsort(predicted, kind="stable"), 10)
    right.boxplot(
        [observed[part] - predicted[part] for part in parts],
        tick_labels=[f"{predicted[part].mean():.2f}" for part in parts],
        flierprops={"markersize": 2},
    )
    right.axhline(0, color="black", linewidth=0.8)
    right.set(
        xlabel="mean predicted cover of the tenth",
        ylabel="observed minus predicted",
        title="Residuals by tenth of predicted cover",
    )
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=100, metadata={"Software": None})
    return out.getvalue()


def _describe_comparison(
    comparison: Comparison, observed: NDArray[np.float64]
) -> dict[str, Any]:
    mean = comparison.predictions[ENSEMBLE]
    held = cross_covered(
        observed, mean, comparison.spread, comparison.folds, confidence=CONFIDENCE
    )
    return {
        "groups": comparison.groups,
        "models": {
            name: _plain(asdict(score(observed, predicted)))
            for name, predicted in comparison.predictions.items()
        },
        "interval_coverage": _round(float(held.mean())),
        "member_spread": _round(float(comparison.spread.mean())),
        "by_observed": _rows(bias_by_decile(observed, mean, held, by=observed)),
        "by_predicted": _rows(bias_by_decile(observed, mean, held, by=mean)),
    }


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


def _section_data(science: Mapping[str, Any]) -> Iterator[str]:
    source = science["source"]
    yield "## Data"
    yield ""
    yield f"{source['title']}. {source['citation']}"
    yield ""
    yield f"* Licence: {source['licence']}"
    yield f"* Rows used: {science['samples']} ({source['rows']})"
    yield f"* SHA-256 of the table: `{source['sha256']}`"
    yield f"* Why this definition: {science['definition']['evidence']}"
    for doubt in source.get("doubts", ()):
        yield f"* **Doubtful:** {doubt}"
    yield ""


def _section_method(science: Mapping[str, Any]) -> Iterator[str]:
    recipe = science["recipe"]
    hidden = " and ".join(str(width) for width in recipe["hidden"])
    yield "## Features"
    yield ""
    yield from _table(
        ("name", "formula", "unit", "source"),
        [tuple(feature.values()) for feature in science["features"]],
    )
    yield ""
    yield "## Method"
    yield ""
    yield (
        f"{recipe['members']} perceptrons with hidden layers of {hidden} rectified "
        f"units, each fitted on its own bootstrap sample of groups (Adam, rate "
        f"{recipe['rate']}, L2 penalty {recipe['penalty']}, batches of "
        f"{recipe['batch']}, {recipe['epochs']} passes, seed {recipe['seed']}). The "
        "estimate is their mean; their spread is the model's parameter error."
    )
    yield ""
    yield f"**Folds.** {science['fold_rule']}"
    yield ""
    yield (
        f"**What the folds do not guard against.** {science['fold_limits']} The "
        "correlation of cover from one row to the next is "
        f"{science['row_autocorrelation']:+.3f}."
    )
    yield ""


def _section_results(
    science: Mapping[str, Any], cost: Mapping[str, float]
) -> Iterator[str]:
    recipe = science["recipe"]
    titles = {
        "runs": science.get(
            "grouping", f"runs of {recipe['run_length']} consecutive rows"
        ),
        "clusters": "spectral clusters (harder)",
    }
    yield "## Cross-validation"
    yield ""
    for kind, title in titles.items():
        part = science["validation"][kind]
        yield f"{recipe['folds']} folds over {part['groups']} {title}:"
        yield ""
        yield from _table(
            ("model", "R²", "RMSE", "bias", "slope", "CCC", "CPU ms per Mpx"),
            [
                (
                    name,
                    f"{row['r2']:.3f}",
                    f"{row['rmse']:.4f}",
                    f"{row['bias']:+.4f}",
                    f"{row['slope']:.3f}",
                    f"{row['ccc']:.3f}",
                    f"{cost[name]:,.0f}",
                )
                for name, row in part["models"].items()
            ],
        )
        yield ""
    yield (
        "R² is 1 - SSE/SST; bias is predicted minus observed; slope is of observed on "
        "predicted. All members count in the ensemble's time, which excludes making "
        "features; time was measured once and differs by machine."
    )
    yield ""


def _section_errors(science: Mapping[str, Any]) -> Iterator[str]:
    part, interval = science["validation"]["runs"], science["interval"]
    for key, word in (("by_observed", "observed"), ("by_predicted", "predicted")):
        yield f"## Error by tenth of {word} cover"
        yield ""
        yield from _table(
            ("from", "to", "n", "bias", "RMSE", "coverage of the 90 % interval"),
            [
                (
                    f"{row['low']:.3f}",
                    f"{row['high']:.3f}",
                    str(row["count"]),
                    f"{row['bias']:+.3f}",
                    f"{row['rmse']:.3f}",
                    f"{row['coverage']:.3f}",
                )
                for row in part[key]
            ],
        )
        yield ""
    yield (
        f"The {interval['confidence']:.0%} prediction interval of one transect is the "
        "mean ± factor √(member spread² + residual sd²), factor (conformal) and "
        "residual sd taken from the bin of predicted cover in `card.json`. Calibrated "
        "on the other folds it holds "
        f"{part['interval_coverage']:.1%} of the transects ({_grouping(science)}) and "
        f"{science['validation']['clusters']['interval_coverage']:.1%} (spectral "
        "clusters). "
        f"The members alone (mean spread {part['member_spread']:.3f}) are far "
        "narrower: they speak of the mean of many pixels, not of one plot."
    )
    yield ""
    yield "![Observed against predicted, and residuals](validation.png)"
    yield ""


def _section_area(science: Mapping[str, Any]) -> Iterator[str]:
    area = science.get("applicability")
    if area is None:
        return
    weights = ", ".join(
        f"{name} {share:.3f}" for name, share in area["weights"].items()
    )
    yield "## Area of applicability"
    yield ""
    yield (
        "Dissimilarity index after Meyer and Pebesma 2021: distance to the nearest "
        "training sample in standardised features, weighted by permutation importance "
        f"({weights}; shares of one), over the mean distance between samples. "
        f"A pixel at or below {area['threshold']:.4f} is inside: upper quartile plus "
        "1.5 interquartile ranges of the samples' own dissimilarity to other folds "
        f"({_grouping(science)}), which {area['training_inside']:.1%} of them meet. "
        "Inside, the scores above may be expected to hold for what the samples stand "
        "for; outside nothing is known. It compares spectra, not places: being inside "
        "does not make a pixel of another region part of the domain."
    )
    yield ""


def _grouping(science: Mapping[str, Any]) -> str:
    return str(science.get("grouping", "runs of rows"))


def _section_reproduce(card: Mapping[str, Any]) -> Iterator[str]:
    science, run = card["science"], card["run"]
    versions = ", ".join(f"{name} {text}" for name, text in run["versions"].items())
    yield "## Make it again"
    yield ""
    yield f"    {run['command']}"
    yield ""
    yield (
        "Seeded and single-threaded. In the same environment the same digest comes "
        "out; elsewhere, where linear algebra rounds differently, predictions agree "
        f"within {science['tolerance']} (a test retrains and compares)."
    )
    yield ""
    yield f"* Made with: {versions}"
    covered = "weights and"
    if "applicability" in science:
        covered = "weights, area of applicability and"
    yield f"* Digest ({covered} scientific part of `card.json`): `{card['digest']}`"
    yield ""


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join('---' for _ in head)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
