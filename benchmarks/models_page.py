"""What the shipped models are worth on simulated worlds that none was trained on.

``python -m benchmarks.models_page`` writes the section between the marks in
``docs/models.md``. Worlds are those of ``test_seeds`` in ``config/train_twin.toml``,
built below ``work/twin/train`` where they are not there.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.layer_groups import Worlds, table_lines
from qhsink.config import Settings, load_model_targets, load_run_config, load_settings
from qhsink.config.train_twin import load_twin_training
from qhsink.domain.model_target import ModelTarget
from qhsink.mapping.card import interval_rule
from qhsink.mapping.card.promises import is_covered
from qhsink.mapping.ecosystem import choose_class, class_probabilities
from qhsink.mapping.ensemble import predict_members
from qhsink.mapping.features import feature_matrix
from qhsink.mapping.validation import DecileBias, Scores, bias_by_decile, score
from qhsink.registry import Model, load_model
from qhsink.steps.map_indicators import ECOSYSTEM
from qhsink.steps.twin_pixels import TwinPixels, read_worlds

BEGIN = "<!-- python -m benchmarks.models_page: begin -->"
END = "<!-- python -m benchmarks.models_page: end -->"
MOST_PIXELS = 20_000
"""Pixels of a target that are judged, drawn at random."""
SEED = 20261123

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a model is worth on unseen worlds."""

    target: ModelTarget
    model: Model
    pixels: int
    """Pixels of the target's ecosystems, by truth, that were judged."""
    scores: Scores
    """On these."""
    coverage: float
    """Share of them inside the 90 % interval of a single pixel."""
    deciles: tuple[DecileBias, ...]
    """By tenth of the true value."""
    mapped: tuple[DecileBias, ...]
    """By tenth of the mapped value."""
    area_outside: float
    """Share of the pixels mapped outside the area of applicability, 0..1."""
    stock_outside: float
    """Share of the mapped total there, 0..1."""
    total_ratio: float
    """Mapped total over true total of the target's ecosystems."""


def judge(
    pixels: TwinPixels,
    mapped: NDArray[np.str_],
    target: ModelTarget,
    model: Model,
    rng: np.random.Generator,
) -> Judged:
    """Return what a model is worth where its target is spoken of.

    Parameters
    ----------
    pixels : TwinPixels
        n pixels of unseen worlds.
    mapped : (n,) str
        Ecosystem that the classifier gives each.
    """
    some = rng.permutation(len(pixels.x))[: 10 * MOST_PIXELS]
    spoken = some[np.isin(pixels.ecosystem[some], target.ecosystems)][:MOST_PIXELS]
    truth = pixels.truth[target.id]
    mean, spread = _predict(model, pixels.take(spoken))
    half = interval_rule(model.card["science"]).half_width(mean, spread)
    held = np.abs(truth[spoken] - mean) <= half
    drawn = some[np.isin(mapped[some], target.ecosystems)][:MOST_PIXELS]
    found, _ = _predict(model, pixels.take(drawn))
    outside = _outside(model, pixels.take(drawn))
    share = np.isin(mapped, target.ecosystems).mean()
    true = truth[np.isin(pixels.ecosystem, target.ecosystems)].sum() / len(truth)
    return Judged(
        target=target,
        model=model,
        pixels=len(spoken),
        scores=score(truth[spoken], mean),
        coverage=float(held.mean()),
        deciles=bias_by_decile(truth[spoken], mean, held, by=truth[spoken]),
        mapped=bias_by_decile(truth[spoken], mean, held, by=mean),
        area_outside=float(outside.mean()),
        stock_outside=float(found[outside].sum() / found.sum()),
        total_ratio=float(found.mean() * share / true),
    )


def _predict(model: Model, pixels: TwinPixels) -> tuple[Doubles, Doubles]:
    features = feature_matrix(pixels.layers, model.ensemble.features)
    members = predict_members(model.ensemble, features).astype(np.float64)
    return members.mean(axis=1), members.std(axis=1, ddof=1)


def _outside(model: Model, pixels: TwinPixels) -> NDArray[np.bool_]:
    area = model.applicability
    if area is None:
        return np.zeros(len(pixels.x), bool)
    features = feature_matrix(pixels.layers, model.ensemble.features)
    index = area.dissimilarity(features.astype(np.float64))
    return np.asarray(index > area.threshold)


def classify(pixels: TwinPixels, model: Model, tie: float) -> NDArray[np.str_]:
    """Return the ecosystem that the classifier gives each pixel."""
    features = feature_matrix(pixels.layers, model.ensemble.features)
    classes = model.card["science"]["classes"]
    logits = predict_members(model.ensemble, features)
    probability = class_probabilities(logits, classes=len(classes))
    return np.array(classes)[choose_class(probability, range(len(classes)), tie=tie)]


def judge_all(settings: Settings, folder: Path) -> tuple[list[Judged], list[str]]:
    """Return every configured model judged, and lines on classes and on layers."""
    spec = load_twin_training()
    config = load_run_config(settings.project / "config" / "demo-targets.toml")
    table = load_model_targets(settings.project)
    pixels = read_worlds(spec, spec.test_seeds, folder, settings=settings, report=print)
    classifier = load_model(
        settings.project / "models", config.models.of(ECOSYSTEM) or ""
    )
    mapped = classify(pixels, classifier, table.tie)
    rng = np.random.default_rng(SEED)
    judged = [
        judge(
            pixels,
            mapped,
            target,
            load_model(settings.project / "models", model_id),
            rng,
        )
        for target in table.targets
        if (model_id := config.models.of(target.id)) is not None
    ]
    print("what each group of layers is worth")
    learnt = read_worlds(
        spec, spec.train_seeds, folder, settings=settings, report=print
    )
    further = tuple(one.target for one in judged if one.model.simulated)
    classes = tuple(classifier.card["science"]["classes"])
    groups = table_lines(Worlds(learnt, pixels, spec), further, classes)
    return judged, [*_class_lines(pixels, mapped, classifier), *groups]


def _class_lines(
    pixels: TwinPixels, mapped: NDArray[np.str_], model: Model
) -> Iterator[str]:
    yield f"### Ecosystems (`{model.id}`)"
    yield ""
    right = pixels.ecosystem == mapped
    yield (
        f"{right.mean():.1%} of {len(mapped):,} pixels of clear land are given their "
        "class. Producer's accuracy: share of the true class that is mapped as such; "
        "user's: share of what is mapped as the class that is."
    )
    yield ""
    yield "| class | share of land | mapped | producer's | user's |"
    yield "|---|---|---|---|---|"
    for name in model.card["science"]["classes"]:
        true, told = pixels.ecosystem == name, mapped == name
        both = float((true & told).sum())
        yield (
            f"| {name} | {true.mean():.1%} | {told.mean():.1%} | "
            f"{both / max(true.sum(), 1):.2f} | {both / max(told.sum(), 1):.2f} |"
        )
    yield ""


CAUTION = (
    "no model saw them, but they are simulated, and the models marked * learnt from "
    "other worlds of the same twin. They show how the method works, not what any model "
    "is worth in Qinghai."
)
EXPLAINED = (
    "Scores are of pixels whose true ecosystem is the target's; shares outside the "
    "area of applicability, and totals, of pixels that the ecosystem map gives to it. "
    "The last column is what a total of the map suffers from both errors together: of "
    "value and of ecosystem."
)
HELD = (
    "Pixel by pixel, as the band of half widths on a map says it. **Bold** is less "
    "than 85 or more than 95 %: there the card's promise, made on folds of the worlds "
    "that were learnt from, does not hold on these."
)
COLUMNS = (
    *("target", "model", "unit", "pixels", "R²", "RMSE", "bias", "slope"),
    *("90 % interval holds", "outside: area", "outside: total"),
    "mapped / true total",
)


def render(judged: list[Judged], classes: list[str]) -> str:
    """Return the section in Markdown."""
    worlds = " and ".join(str(seed) for seed in load_twin_training().test_seeds)
    lines = [
        BEGIN,
        "",
        f"Worlds {worlds} of the twin: {CAUTION}",
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|---" * len(COLUMNS) + "|",
        *(_line(one) for one in judged),
        "",
        EXPLAINED,
        "",
        "### Bias by tenth of the true value",
        "",
        "| target | " + " | ".join(str(k) for k in range(1, 11)) + " |",
        "|---" * 11 + "|",
        *(_decile_line(one) for one in judged),
        "",
        "### Share held by the 90 % interval, by tenth of the mapped value",
        "",
        HELD,
        "",
        "| target | " + " | ".join(str(k) for k in range(1, 11)) + " |",
        "|---" * 11 + "|",
        *(_held_line(one) for one in judged),
        "",
        *classes,
        END,
    ]
    return "\n".join(lines)


def _line(one: Judged) -> str:
    s, mark = one.scores, "*" if one.model.simulated else ""
    step = one.target.unit == "1"
    error, bias = (
        (f"{s.rmse:.3f}", f"{s.bias:+.3f}")
        if step
        else (f"{s.rmse:.1f}", f"{s.bias:+.1f}")
    )
    return (
        f"| {one.target.id} | `{one.model.id}`{mark} | {one.target.unit} | "
        f"{one.pixels:,} | {s.r2:.2f} | {error} | {bias} | {s.slope:.2f} | "
        f"{one.coverage:.1%} | {one.area_outside:.1%} | {one.stock_outside:.1%} | "
        f"{one.total_ratio:.2f} |"
    )


def _decile_line(one: Judged) -> str:
    digits = 3 if one.target.unit == "1" else 1
    cells = [f"{decile.bias:+.{digits}f}" for decile in one.deciles]
    return f"| {one.target.id} [{one.target.unit}] | " + " | ".join(cells) + " |"


def _held_line(one: Judged) -> str:
    cells = [
        f"{decile.coverage:.0%}"
        if is_covered(decile.coverage)
        else f"**{decile.coverage:.0%}**"
        for decile in one.mapped
    ]
    return f"| {one.target.id} | " + " | ".join(cells) + " |"


def replace_section(page: str, section: str) -> str:
    """Return ``page`` with the section between the marks replaced.

    Raises
    ------
    ValueError
        When the page has no marks.
    """
    if BEGIN not in page or END not in page:
        msg = f"docs/models.md without the marks {BEGIN} and {END}"
        raise ValueError(msg)
    before, rest = page.split(BEGIN, 1)
    return before + section + rest.split(END, 1)[1]


def main() -> None:
    """Write the section of ``docs/models.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--twin", type=Path, help="Folder of the worlds.")
    parser.add_argument("--store", type=Path, help="Artifact store.")
    given = parser.parse_args()
    settings = load_settings(store=given.store)
    folder = given.twin or settings.project / "work" / "twin" / "train"
    section = render(*judge_all(settings, folder))
    path = settings.project / "docs" / "models.md"
    page = replace_section(path.read_text(encoding="utf-8"), section)
    path.write_text(page, encoding="utf-8")
    print(section)


if __name__ == "__main__":
    main()
