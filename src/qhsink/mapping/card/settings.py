"""How settings were chosen, in words. Part of ``qhsink.mapping.card.text``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qhsink.mapping.card.results import markdown_table


def section_settings(science: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was tried, where the training chose; nothing where it was told."""
    search = science.get("search")
    if search is None:
        yield (
            "**Settings.** Hidden layers, penalty, rate and passes are those of the "
            "recipe and were not chosen by these folds (`--search` does that for the "
            "first two; docs/training.md says what it brought where it was tried)."
        )
        yield ""
        return
    yield "## Settings tried"
    yield ""
    yield (
        f"{len(search['candidates'])} settings of {search['members']} members each, on "
        f"the folds that decide: {search['title']}. The recipe's own stands unless "
        "another beats it by more than the standard error of their difference over "
        "folds."
    )
    yield ""
    yield from markdown_table(
        ("hidden layers", "L2 penalty", "RMSE", "error saved (MSE)", ""),
        [
            (
                " + ".join(map(str, tried["hidden"])),
                f"{tried['penalty']:g}",
                f"{tried['rmse']:.4g}",
                f"{tried['gain']:+.1%} ± {tried['gain_se']:.1%}",
                "chosen" if tried == search["chosen"] else "",
            )
            for tried in search["candidates"]
        ],
    )
    yield ""
    yield (
        "The setting may have been picked by these same folds, so the scores below on "
        "them may be a little too good: the best of several always looks better than "
        "it is. The other kinds of folds had no part in it."
    )
    yield ""
