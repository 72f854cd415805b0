"""What a card promises of every regressor, and where this one does not keep it.

Said at the top of the card, in both languages. The evidence itself is told in
``results``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qhsink.mapping.baselines import TREES
from qhsink.mapping.comparison import ENSEMBLE

WANTED_GAP, WANTED_RATIO = 0.01, 20
"""What a model that ships must keep to: R2 below the best, and speed per member."""
LEAST_COVERED, MOST_COVERED = 0.85, 0.95
"""Coverage of a 90 % interval that goes without remark."""
LEAST_IN_TENTH = 30
"""Samples in a tenth whose coverage is worth a remark."""

ALL_KEPT = (
    "Kept: R² within 0.01 of the best model compared, one member at least 20 times as "
    "fast as the best tree ensemble, and the 90 % interval holds 85 to 95 % in every "
    "kind of folds, also by tenth of predicted value where tenths are large enough to "
    "tell."
)


@dataclass(frozen=True, slots=True)
class Broken:
    """One promise that is not kept."""

    zh: str
    """In Chinese, one sentence."""
    en: str
    """In English, one sentence."""


@dataclass(frozen=True, slots=True)
class Race:
    """The ensemble against its best rivals, on the folds that decide."""

    best: str
    """Model with the greatest R2, the ensemble included."""
    gap: float
    """Its R2 less the ensemble's."""
    tree: str
    """Best tree ensemble."""
    ratio: float
    """How many times one member is as fast as it."""


def race(science: Mapping[str, Any], cost: Mapping[str, float]) -> Race | None:
    """Return how the ensemble stands against its rivals; None without a tree."""
    models = science["validation"]["runs"]["models"]
    r2 = {name: row["r2"] for name, row in models.items()}
    best = max(r2, key=lambda name: r2[name])
    tree = max((n for n in TREES if n in r2), key=lambda name: r2[name], default=None)
    if tree is None:
        return None
    ratio = cost[tree] * science["recipe"]["members"] / cost[ENSEMBLE]
    return Race(best, r2[best] - r2[ENSEMBLE], tree, ratio)


def is_covered(share: float) -> bool:
    """Return whether a 90 % interval that holds ``share`` keeps its promise."""
    return LEAST_COVERED <= share <= MOST_COVERED


def broken_promises(
    science: Mapping[str, Any], cost: Mapping[str, float]
) -> tuple[Broken, ...]:
    """Return what a model does not keep, in reading order; nothing where all is kept.

    Parameters
    ----------
    science : mapping
        The scientific part of a regressor's card.
    cost : mapping of str to float
        CPU milliseconds per million samples, by model compared.
    """
    return (*_of_rivals(race(science, cost)), *_of_intervals(science))


def _of_rivals(found: Race | None) -> Iterator[Broken]:
    if found is None:
        yield Broken(
            "未与任何树集成模型比较。", "It was compared with no ensemble of trees."
        )
        return
    if found.gap > WANTED_GAP:
        yield Broken(
            f"在相同的交叉验证折上，R² 比最好的模型（{found.best}）低 {found.gap:.3f}，"
            f"超出允许的 {WANTED_GAP}。",
            f"On the same folds its R² is {found.gap:.3f} below that of the best model "
            f"({found.best}); at most {WANTED_GAP} is allowed.",
        )
    if found.ratio < WANTED_RATIO:
        yield Broken(
            f"单个成员的预测速度仅为最好的树集成（{found.tree}）的 {found.ratio:.0f} "
            f"倍，要求不低于 {WANTED_RATIO} 倍。",
            f"One member predicts only {found.ratio:.0f} times as fast as the best "
            f"tree ensemble ({found.tree}); at least {WANTED_RATIO} times is asked.",
        )


def _of_intervals(science: Mapping[str, Any]) -> Iterator[Broken]:
    tenths, kinds = 0, []
    for kind, part in science["validation"].items():
        title = science["grouping"] if kind == "runs" and "grouping" in science else ""
        title = title or str(part.get("title", kind))
        kinds += [
            f"{title} {part[key]:.1%}"
            for key in ("interval_coverage", "shipped_coverage")
            if key in part and not is_covered(part[key])
        ]
        rows = part["by_predicted"]
        if all(row["count"] >= LEAST_IN_TENTH for row in rows):
            tenths += sum(not is_covered(row["coverage"]) for row in rows)
    if kinds:
        yield Broken(
            f"90 % 预测区间的覆盖率超出 85 % 至 95 %：{'；'.join(kinds)}。",
            "The 90 % interval does not hold 85 to 95 % of the samples: "
            f"{'; '.join(kinds)}.",
        )
    if tenths:
        yield Broken(
            f"按预测值十分位，有 {tenths} 组的区间覆盖率超出 85 % 至 95 %，见下文。",
            f"By tenth of predicted value the interval holds less than 85 or more than "
            f"95 % in {tenths} {'tenth' if tenths == 1 else 'tenths'}, listed below.",
        )


def section_promises(
    science: Mapping[str, Any], cost: Mapping[str, float]
) -> Iterator[str]:
    """Yield what stands at the top of the card: promises not kept, or that all are."""
    found = broken_promises(science, cost)
    if not found:
        yield f"**{ALL_KEPT}**"
    else:
        yield "**NOT KEPT of what is promised of every model:**"
        yield ""
        yield from (f"* {one.en}" for one in found)
    yield ""
