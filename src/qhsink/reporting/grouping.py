"""Rows of a run put in the order of a reader: by region, refusals by their reason.

What the terminal and the page have in common. No markup and no number is made here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qhsink.domain.region import Region
from qhsink.reporting.record import ReportRow

_JUDGED = ("met", "not met", "not distinguishable")


@dataclass(frozen=True, slots=True)
class RegionRows:
    """All rows of one region."""

    region: Region
    """The region."""
    given: tuple[ReportRow, ...]
    """Rows with a number; those held against a target or a line come first."""
    refused: tuple[ReportRow, ...]
    """Rows without one."""


@dataclass(frozen=True, slots=True)
class RefusalGroup:
    """Numbers that are withheld for one and the same reason."""

    letter: str
    """Its mark in a table: a, b, c, ..."""
    reason: str
    """The reason, without the id of the indicator it was raised for."""
    rows: tuple[ReportRow, ...]
    """The rows, in reading order."""

    @property
    def indicators(self) -> tuple[ReportRow, ...]:
        """One row of each indicator."""
        return tuple({row.indicator_id: row for row in self.rows}.values())

    @property
    def regions(self) -> tuple[Region, ...]:
        """Each region once."""
        return tuple({row.region.id: row.region for row in self.rows}.values())


def by_region(rows: Sequence[ReportRow]) -> tuple[RegionRows, ...]:
    """Return the rows of each region, in the order the regions were asked for."""
    mine: dict[str, list[ReportRow]] = {}
    for row in rows:
        mine.setdefault(row.region.id, []).append(row)
    return tuple(
        RegionRows(
            group[0].region,
            tuple(
                sorted((r for r in group if r.estimate), key=lambda r: not r.verdict)
            ),
            tuple(row for row in group if row.estimate is None),
        )
        for group in mine.values()
    )


def refusals(rows: Sequence[ReportRow]) -> tuple[RefusalGroup, ...]:
    """Return the refused rows, gathered by their reason."""
    groups: dict[str, list[ReportRow]] = {}
    for row in rows:
        if row.estimate is None:
            groups.setdefault(_reason(row), []).append(row)
    return tuple(
        RefusalGroup(_letter(number), reason, tuple(group))
        for number, (reason, group) in enumerate(groups.items())
    )


def flag_numbers(rows: Sequence[ReportRow]) -> dict[str, int]:
    """Return the number of each flag's note, in the order they are met."""
    flags = dict.fromkeys(
        flag for row in rows if row.estimate for flag in row.estimate.flags
    )
    return {flag: number for number, flag in enumerate(flags, start=1)}


def count_outcomes(rows: Sequence[ReportRow]) -> dict[str, int]:
    """Return how many rows ended how; judged against a reference counts apart."""
    tally = dict.fromkeys((*_JUDGED, "reference", "no target", "refused"), 0)
    for row in rows:
        if row.estimate is None:
            tally["refused"] += 1
        elif row.verdict is None or row.verdict.outcome not in _JUDGED:
            tally["no target"] += 1
        elif row.verdict.target.kind == "reference":
            tally["reference"] += 1
        else:
            tally[row.verdict.outcome] += 1
    return tally


def _reason(row: ReportRow) -> str:
    return (row.refusal or "").removeprefix(f"{row.indicator_id} ")


def _letter(number: int) -> str:
    """Return a, b, ..., z, aa, ab, ...: of a group's place."""
    text = ""
    while number >= 0:
        text = chr(ord("a") + number % 26) + text
        number = number // 26 - 1
    return text
