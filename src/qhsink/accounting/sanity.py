"""Orders of magnitude that a number is held against: warnings, never clipping."""

from __future__ import annotations

from collections.abc import Iterable

from qhsink.domain.carbon import Band
from qhsink.domain.quantity import Quantity


def outside_bands(
    name: str, amount: Quantity, *, region: str, bands: Iterable[Band]
) -> tuple[str, ...]:
    """Return one warning per band that ``amount`` falls outside; the amount stays.

    Parameters
    ----------
    name : str
        What the amount is, as in the bands' ``quantity``.
    amount : Quantity
        The number; another substance or dimension than the band's raises.
    region : str
        Region id; a band of ``*`` holds anywhere.
    bands : iterable of Band
        From ``config/factors.toml``.
    """
    warnings = []
    for band in bands:
        if band.quantity != name or band.region not in ("*", region):
            continue
        number = amount.number(band.unit)
        if not band.low <= number <= band.high:
            warnings.append(
                f"{name} of {number:.4g} {band.unit} is outside the plausible "
                f"{band.low:g} to {band.high:g} ({band.source}); check the units"
            )
    return tuple(warnings)
