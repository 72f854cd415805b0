"""The trial of the intervals as Markdown, ready for ``docs/``: the whole page.

What is said in words is in ``coverage_words``; the HTML page is ``coverage``'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from qhsink.reporting.coverage_trial import Trial
from qhsink.reporting.coverage_verdicts import lie_section, verdict_sections
from qhsink.reporting.coverage_words import NAMES, NOTES, READINGS, REMARKS

_HEADER = (
    "| mode | region | estimates | bias | RMSE | 90 % width | 90 % covers "
    "| 95 % covers | reading |"
)


def coverage_markdown(
    summary: pd.DataFrame,
    classes: pd.DataFrame,
    verdicts: pd.DataFrame,
    lies: pd.DataFrame,
    trial: Trial,
) -> str:
    """Return the trial as a whole Markdown page, ready for ``docs/``."""
    lines = [*_head(trial), *_readings(summary, classes, trial)]
    for table in indicator_tables(summary, trial):
        lines += [
            f"## {table['en'][0].upper()}{table['en'][1:]}",
            "",
            _HEADER,
            "|---|---|---:|---:|---:|---:|---|---|---|",
        ]
        lines += [_row(row) for row in table["rows"]]
        lines.append("")
    lines += [*_classes(classes, trial)]
    lines += [*verdict_sections(verdicts, trial), *lie_section(lies, trial)]
    return "\n".join([*lines, ""])


def _head(trial: Trial) -> Iterator[str]:
    lie = f" --lie {trial.lie}" if trial.lie else ""
    beside = f" --lie-worlds {trial.lie_worlds}" if trial.lie_worlds else ""
    yield "# Are the intervals honest?"
    yield ""
    yield "Made by"
    yield ""
    yield (
        f"    qhsink twin evaluate --worlds {trial.worlds + trial.failed}{lie}{beside} "
        f"--regions {','.join(trial.regions)} --out DIR"
    )
    yield ""
    yield (
        f"and copied whole from `DIR/coverage.md`: {trial.worlds} simulated worlds"
        f"{f' ({trial.failed} failed)' if trial.failed else ''}, code {trial.code}. "
        f"Each has {len(trial.regions)} squares of {trial.square_km:g} km "
        f"on {trial.pixel_m:g} m pixels, the monthly steps run on its scenes, and "
        f"{trial.campaigns} independent field campaigns of each kind with "
        f"{trial.plots} plots in every square, and {trial.tracks} lidar tracks; "
        f"{trial.further_campaigns} of each further kind, with {trial.label_plots} "
        "plots where what is asked for is rare; every estimate is held against the "
        "truth. Parameters: `config/evaluate.toml`. Everything is simulated."
    )
    yield ""
    if trial.targets.worlds:
        yield (
            f"{trial.targets.worlds} of the worlds map every target too, on squares of "
            f"{trial.targets.square_km:g} km ({trial.sizes['target square']}) with "
            f"{trial.targets.pixel_m:g} m pixels and the models of "
            "`config/demo-targets.toml`, which no such world has taught."
        )
        yield ""
    yield (
        "In brackets: 95 % binomial limits (Clopper and Pearson), as if estimates were "
        "independent. Those of one world share its scenes and its map, so the map-only "
        "modes have fewer trials than they show: about one for each square."
    )
    yield ""
    yield from (f"* {note}" for note in NOTES)
    yield ""


def _readings(
    summary: pd.DataFrame, classes: pd.DataFrame, trial: Trial
) -> Iterator[str]:
    """Yield which modes cover, which do not, and what their intervals leave out."""
    yield "## Which 90 % intervals cover 85 to 95 % of the time"
    yield ""
    for reading in READINGS:
        part = summary[summary["reading"] == reading]
        if part.empty:
            continue
        yield f"**{reading.capitalize()}**"
        yield ""
        for row in part.to_dict("records"):
            name = NAMES.get(row["indicator"], ("", row["indicator"]))[1]
            yield (
                f"* {row['mode']}, {name}, {trial.sizes[row['size']]}: "
                f"{row['cover90']:.1%}.{_flag(row, ' Flagged.', ' {} flagged.')}"
            )
        yield ""
    yield "What each interval holds, and what it leaves out:"
    yield ""
    for mode, remark in REMARKS.items():
        if mode in {*summary["mode"], *classes.get("mode", ())}:
            yield f"* {mode}: {remark}"
    yield ""


def indicator_tables(summary: pd.DataFrame, trial: Trial) -> Iterator[dict[str, Any]]:
    """Yield each indicator's names and rows, with the sizes spelled out."""
    for indicator, part in summary.groupby("indicator", sort=False):
        name_zh, name_en = NAMES.get(str(indicator), ("", str(indicator)))
        yield {
            "zh": name_zh,
            "en": name_en,
            "rows": [
                {**row, "size": trial.sizes[row["size"]]}
                for row in part.to_dict("records")
            ],
        }


def _flag(row: Mapping[Any, Any], whole: str, some: str) -> str:
    if row["flagged"] == 0.0:
        return ""
    return whole if row["flagged"] == 1.0 else some.format(f"{row['flagged']:.1%}")


def _row(row: dict[str, Any]) -> str:
    figures = " | ".join(_figure(row[name]) for name in ("bias", "rmse", "width90"))
    without = f" ({row['refused']} none)" if row["refused"] else ""
    return (
        f"| {row['mode']} | {row['size']} | {row['estimates']}{without} | {figures} "
        f"| {_covers(row, 90)} | {_covers(row, 95)} "
        f"| {row['reading']}{_flag(row, ', flagged', ', {} flagged')} |"
    )


def _figure(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1.0 else f"{value:.2f}"


def _covers(row: dict[str, Any], level: int) -> str:
    if row[f"cover{level}"] != row[f"cover{level}"]:
        return "–"
    low, high = row[f"cover{level}_low"], row[f"cover{level}_high"]
    return f"**{row[f'cover{level}']:.1%}** ({low:.1%} to {high:.1%})"


def _classes(classes: pd.DataFrame, trial: Trial) -> Iterator[str]:
    """Yield how often named classes are true ones."""
    if classes.empty:
        return
    yield "## Grades and states"
    yield ""
    yield (
        "A class is named where it is likely enough: of how many units, how sure it is "
        "said to be, and how often it is the true one. Where some units carry a flag, "
        "the others are counted."
    )
    yield ""
    yield "| what | mode | units | named | flagged | said | right | reading |"
    yield "|---|---|---:|---:|---:|---:|---|---|"
    for row in classes.to_dict("records"):
        name = NAMES.get(row["indicator"], ("", row["indicator"]))[1]
        right = "–"
        if row["judged"]:
            right = f"**{row['right']:.1%}** ({row['right_low']:.1%} to "
            right += f"{row['right_high']:.1%}, n {row['judged']})"
        yield (
            f"| {name} | {row['mode']} | {row['units']} of "
            f"{trial.sizes[row['size']]} | {row['named']:.1%} | {row['flagged']:.1%} "
            f"| {row['said']:.1%} | {right} | {row['reading']}"
            f"{', flagged' if row['flagged'] == 1.0 else ''} |"
        )
    yield ""
