"""``python -m benchmarks.validation``: docs/validation.md, published beside ours.

Every row is computed when the page is made, through the command line or the public
functions; figures to compare with come from ``../shared/cases`` (whose SOURCE.txt says
where each was printed or run) or are typed here with their source. A figure beyond its
tolerance ends the command with status 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks import validation_area, validation_carbon, validation_totals
from benchmarks.validation_case import CASES, PROJECT, Case

PAGE = PROJECT / "docs" / "validation.md"

BUILDERS: tuple[Callable[[], Case], ...] = (
    *validation_area.BUILDERS,
    *validation_totals.BUILDERS,
    *validation_carbon.BUILDERS,
)
"""Every case, in the order of the page."""


def figure_text(value: float) -> str:
    """Return a number with as many digits as a comparison needs."""
    return f"{value:.10g}"


def page(cases: Iterable[Case]) -> str:
    """Return the page in Markdown."""
    parts = [
        "# Validation: published numbers beside ours\n",
        (
            "Made by `python -m benchmarks.validation`; do not edit. Figures from "
            "papers are compared to the printed digit, figures from software to 1e-7.\n"
        ),
    ]
    for case in cases:
        parts += [
            f"## {case.title}\n",
            f"Source: {case.source}.\n",
            "| quantity | published | ours | difference |",
            "|---|---:|---:|---:|",
        ]
        for figure in case.figures:
            gap = figure.ours - figure.theirs
            relative = gap / figure.theirs if figure.theirs else gap
            # Below a part in a billion the last bits of the machine decide.
            difference = f"{relative:.1e}" if abs(relative) >= 1e-9 else "< 1e-9"
            mark = "" if figure.agrees else " **beyond tolerance**"
            parts.append(
                f"| {figure.quantity} | {figure_text(figure.theirs)} | "
                f"{figure_text(figure.ours)} | {difference}{mark} |"
            )
        parts.append("")
        if case.remark:
            parts.append(f"{case.remark}\n")
    return "\n".join(parts)


def main() -> None:
    """Write the page; exit with 1 when a figure is beyond its tolerance."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.validation")
    parser.add_argument("--out", type=Path, default=PAGE)
    options = parser.parse_args()
    if not CASES.is_dir():
        sys.exit("the published cases (../shared/cases) are not on this machine")
    cases = [build() for build in BUILDERS]
    options.out.write_text(page(cases), encoding="utf-8")
    figures = [figure for case in cases for figure in case.figures]
    wrong = [figure for figure in figures if not figure.agrees]
    print(
        f"{len(figures)} figures in {options.out.name}, {len(wrong)} beyond tolerance"
    )
    for figure in wrong:
        print(f"  {figure.quantity}: {figure.theirs} against {figure.ours}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
