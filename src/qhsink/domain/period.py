"""Time windows of a run. No clock is read here: a period is named by its caller."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date

from qhsink.domain.errors import BadInput


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A closed interval of days."""

    start: date
    """First day, inclusive."""
    end: date
    """Last day, inclusive."""
    label: str
    """Name used in keys and pages, such as ``2025-08`` or ``2025-peak``."""

    def contains(self, day: date) -> bool:
        """Whether ``day`` lies in the period."""
        return self.start <= day <= self.end


def parse_month(text: str) -> Period:
    """Return the calendar month named by ``text`` (``YYYY-MM``).

    Raises
    ------
    BadInput
        When ``text`` is not a month.
    """
    match = re.fullmatch(r"(\d{4})-(\d{2})", text)
    if match is None or not 1 <= int(match[2]) <= 12:
        raise BadInput(
            f"month {text!r}",
            expected="a calendar month as YYYY-MM, such as 2025-08",
            remedy="Give the month again in that form.",
        )
    year, month = int(match[1]), int(match[2])
    last = calendar.monthrange(year, month)[1]
    return Period(date(year, month, 1), date(year, month, last), text)


def peak_season(year: int, *, start: str, end: str) -> Period:
    """Return the peak-growth window of ``year``.

    Parameters
    ----------
    year : int
        Calendar year.
    start, end : str
        ``MM-DD`` of the first and last day, from ``config/monitor.toml``.
    """
    return Period(
        date.fromisoformat(f"{year}-{start}"),
        date.fromisoformat(f"{year}-{end}"),
        f"{year}-peak",
    )
