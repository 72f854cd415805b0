"""What wrong intervals lead to, in Markdown: wrong verdicts, and worlds that lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from qhsink.reporting.coverage_trial import Trial
from qhsink.reporting.coverage_words import LIE_MODES, LIES, NAMES, REMARKS

Shares = Mapping[str, float]
VerdictLines = dict[str, dict[str, dict[float, Shares]]]
"""Size, mode and distance to shares of verdicts."""


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


def verdict_sections(verdicts: pd.DataFrame, trial: Trial) -> Iterator[str]:
    """Yield how often a verdict is wrong, by how far the target is off the truth."""
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


def lie_section(lies: pd.DataFrame, trial: Trial) -> Iterator[str]:
    """Yield what breaking one assumption at a time does to map and plots."""
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
