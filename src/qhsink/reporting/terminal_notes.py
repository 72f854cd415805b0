"""What stands below the terminal's table: notes, reasons of refusals, a summary.

Said once for all rows; the table in ``terminal`` points here by number and letter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text

from qhsink.reporting.digits import is_even
from qhsink.reporting.grouping import RefusalGroup, count_outcomes
from qhsink.reporting.reasons import reason_in_chinese
from qhsink.reporting.record import ReportRow
from qhsink.reporting.wording import flag_words


def notes_below(
    rows: Sequence[ReportRow], numbers: Mapping[str, int]
) -> Iterator[Text]:
    """Yield what the rows have in common: simulation, flags, meaning of columns."""
    given = [row for row in rows if row.estimate]
    simulated = [r for r in given if r.estimate and r.estimate.provenance != "observed"]
    if simulated:
        which = (
            "every number above" if len(simulated) == len(given) else _list(simulated)
        )
        yield Text(
            f"SIMULATED 模拟数据: {which} comes from simulated images or models "
            "trained on them, and says nothing about any real place.",
            style="bold yellow",
        )
    for flag, number in numbers.items():
        words = flag_words(flag)
        text = words.zh if words.zh == words.en else f"{words.zh} / {words.en}"
        yield Text(f"{number}  {text}")
    if any(r.estimate and r.estimate.outside_share is not None for r in given):
        yield Text(
            "outside: share of the land (and of the total) that does not resemble "
            "the model's training data"
        )
    if any(r.estimate and not is_even(r.estimate) for r in given):
        yield Text("( – ): an interval that is not even about its value, given whole")
    judged = [row.verdict for row in given if row.verdict]
    if any(v.target.kind == "reference" for v in judged):
        yield Text(
            "ref.: a reference line for orientation, not a target; its definition "
            "differs"
        )
    if any(v.p_met is not None for v in judged):
        yield Text(
            "P: probability that the true value is at or above the line, if the "
            "interval holds all errors"
        )


def _list(rows: Sequence[ReportRow]) -> str:
    return ", ".join(dict.fromkeys(row.brief_en for row in rows))


def refusal_lines(group: RefusalGroup, rows: Sequence[ReportRow]) -> Iterator[Text]:
    """Yield the reason that a group's letter stands for, in both languages."""
    regions = {row.region.id for row in rows}
    concerned = [region.id for region in group.regions]
    where = ", ".join(concerned)
    if len(regions) > 1 and len(concerned) == len(regions):
        where = f"all {len(regions)} regions"
    head = Text(f"refused {group.letter}", style="yellow")
    yield head.append(
        f"  {_list(group.indicators)} ({where}): {group.reason}", style=""
    )
    chinese = reason_in_chinese(group.rows[0].refusal or "")
    if group.rows[0].refusal_zh or chinese:
        yield Text(f"           {group.rows[0].refusal_zh or chinese}")


def refused_region_line(
    region: str, reason: str, groups: Sequence[RefusalGroup]
) -> Text:
    """Return that a region has no number, with a reason not yet printed."""
    for group in groups:
        if any(r.region.id == region and r.refusal == reason for r in group.rows):
            reason = f"no number from any map, see {group.letter}"
    return Text(f"refused {region}: {reason}", style="yellow")


def summary_line(rows: Sequence[ReportRow]) -> Text:
    """Return how the rows ended, in one line."""
    words = {
        "reference": "held against a reference line only",
        "no target": "without a target",
    }
    told = [
        f"{count} {words.get(name, name)}"
        for name, count in count_outcomes(rows).items()
        if count
    ]
    return Text(f"{len(rows)} results: {', '.join(told)}.")
