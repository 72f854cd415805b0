"""Read the instruments' measured spectral responses, for the development tool.

Sentinel-2A and 2B, Landsat 8 and 9: ``pyrsr`` (Apache-2.0, GFZ) carries what ESA and
NASA publish, at every nanometre. Sentinel-2C, which it lacks: the sheet "Spectral
Responses (S2C)" of ESA's document COPE-GSEG-EOPG-TN-15-0007 (4.0 or later), saved as
CSV. Columns: ``SR_WL`` [nm] and ``S2C_SR_AV_B1`` to ``_B12`` with ``_B8A`` (the mean of
the detectors, 0..1). Neither is shipped. What the responses are used for is decided in
``canopy_table``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from qhsink.twin.spectra import BAND_NAMES, HEADS, BandSet

WAVES = np.arange(400.0, 2501.0)
"""Where spectra are taken [nm]."""
_OLI = {"shared": ("2", "3", "4", "5", "6", "7")}
_MSI = {
    "shared": ("2", "3", "4", "8A", "11", "12"),
    "msi": ("1", "5", "6", "7", "8", "9"),
}
NUMBERS = {
    "sentinel-2a": _MSI,
    "sentinel-2b": _MSI,
    "sentinel-2c": _MSI,
    "landsat-8": _OLI,
    "landsat-9": _OLI,
}
"""How the instruments count the bands of ``BAND_NAMES``."""
_PYRSR = {
    "sentinel-2a": ("Sentinel-2A", "MSI"),
    "sentinel-2b": ("Sentinel-2B", "MSI"),
    "landsat-8": ("Landsat-8", "OLI_TIRS"),
    "landsat-9": ("Landsat-9", "OLI_TIRS"),
}


def responses(bands: BandSet, sentinel_2c: Path) -> np.ndarray:
    """Return weights over ``WAVES``, shape (instruments, bands, wavelengths).

    Parameters
    ----------
    bands : str
        The set of bands.
    sentinel_2c : Path
        ESA's sheet of Sentinel-2C as CSV.

    Raises
    ------
    ValueError
        When the sheet lacks a column, or a response does not fall to nothing within
        ``WAVES``.
    """
    found = np.zeros((len(HEADS[bands]), len(BAND_NAMES[bands]), WAVES.size))
    for h, head in enumerate(HEADS[bands]):
        read = (
            sheet_reader(sentinel_2c) if head == "sentinel-2c" else pyrsr_reader(head)
        )
        for b, number in enumerate(NUMBERS[head][bands]):
            at, values = read(number)
            inside = (at >= WAVES[0]) & (at <= WAVES[-1])
            if not values[inside].max() > 0.9 or values[~inside].any():
                message = f"{head}, band {number}: no whole response in 400..2500 nm"
                raise ValueError(message)
            # Noise around nought is below -0.0004 nowhere.
            level = np.maximum(values, 0.0)
            found[h, b] = np.interp(WAVES, at, level, left=0.0, right=0.0)
    return found / found.sum(axis=2, keepdims=True)


def pyrsr_reader(head: str) -> Callable[[str], tuple[np.ndarray, np.ndarray]]:
    """Return what reads wavelengths [nm] and responses of a band from ``pyrsr``."""
    from pyrsr.rsr import RSR_reader  # noqa: PLC0415 - tool only

    satellite, sensor = _PYRSR[head]
    numbers = [number for set_ in NUMBERS[head].values() for number in set_]
    stored = RSR_reader(satellite, sensor, LayerBandsAssignment=numbers)

    def read(number: str) -> tuple[np.ndarray, np.ndarray]:
        at, values = stored[number].T
        return at * (1000.0 if at[0] < 10.0 else 1.0), values

    return read


def sheet_reader(path: Path) -> Callable[[str], tuple[np.ndarray, np.ndarray]]:
    """Return what reads wavelengths [nm] and responses of a band from ESA's sheet."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    wanted = {f"S2C_SR_AV_B{n}": n for set_ in _MSI.values() for n in set_}
    missing = sorted({"SR_WL", *wanted} - set(rows[0] if rows else ()))
    if missing:
        message = (
            f"{path}: no column {', '.join(missing)}; save the sheet of Sentinel-2C "
            "of COPE-GSEG-EOPG-TN-15-0007 as CSV, with its first row"
        )
        raise ValueError(message)
    at = np.array([float(row["SR_WL"]) for row in rows])

    def read(number: str) -> tuple[np.ndarray, np.ndarray]:
        column = f"S2C_SR_AV_B{number}"
        return at, np.array([float(row[column]) for row in rows])

    return read


def shapes(weights: np.ndarray, bands: BandSet) -> dict[str, dict[str, list[float]]]:
    """Return centre and full width at half maximum [nm], by instrument and band.

    The centre is the response's mean wavelength; the width lies between the outermost
    crossings of half the maximum, between nanometres by a straight line.
    """
    fine = np.arange(WAVES[0], WAVES[-1], 0.01)
    found: dict[str, dict[str, list[float]]] = {}
    for head, rows in zip(HEADS[bands], weights, strict=True):
        found[head] = {}
        for name, row in zip(BAND_NAMES[bands], rows, strict=True):
            high = fine[np.interp(fine, WAVES, row) >= row.max() / 2.0]
            centre = float((WAVES * row).sum())
            width = float(high[-1] - high[0])
            found[head][name] = [round(centre, 1), round(width, 1)]
    return found
