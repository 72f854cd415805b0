"""Numbers as people write them. Words and layout do not belong here.

A value is shown to the second significant digit of its half-width, also left of the
decimal point: more digits would claim what the interval denies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from qhsink.domain.estimate import Estimate

MISSING = "—"
"""Shown where a record holds no number."""

HA_PER_WAN_HA = 10_000.0
"""Hectares in one 万公顷."""


_EVEN = 0.05
"""Share of the half-width that a value may lie off the middle of its interval."""
_ROUNDED = -9
"""Least decimals of totals: as few digits as the half-width allows."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How numbers of one unit are shown."""

    factor: float
    """Shown number over stored number."""
    suffix: str
    """Unit behind the number, with its leading space."""
    least: int
    """Least decimals; below zero, digits left of the point are rounded too."""


_SCALES = {
    "1": Scale(100.0, " %", 1),
    "ha": Scale(1.0, " ha", _ROUNDED),
    "m3": Scale(1.0, " m³", _ROUNDED),
    "t": Scale(1.0, " t", _ROUNDED),
}


_CHINESE = {
    "1": Scale(100.0, "%", 1),
    "ha": Scale(1.0, " 公顷", _ROUNDED),
    "m3": Scale(1.0, " 立方米", _ROUNDED),
    "t": Scale(1.0, " 吨", _ROUNDED),
}
_TEN_THOUSANDS = {"ha": " 万公顷", "m3": " 万立方米", "t": " 万吨"}
_FINEST_WAN = 3
"""Decimals of 万 beyond which a number is shown in the unit itself."""


def scale_of(unit: str) -> Scale:
    """Return how numbers of ``unit`` are shown; ``1`` becomes per cent."""
    return _SCALES.get(unit, Scale(1.0, f" {unit}", 0))


def decimals_for(half_width: float, *, least: int, most: int = 2) -> int:
    """Return the decimals that show two significant digits of ``half_width``.

    Between ``least`` and ``most``; ``half_width`` is in shown units. An interval of
    no width gives ``least``.
    """
    if not math.isfinite(half_width) or half_width <= 0:
        return max(least, 0)
    return max(least, min(most, 1 - math.floor(math.log10(half_width))))


def number_text(value: float | None, *, decimals: int) -> str:
    """Return ``value`` with thousands separators, or a dash when there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    shown = round(value, decimals) if decimals < 0 else value
    text = f"{shown:,.{max(decimals, 0)}f}"
    return text if float(text.replace(",", "")) else text.removeprefix("-")


def is_even(estimate: Estimate) -> bool:
    """Return whether the interval reaches about as far above the value as below.

    Where it does not, as where it is cut at zero, ``±`` would be wrong on both sides.
    """
    middle = (estimate.low + estimate.high) / 2.0
    return abs(estimate.value - middle) <= _EVEN * estimate.half_width


def estimate_text(estimate: Estimate) -> str:
    """Return ``value ± half-width unit``, such as ``56.3 ± 1.8 %``.

    With an interval that is not even about the value: ``0.46 (0.00 – 1.90) %``.
    """
    scale, decimals = _shown(estimate)
    value = number_text(estimate.value * scale.factor, decimals=decimals)
    if not is_even(estimate):
        limits = interval_text(estimate).removesuffix(scale.suffix)
        return f"{value} ({limits}){scale.suffix}"
    half = number_text(estimate.half_width * scale.factor, decimals=decimals)
    return f"{value} ± {half}{scale.suffix}"


def interval_text(estimate: Estimate) -> str:
    """Return ``low – high unit``, such as ``54.5 – 58.1 %``."""
    scale, decimals = _shown(estimate)
    low = number_text(estimate.low * scale.factor, decimals=decimals)
    high = number_text(estimate.high * scale.factor, decimals=decimals)
    return f"{low} – {high}{scale.suffix}"


def chinese_estimate_text(estimate: Estimate) -> str:
    """Return the value as Chinese readers write it, such as ``561 ± 45 万立方米``."""
    scale, decimals = _shown_in_chinese(estimate)
    value = number_text(estimate.value * scale.factor, decimals=decimals)
    if not is_even(estimate):
        unit = "%" if scale.suffix == "%" else ""
        return f"{value}{unit}（{chinese_interval_text(estimate)}）"
    half = number_text(estimate.half_width * scale.factor, decimals=decimals)
    if scale.suffix == "%":
        return f"{value}% ± {half}%"
    return f"{value} ± {half}{scale.suffix}"


def chinese_value_text(estimate: Estimate) -> str:
    """Return the value alone, such as ``68.1%``."""
    scale, decimals = _shown_in_chinese(estimate)
    value = number_text(estimate.value * scale.factor, decimals=decimals)
    return f"{value}{scale.suffix}"


def chinese_interval_text(estimate: Estimate) -> str:
    """Return the interval as Chinese readers write it, such as ``62.3%～74.0%``."""
    scale, decimals = _shown_in_chinese(estimate)
    low = number_text(estimate.low * scale.factor, decimals=decimals)
    high = number_text(estimate.high * scale.factor, decimals=decimals)
    between = "%～" if scale.suffix == "%" else "～"
    return f"{low}{between}{high}{scale.suffix}"


def chinese_plain_text(value: float | None, unit: str) -> str:
    """Return a number without an interval, such as ``5,300 万立方米``."""
    if value is None or not math.isfinite(value):
        return MISSING
    scale = _CHINESE.get(unit, Scale(1.0, f" {unit}", 0))
    if unit in _TEN_THOUSANDS and abs(value) >= HA_PER_WAN_HA:
        scale = Scale(1.0 / HA_PER_WAN_HA, _TEN_THOUSANDS[unit], 0)
    text = f"{value * scale.factor:,.3f}".rstrip("0").rstrip(".")
    return text + scale.suffix


def plain_text(value: float | None, unit: str) -> str:
    """Return a number that has no interval of its own, such as a target.

    All digits that a document states are kept, up to three decimals.
    """
    if value is None or not math.isfinite(value):
        return MISSING
    scale = scale_of(unit)
    text = f"{value * scale.factor:,.3f}".rstrip("0").rstrip(".")
    return text + scale.suffix


def share_text(share: float | None) -> str:
    """Return a share of 0..1 in per cent, never rounded up to a full 100 %."""
    if share is None or not math.isfinite(share):
        return MISSING
    percent = math.floor(share * 1000.0 + 1e-9) / 10.0
    return f"{percent:.1f} %"


def outside_text(share: float | None) -> str:
    """Return a share outside in per cent, never rounded down to nothing."""
    if share is None or not math.isfinite(share):
        return MISSING
    percent = math.ceil(share * 1000.0 - 1e-9) / 10.0
    return f"{percent:.1f} %"


def relative_text(estimate: Estimate) -> str:
    """Return the half-width in per cent of a total; empty for a proportion."""
    if estimate.unit == "1" or not estimate.value:
        return ""
    return f"{100.0 * abs(estimate.half_width / estimate.value):.1f} %"


def level_text(confidence: float) -> str:
    """Return a confidence, such as ``90 %``."""
    return f"{confidence * 100.0:.4g} %"


def probability_text(
    probability: float | None, *, confidence: float | None = None
) -> str:
    """Return a probability to three digits.

    A verdict at a two-sided ``confidence`` turns at P = (1 + confidence) / 2 and at
    its complement, as ``indicators.verdict`` judges. Rounding never carries the
    number over those: 0.9498 beside "not distinguishable at 90 %" reads 0.949.
    """
    if probability is None or not math.isfinite(probability):
        return MISSING
    if probability > 0.999:
        return "> 0.999"
    if probability < 0.001:
        return "< 0.001"
    shown = round(probability, 3)
    level = math.nan if confidence is None else (1.0 + confidence) / 2.0
    if probability < level <= shown:
        shown = math.floor(probability * 1000.0) / 1000.0
    if shown <= round(1.0 - level, 9) < probability:
        shown = math.ceil(probability * 1000.0) / 1000.0
    return f"{shown:.3f}"


def hectares_text(area_ha: float | None) -> str:
    """Return an area for English readers, such as ``1,440,312 ha``."""
    if area_ha is None:
        return MISSING
    return number_text(area_ha, decimals=0 if area_ha >= 100 else 2) + " ha"


def wan_hectares_text(area_ha: float | None) -> str:
    """Return an area for Chinese readers: 万公顷, or 公顷 below one of those."""
    if area_ha is None:
        return MISSING
    if area_ha < HA_PER_WAN_HA:
        return number_text(area_ha, decimals=0 if area_ha >= 100 else 2) + " 公顷"
    return number_text(area_ha / HA_PER_WAN_HA, decimals=2) + " 万公顷"


def gap_text(gap: float | None) -> str:
    """Return a relative difference with its sign, such as ``-3.2 %``."""
    if gap is None or not math.isfinite(gap):
        return MISSING
    text = f"{gap * 100.0:+.1f} %"
    return "0.0 %" if text in ("+0.0 %", "-0.0 %") else text


def _shown(estimate: Estimate) -> tuple[Scale, int]:
    scale = scale_of(estimate.unit)
    half = estimate.half_width * scale.factor
    return scale, decimals_for(half, least=scale.least)


def _shown_in_chinese(estimate: Estimate) -> tuple[Scale, int]:
    """Return scale and decimals; 万 where that loses no digit of the half-width."""
    unit = estimate.unit
    if unit in _TEN_THOUSANDS and abs(estimate.value) >= HA_PER_WAN_HA:
        half = estimate.half_width / HA_PER_WAN_HA
        decimals = decimals_for(half, least=_ROUNDED, most=_FINEST_WAN + 1)
        if decimals <= _FINEST_WAN:
            scale = Scale(1.0 / HA_PER_WAN_HA, _TEN_THOUSANDS[unit], 0)
            return scale, decimals
    scale = _CHINESE.get(unit, Scale(1.0, f" {unit}", 0))
    half = estimate.half_width * scale.factor
    return scale, decimals_for(half, least=scale.least)
