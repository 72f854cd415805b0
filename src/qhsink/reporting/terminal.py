"""Rows of a run -> the lines that a terminal or a log shows.

One line per indicator where the width allows, two where it does not; what repeats
(flags, reasons of refusals, simulation) is said once, below. Colour adds to words and
never replaces them: without it nothing is lost. Nothing is printed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.text import Text

from qhsink.reporting.digits import (
    estimate_text,
    level_text,
    outside_text,
    plain_text,
    probability_text,
)
from qhsink.reporting.grouping import (
    RegionRows,
    by_region,
    flag_numbers,
    refusals,
)
from qhsink.reporting.record import ReportRow
from qhsink.reporting.terminal_notes import (
    notes_below,
    refusal_lines,
    refused_region_line,
    summary_line,
)
from qhsink.reporting.wording import outcome_words

Form = Literal["both", "one", "two", "narrow"]
"""Both languages on a line, English alone on a line, two lines, two short lines."""

PLAIN_WIDTH = 160
"""Columns of what goes to a file: always the same, wide enough for one line each."""

_GAP = 2
"""Cells between two columns."""
_SHOWN: Mapping[Form, tuple[str, ...]] = {
    "both": ("name", "value", "outside", "target", "verdict", "notes"),
    "one": ("name", "value", "outside", "target", "verdict", "notes"),
    "two": ("name", "value", "target", "verdict"),
    "narrow": ("name", "value"),
}
"""Columns of a form; a second line holds the others."""
_BRIEF = {
    "met": "above reference",
    "not met": "below reference",
    "not distinguishable": "not distinguishable",
}
"""Verdicts on a reference line; that it is one stands beside its number."""
_STYLES = {"met": "bold green", "unmet": "bold red", "open": "yellow"}


@dataclass(frozen=True, slots=True)
class _Marks:
    """What stands below the table and is pointed at from it."""

    notes: Mapping[str, int]
    """Number of each flag."""
    reasons: Mapping[tuple[str, str], str]
    """Letter of the refusal, by region and indicator."""


@dataclass(frozen=True, slots=True)
class _Column:
    """Where a column stands, in cells of the terminal."""

    name: str
    start: int
    width: int

    @property
    def end(self) -> int:
        return self.start + self.width

    def place(self, cell: Text) -> int:
        """Return where ``cell`` begins: numbers end at the column's right edge."""
        flush = self.name in ("value", "outside", "target")
        return self.end - cell_len(cell.plain) if flush else self.start


@dataclass(frozen=True, slots=True)
class _Line:
    """The cells of one indicator."""

    name: Text
    value: Text
    outside: Text
    target: Text
    verdict: Text
    notes: Text


def run_lines(
    rows: Sequence[ReportRow], refused: Mapping[str, str], *, width: int
) -> list[Text]:
    """Return the table of a run and the notes it points at.

    Parameters
    ----------
    rows : sequence of ReportRow
        Estimates and refusals.
    refused : mapping of str to str
        Regions without any number from a map, known or not, with the reason.
    width : int
        Columns of the terminal. Only headings, notes and reasons may be longer than
        it, and are for the terminal to wrap.
    """
    groups = refusals(rows)
    reasons = {
        (row.region.id, row.indicator_id): group.letter
        for group in groups
        for row in group.rows
    }
    marks = _Marks(flag_numbers(rows), reasons)
    below = [*notes_below(rows, marks.notes)]
    below += [line for group in groups for line in refusal_lines(group, rows)]
    below += [refused_region_line(*region, groups) for region in refused.items()]
    table = [*_table(rows, marks, width), Text()] if rows else []
    return [*table, *below, Text(), summary_line(rows)]


def _table(rows: Sequence[ReportRow], marks: _Marks, width: int) -> list[Text]:
    regions = by_region(rows)
    forms: tuple[Form, ...] = ("both", "one", "two", "narrow")
    for form in forms:
        head = _head(rows, form)
        body = [(r, list(_region_lines(r, marks, form))) for r in regions]
        columns = _columns([head, *(x for _, lines in body for x in lines)], form)
        if columns[-1].end <= width:
            break
    shown = [Text(t.plain, style="bold") for t in _laid_out(head, columns, "both")]
    for region, lines in body:
        shown += [Text(), _heading(region)]
        shown += [text for line in lines for text in _laid_out(line, columns, form)]
    return shown


def _head(rows: Sequence[ReportRow], form: Form) -> _Line:
    levels = sorted({row.estimate.confidence for row in rows if row.estimate})
    at = f"at {' / '.join(level_text(level) for level in levels)}" if levels else ""
    between = " " if form in ("both", "one") else "\n"
    return _Line(
        Text("region, indicator"),
        Text(f"value ± half-width{between}{at}"),
        Text("outside"),
        Text("target"),
        Text("verdict"),
        Text("notes"),
    )


def _heading(group: RegionRows) -> Text:
    region = group.region
    names = " ".join(dict.fromkeys((region.name_zh, region.name_en)))
    return Text(f"{names} ({region.id})", style="bold")


def _region_lines(group: RegionRows, marks: _Marks, form: Form) -> Iterator[_Line]:
    for row in group.given:
        yield _given_line(row, marks, form)
    together: dict[str, list[ReportRow]] = {}
    for row in group.refused:
        letter = marks.reasons[row.region.id, row.indicator_id]
        together.setdefault(letter, []).append(row)
    empty = Text()
    for letter, refused in together.items():
        name = _name(refused[0], form)
        if len(refused) > 1:
            name = f"  {len(refused)} indicators"
        said = Text(f"refused: {letter}", style="yellow")
        yield _Line(Text(name), empty, empty, empty, said, empty)


def _name(row: ReportRow, form: Form) -> str:
    if form != "both" or row.brief_zh == row.brief_en:
        return f"  {row.brief_en}"
    return f"  {row.brief_zh} {row.brief_en}"


def _given_line(row: ReportRow, marks: _Marks, form: Form) -> _Line:
    estimate, verdict = row.estimate, row.verdict
    assert estimate is not None  # noqa: S101 - a given row has one
    target = Text()
    if verdict is not None and verdict.target.value is not None:
        line = plain_text(verdict.target.value, verdict.target.unit)
        aim = verdict.target.kind == "reference"
        target = Text(f"{line} ref." if aim else f"≥ {line}")
    outside = Text(outside_text(estimate.outside_share))
    if estimate.stock_outside_share is not None:
        outside.append(f" / {outside_text(estimate.stock_outside_share)}")
    numbers = [str(marks.notes[flag]) for flag in estimate.flags]
    return _Line(
        Text(_name(row, form)),
        Text(estimate_text(estimate)),
        outside if estimate.outside_share is not None else Text(),
        target,
        _verdict(row, form),
        Text(" ".join(numbers)),
    )


def _verdict(row: ReportRow, form: Form) -> Text:
    verdict = row.verdict
    outcome = outcome_words(verdict)
    word = outcome.words.en
    if verdict is not None and verdict.target.kind == "reference":
        word = _BRIEF.get(verdict.outcome, word)
    said = Text(word, style=_STYLES.get(outcome.style, ""))
    if verdict is not None and verdict.p_met is not None:
        sure = probability_text(verdict.p_met, confidence=verdict.confidence)
        sure = sure if sure[0] in "<>" else f"= {sure}"
        said.append(f"\nP {sure}" if form == "two" else f", P {sure}")
    return said


def _columns(lines: Sequence[_Line], form: Form) -> list[_Column]:
    """Return where the columns stand, wide enough for every line."""
    columns, start = [], 0
    for name in _SHOWN[form]:
        cells = [getattr(line, name).plain.partition("\n")[0] for line in lines]
        width = max(cell_len(cell) for cell in cells)
        columns.append(_Column(name, start, width))
        start += width + _GAP
    return columns


def _laid_out(line: _Line, columns: Sequence[_Column], form: Form) -> list[Text]:
    """Return a line in its columns; what has none of its own stands below it."""
    first, second = [], []
    for column in columns:
        cell, *more = getattr(line, column.name).split("\n")
        first.append((column.place(cell), cell))
        second += [(column.place(part), part) for part in more]
    if form in ("two", "narrow"):
        second.insert(0, (4, _below(line, form)))
    lines = [_placed(first), _placed(second)]
    return lines if lines[1].plain else lines[:1]


def _placed(parts: Sequence[tuple[int, Text]]) -> Text:
    line = Text()
    for start, part in parts:
        if part.plain:
            line.append(" " * max(start - cell_len(line.plain), 0))
            line.append_text(part)
    return line


def _below(line: _Line, form: Form) -> Text:
    outside = f"outside {line.outside.plain}" if line.outside.plain else ""
    numbers = f"notes {line.notes.plain}" if line.notes.plain else ""
    text = Text("; ".join(part for part in (outside, numbers) if part), style="dim")
    if form != "narrow":
        return text
    parts = (line.target, line.verdict, text)
    return Text("; ").join(part for part in parts if part.plain)
