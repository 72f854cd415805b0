"""The trial of the intervals as Markdown, ready for ``docs/``: the whole page.

What is said in words is in ``coverage_words``; the HTML page is ``coverage``'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from qhsink.reporting.coverage_words import (
    LIE_MODES,
    LIES,
    NAMES,
    NOTES,
    READINGS,
    REMARKS,
)


@dataclass(frozen=True, slots=True)
class TargetTrial:
    """What was tried where every target is mapped."""

    worlds: int
    square_km: float
    """Edge of a square [km]."""
    part_km: float
    """Edge of a unit whose sink is graded [km]."""
    pixel_m: float


@dataclass(frozen=True, slots=True)
class Trial:
    """What was tried."""

    worlds: int
    failed: int
    """Worlds that gave nothing."""
    regions: tuple[str, ...]
    lie: str | None
    lie_worlds: int
    """Worlds of each lie that were tried beside."""
    square_km: float
    """Edge of a square [km]."""
    part_km: float
    """Edge of a sub-region [km]."""
    plots: int
    """Plots of a campaign in a square."""
    tracks: int
    """Lidar tracks across a square."""
    campaigns: int
    """Independent campaigns of each kind in a square."""
    further_campaigns: int
    """... of the kinds tried beside them."""
    label_plots: int
    """Plots of a campaign for what is rare."""
    pixel_m: float
    targets: TargetTrial
    """The worlds in which every target is mapped."""
    code: str
    """Digest of the code that was tried."""

    @property
    def sizes(self) -> dict[str, str]:
        """Names of the region sizes."""
        count, small = len(self.regions), self.targets
        return {
            "part": f"{self.part_km**2:,.0f} km²",
            "square": f"{self.square_km**2:,.0f} km²",
            "all": f"{count * self.square_km**2:,.0f} km² in {count}",
            "target part": f"{small.part_km**2:.3g} km²",
            "target square": f"{small.square_km**2:,.0f} km²",
            "target squares": f"{count * small.square_km**2:,.0f} km² in {count}",
        }


_HEADER = (
    "| mode | region | estimates | bias | RMSE | 90 % width | 90 % covers "
    "| 95 % covers | reading |"
)

Shares = Mapping[str, float]
VerdictLines = dict[str, dict[str, dict[float, Shares]]]
"""Size, mode and distance to shares of verdicts."""


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
    lines += [*_verdicts(verdicts, trial), *_lies(lies, trial)]
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


def verdict_lines(verdicts: pd.DataFrame, indicator: str = "fvc_peak") -> VerdictLines:
    """Return shares of wrong and open verdicts by size, mode and distance.

    ``met``: said to be met by a truth below the target. ``not met``: the other way
    round, a truth at the target included. ``open``: not distinguishable, either side.
    """
    found: VerdictLines = {}
    if verdicts.empty:
        return found
    mine = verdicts[verdicts["indicator"] == indicator]
    part = mine.assign(off=mine["distance"].abs())
    for size in ("all", "square", "part"):
        modes = part[part["size"] == size]
        cells = {
            mode: {
                off: _both_sides(modes[(modes["mode"] == mode) & (modes["off"] == off)])
                for off in sorted(set(modes["off"].tolist()))
            }
            for mode in REMARKS
            if mode in set(modes["mode"])
        }
        if cells:
            found[size] = cells
    return found


def _both_sides(lines: pd.DataFrame) -> Shares:
    above = lines[lines["distance"] > 0.0]["wrong"]
    below = lines[lines["distance"] <= 0.0]["wrong"]
    return {
        "met": float(above.mean()) if len(above) else float("nan"),
        "not met": float(below.mean()) if len(below) else float("nan"),
        "open": float(lines["open"].mean()),
    }


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


def _verdicts(verdicts: pd.DataFrame, trial: Trial) -> Iterator[str]:
    yield "## Wrong verdicts"
    yield ""
    yield (
        "With the target off the truth by so much: how often *met* is said of a truth "
        "below the target / *not met* of a truth above or at it (in brackets: not "
        "distinguishable), at 90 % confidence. Flagged estimates are judged too."
    )
    for indicator, (_, name) in NAMES.items():
        sizes = verdict_lines(verdicts, indicator)
        if sizes:
            yield ""
            yield f"### {name[0].upper()}{name[1:]}"
        for size, modes in sizes.items():
            yield ""
            yield from _verdict_table(trial.sizes[size], modes)
    yield ""


def _verdict_table(size: str, modes: dict[str, dict[float, Shares]]) -> Iterator[str]:
    distances = sorted({d for said in modes.values() for d in said})
    yield f"| mode, {size} | " + " | ".join(f"±{d:.2f}" for d in distances) + " |"
    yield "|---|" + "---:|" * len(distances)
    for mode, said in modes.items():
        cells = (_verdict_cell(said[d]) if d in said else "" for d in distances)
        yield f"| {mode} | {' | '.join(cells)} |"


def _verdict_cell(said: Shares) -> str:
    met, unmet = (
        "–" if said[name] != said[name] else f"{said[name]:.1%}"
        for name in ("met", "not met")
    )
    return f"{met} / {unmet} ({said['open']:.0%})"


def lie_lines(lies: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Return bias and coverage on whole squares by lie and mode."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for row in lies.to_dict("records"):
        found.setdefault(str(row["lie"]), {})[str(row["mode"])] = {
            name: float(row[name]) for name in ("bias", "cover90", "excluded", "worlds")
        }
    return {lie: found[lie] for lie in LIES if lie in found}


def _lies(lies: pd.DataFrame, trial: Trial) -> Iterator[str]:
    lines = lie_lines(lies)
    if not lines:
        return
    yield "## When a world lies"
    yield ""
    yield (
        f"{trial.lie_worlds} worlds for each, one assumption broken at a time; mean "
        f"peak cover of {trial.sizes['square']}: bias, and how often a 90 % interval "
        "covers. The first line is the same worlds unbroken."
    )
    yield ""
    yield "| broken | the pipeline | " + " | ".join(LIE_MODES) + " |"
    yield "|---|---|" + "---|" * len(LIE_MODES)
    for lie, modes in lines.items():
        cells = " | ".join(
            f"{modes[m]['bias']:+.3f}, **{modes[m]['cover90']:.0%}**"
            if m in modes
            else "–"
            for m in LIE_MODES
        )
        yield f"| {LIES[lie][1]} | {notice(modes)} | {cells} |"
    yield ""
    yield (
        "What it says: only the forgotten offset is seen by the pipeline itself, which "
        "leaves the scenes out. Thin cloud and a type missing from training move the "
        "map against the first line, and nothing but plots shows it: difference and "
        "regression put it right. "
        "Plots that are no probability sample, or are read wrongly, spoil what rests "
        "on them, and no interval can know."
    )
    yield ""


def notice(modes: Mapping[str, Mapping[str, float]]) -> str:
    """Return what the pipeline did about a lie."""
    excluded = next(iter(modes.values()))["excluded"]
    return f"leaves out {excluded:.1f} scenes a world" if excluded else "sees nothing"
