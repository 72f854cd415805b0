"""Whether an indicator may be computed at all: window and inputs.

The definitions themselves are in ``config/indicators.toml``; how each is computed
is in the module of its kind.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from qhsink.domain.errors import Refusal
from qhsink.domain.indicator import Indicator
from qhsink.domain.period import Period


def admit(indicator: Indicator, *, period: Period, available: Collection[str]) -> None:
    """Return when ``indicator`` may be computed for ``period``.

    Parameters
    ----------
    indicator : Indicator
        The definition.
    period : Period
        Every month that it touches must lie in the indicator's window.
    available : collection of str
        Names of the inputs at hand.

    Raises
    ------
    Refusal
        Outside the window, or when an input lacks; the text says which.
    """
    outside = sorted(_months(period) - set(indicator.months))
    if outside:
        raise Refusal(
            f"{indicator.id} asked for {period.label}",
            expected=f"months {_spell(indicator.months)} ({indicator.name_en})",
            remedy="Ask for a period inside the window, such as the peak season.",
        )
    lacking = [name for name in indicator.inputs if name not in available]
    if lacking:
        raise Refusal(
            f"{indicator.id} needs {' and '.join(lacking)}",
            expected=f"inputs {', '.join(indicator.inputs)}",
            remedy=f"{indicator.note or 'Bring them, or report another indicator.'}",
        )


def _months(period: Period) -> set[int]:
    days = (period.end - period.start).days
    return {(period.start + timedelta(days=n)).month for n in range(days + 1)}


def _spell(months: tuple[int, ...]) -> str:
    return ", ".join(str(month) for month in months)
