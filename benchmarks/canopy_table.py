"""Simulate canopies with PROSPECT-D and 4SAIL and fit the twin's emulator to them.

A development tool: it needs ``prosail`` (GPL) and ``Py6S`` (LGPL; for the measured
spectral responses of Sentinel-2A, 2B and Landsat 8), neither of which the project
depends on. Install them by hand in an environment of their own and run, from the
project folder::

    pip install prosail numba python-dateutil
    pip install --no-deps Py6S
    PYTHONPATH=src python -m benchmarks.canopy_table --bands msi \
        --spectra FOLDER --reference FOLDER

``--spectra`` is the folder of earthlib's spectral library (MIT) and ``--reference`` the
folder of published PROSAIL runs. ``--bands msi`` makes the second network, of the bands
that Sentinel-2 alone has, from the same canopies; the first network stays as it is, and
with it every archive made before. The networks' fit is in ``canopy_fit``.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.canopy_fit import extend_card, fit, judge
from qhsink.twin.emulator import RANGES, WEIGHTS
from qhsink.twin.spectra import BAND_NAMES, HEADS, HOT_SPOT, BandSet, sky_share

SOILS = (
    "FS21_FS972",
    "FS21_FS1460",
    "FS21_FS1425",
    "FS21_FS1023",
    "FS21_FS1231",
    "FS21_FS580",
)
"""Measured soils (ICRAF-ISRIC) from dark to bright."""
LITTER = ("D.spicata", "SJER_Plot361_NPV_T015")
"""Measured dead grass; their mean."""
ANCHOR = 0.25
"""Ground reflectance at which the three-number form is exact."""
WAVES = np.arange(400.0, 2501.0)


RESPONSES: dict[str, dict[BandSet, tuple[str, tuple[str, ...]]]] = {
    "sentinel-2a": {
        "shared": ("S2A_MSI_", ("02", "03", "04", "8A", "11", "12")),
        "msi": ("S2A_MSI_", ("01", "05", "06", "07", "08", "09")),
    },
    "sentinel-2b": {
        "shared": ("S2B_MSI_", ("02", "03", "04", "8A", "11", "12")),
        "msi": ("S2B_MSI_", ("01", "05", "06", "07", "08", "09")),
    },
    "landsat-8": {"shared": ("LANDSAT_OLI_B", ("2", "3", "4", "5", "6", "7"))},
}
"""What Py6S calls the bands of ``BAND_NAMES``."""


def responses(bands: BandSet) -> np.ndarray:
    """Return weights over 400..2500 nm, shape (instruments, bands, wavelengths)."""
    from Py6S import PredefinedWavelengths as P  # noqa: PLC0415 - tool only

    found = np.zeros((len(HEADS[bands]), 6, WAVES.size))
    for h, head in enumerate(HEADS[bands]):
        prefix, numbers = RESPONSES[head][bands]
        for b, band in enumerate(numbers):
            _, start, end, values = getattr(P, prefix + band)
            at = np.linspace(start, end, len(values)) * 1000.0
            found[h, b] = np.interp(WAVES, at, values, left=0.0, right=0.0)
    return found / found.sum(axis=2, keepdims=True)


def read_spectra(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return soils (6, wavelengths) and litter (wavelengths,) of earthlib's library."""
    header = (folder / "optimized.sli.hdr").read_text("utf-8")

    def listed(name: str) -> list[str]:
        body = re.search(name + r"\s*=\s*\{(.*?)\}", header, re.DOTALL)
        if body is None:
            message = f"no {name!r} in {folder}"
            raise ValueError(message)
        return [part.strip() for part in body.group(1).split(",")]

    names, at = listed("spectra names"), np.array(listed("wavelength"), float) * 1000.0
    table = np.fromfile(folder / "optimized.sli", dtype="<f4").reshape(len(names), -1)

    def one(name: str) -> np.ndarray:
        return np.interp(WAVES, at, table[names.index(name)])

    return np.stack([one(n) for n in SOILS]), np.mean([one(n) for n in LITTER], axis=0)


def draw(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return inputs over ``RANGES``, shape (count, 9); thin canopies more often."""
    u = rng.random((count, len(RANGES)))
    u[:, 0] **= 1.7
    u[:, 5] = np.where(rng.random(count) < 0.5, 0.15 * u[:, 5], u[:, 5])
    low, high = np.array(list(RANGES.values())).T
    return low + u * (high - low)


def leaf(cab: float, cm: float, cw: float, dead: float) -> tuple[np.ndarray, ...]:
    """Return reflectance and transmittance of a mixture of green and dead leaves."""
    from prosail.prospect_d import run_prospect  # noqa: PLC0415 - tool only

    green = run_prospect(1.6, cab, 0.2 * cab, 0.0, cw, cm, ant=1.0)
    brown = run_prospect(2.0, 2.0, 2.0, 0.6, 0.002, cm, ant=0.0)
    return tuple((1.0 - dead) * green[i] + dead * brown[i] for i in (1, 2))


def canopy(row: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return black-ground reflectance and what ground of any reflectance needs."""
    from prosail.FourSAIL import foursail  # noqa: PLC0415 - tool only

    lai, angle, cab, cm, cw, dead, sun, view, azimuth = (float(v) for v in row)
    rho, tau = leaf(cab, cm, cw, dead)
    ground = np.full(WAVES.size, ANCHOR)
    found = foursail(
        rho, tau, angle, 0.0, 2, max(lai, 1e-6), HOT_SPOT, sun, view, azimuth, ground
    )
    tss, too, tsstoo, rdd, tdd, _, tsd, rdo, tdo, rso = found[:10]
    share = sky_share(WAVES / 1000.0, np.cos(np.radians(sun)))
    black = (1.0 - share) * rso + share * rdo

    def over(p: np.ndarray) -> np.ndarray:
        """Return reflectance over ground ``p`` under sun and sky (4SAIL's sums)."""
        many = p / (1.0 - p * rdd)
        sun_lit = tsstoo * p + ((tss + tsd) * tdo + (tsd + tss * p * rdd) * too) * many
        sky_lit = tdd * (tdo + too) * many
        return black + (1.0 - share) * sun_lit + share * sky_lit

    sot, dot = found[17], found[14]
    mixed = (1.0 - share) * sot + share * dot
    np.testing.assert_allclose(over(ground), mixed, atol=1e-9)
    two_way = (mixed - black) * (1.0 - rdd * ANCHOR) / ANCHOR
    return black, two_way, rdd, over


def simulate(
    rows: np.ndarray, weights: np.ndarray, grounds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return band terms (n, heads, 18) and reflectance over ``grounds`` (n, heads, 6).

    Reflectance is taken at each nanometre before the band's average, so that it also
    judges what averaging the terms loses.
    """
    heads = len(weights)
    terms = np.empty((len(rows), heads, 6, 3))
    seen = np.empty((len(rows), heads, 6))
    for k, row in enumerate(rows):
        black, two_way, below, over = canopy(row)
        for i, spectrum in enumerate((black, two_way, below)):
            terms[k, ..., i] = weights @ spectrum
        seen[k] = weights @ over(grounds[k])
    return terms.reshape(len(rows), heads, 18), seen


def check_reference(folder: Path) -> dict[str, float]:
    """Return the largest departures of ``prosail`` from published runs.

    Raises
    ------
    ValueError
        When they exceed the tolerances of the case.
    """
    import prosail  # noqa: PLC0415 - tool only

    given = json.loads((folder / "inputs.json").read_text("utf-8"))
    allowed = json.loads((folder / "expected.json").read_text("utf-8"))["tolerance_abs"]
    want = given["prospectD"]
    _, r, t = prosail.run_prospect(
        want["N"],
        want["Cab"],
        want["Car"],
        want["Cbrown"],
        want["Cw"],
        want["Cm"],
        ant=want["Ant"],
    )
    table = np.loadtxt(folder / want["file"], delimiter=",", skiprows=1)
    leaf_gap = float(np.abs(np.stack([r, t], 1) - table[:, -2:]).max())
    w = given["prosail5_canopy"]
    sot = prosail.run_prosail(
        w["N"],
        w["Cab"],
        w["Car"],
        w["Cbrown"],
        w["Cw"],
        w["Cm"],
        w["LAI"],
        w["LIDFa"],
        w["hspot"],
        w["tts"],
        w["tto"],
        w["psi"],
        typelidf=w["TypeLidf"],
        lidfb=w["LIDFb"],
        rsoil=w["rsoil"],
        psoil=w["psoil"],
    )
    with (folder / w["file"]).open(newline="", encoding="utf-8") as file:
        rsot = np.array([float(row["rsot"]) for row in csv.DictReader(file)])
    canopy_gap = float(np.abs(sot - rsot).max())
    rounding = 5e-9  # the reference file holds eight decimals
    if leaf_gap > allowed["prospectD"] + rounding or canopy_gap > allowed["canopy"]:
        message = f"prosail departs by {leaf_gap:g} (leaf), {canopy_gap:g} (canopy)"
        raise ValueError(message)
    return {"prospect_d": leaf_gap, "4sail_rsot": canopy_gap}


def draw_grounds(
    rng: np.random.Generator, count: int, soils: np.ndarray, litter: np.ndarray
) -> np.ndarray:
    """Return ground below canopies: mixed soils, wet or dry, and litter."""
    place = rng.random(count) * (len(soils) - 1)
    low = place.astype(int)
    part = (place - low)[:, None]
    soil = (1.0 - part) * soils[low] + part * soils[low + 1]
    soil *= rng.uniform(0.5, 1.0, (count, 1))
    share = rng.uniform(0.0, 0.9, (count, 1))
    found: np.ndarray = (1.0 - share) * soil + share * litter
    return found


def main() -> None:
    """Simulate, fit, judge and write the emulator with its card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spectra", type=Path, required=True)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--count", type=int, default=26_000)
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--table", type=Path, help="keep the table here, or reuse it")
    parser.add_argument("--bands", choices=list(BAND_NAMES), required=True)
    args = parser.parse_args()
    gaps = check_reference(args.reference)
    print("prosail against published runs:", gaps)
    weights = responses(args.bands)
    soils, litter = read_spectra(args.spectra)
    table = _table(args, weights, soils, litter)
    digest = hashlib.sha256(table["terms"].tobytes()).hexdigest()
    network = fit(table, epochs=args.epochs)
    network["soils"] = np.einsum("hbw,sw->hsb", weights, soils).astype(np.float32)
    network["litter"] = (weights @ litter).astype(np.float32)
    np.savez_compressed(WEIGHTS[args.bands], **network)
    extend_card(
        WEIGHTS["shared"].with_suffix(".card"),
        args.bands,
        count=args.count,
        digest=digest,
        errors=judge(network, table, args.bands),
        same={
            "prosail_largest_departure": gaps,
            "soils": SOILS,
            "litter": LITTER,
            "ranges": RANGES,
        },
    )


def _table(
    args: argparse.Namespace,
    weights: np.ndarray,
    soils: np.ndarray,
    litter: np.ndarray,
) -> dict[str, Any]:
    if args.table and args.table.exists():
        with np.load(args.table) as stored:
            return dict(stored)
    rng = np.random.default_rng(20_251)
    rows = draw(rng, args.count)
    grounds = draw_grounds(rng, args.count, soils, litter)
    terms, seen = simulate(rows, weights, grounds)
    table = {
        "inputs": rows.astype(np.float32),
        "ground": np.einsum("hbw,nw->nhb", weights, grounds).astype(np.float32),
        "terms": terms.astype(np.float32),
        "seen": seen.astype(np.float32),
    }
    if args.table:
        np.savez(args.table, **table)
    return table


if __name__ == "__main__":
    main()
