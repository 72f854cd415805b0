"""Simulate canopies with PROSPECT-D and 4SAIL and fit the twin's emulator to them.

A development tool: it needs ``prosail`` (GPL) and ``pyrsr`` (Apache-2.0; measured
spectral responses), neither of which the project depends on, and ESA's responses of
Sentinel-2C (``band_responses`` says which sheet). Install and save them by hand, in an
environment of their own, and run from the project folder::

    pip install prosail numba python-dateutil pyrsr==0.8.0
    PYTHONPATH=src python -m benchmarks.canopy_table --sentinel-2c FILE \
        --spectra FOLDER --reference FOLDER

``--spectra`` is the folder of earthlib's spectral library (MIT) and ``--reference`` the
folder of published PROSAIL runs. One table of canopies makes both networks: of the six
bands that both missions have, and of the six that Sentinel-2 alone has. The networks'
fit is in ``canopy_fit``.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import re
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.band_responses import WAVES, responses, shapes
from benchmarks.canopy_card import Made, write_card
from benchmarks.canopy_fit import HELD_OUT, fit, judge
from qhsink.twin.emulator import RANGES, WEIGHTS
from qhsink.twin.spectra import BAND_NAMES, HOT_SPOT, BandSet, sky_share

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
    """Return terms (n, channels, 3) and reflectance over ``grounds`` (n, channels).

    A channel is a band of an instrument. Reflectance is taken at each nanometre before
    the band's average, so that it also judges what averaging the terms loses.
    """
    terms = np.empty((len(rows), len(weights), 3))
    seen = np.empty((len(rows), len(weights)))
    for k, row in enumerate(rows):
        black, two_way, below, over = canopy(row)
        terms[k] = weights @ np.stack([black, two_way, below], axis=1)
        seen[k] = weights @ over(grounds[k])
    return terms, seen


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
    """Simulate, fit, judge and write the emulator's networks with their card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spectra", type=Path, required=True)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--sentinel-2c", type=Path, required=True)
    parser.add_argument("--count", type=int, default=26_000)
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--table", type=Path, help="keep the table here, or reuse it")
    args = parser.parse_args()
    gaps = check_reference(args.reference)
    print("prosail against published runs:", gaps)
    weights = {bands: responses(bands, args.sentinel_2c) for bands in BAND_NAMES}
    soils, litter = read_spectra(args.spectra)
    table = _table(args, weights, soils, litter)
    made: dict[BandSet, Made] = {}
    for bands, seen_by in weights.items():
        network = fit(table[bands], epochs=args.epochs)
        network["soils"] = np.einsum("hbw,sw->hsb", seen_by, soils).astype(np.float32)
        network["litter"] = (seen_by @ litter).astype(np.float32)
        np.savez_compressed(WEIGHTS[bands], **network)
        made[bands] = Made(
            hashlib.sha256(table[bands]["terms"].tobytes()).hexdigest(),
            shapes(seen_by, bands),
            judge(network, table[bands], bands),
        )
    about = {
        "simulations": args.count,
        "held_out": int(args.count * HELD_OUT),
        "prosail_largest_departure": gaps,
        "soils": SOILS,
        "litter": LITTER,
        "ranges": RANGES,
    }
    write_card(WEIGHTS["shared"].with_suffix(".card"), made, about)


def _table(
    args: argparse.Namespace,
    weights: Mapping[BandSet, np.ndarray],
    soils: np.ndarray,
    litter: np.ndarray,
) -> dict[BandSet, dict[str, np.ndarray]]:
    """Return inputs, ground, terms and reflectance of the same canopies in each set."""
    rng = np.random.default_rng(20_251)
    rows = draw(rng, args.count)
    grounds = draw_grounds(rng, args.count, soils, litter)
    channels = np.concatenate([w.reshape(-1, WAVES.size) for w in weights.values()])
    if args.table and args.table.exists():
        with np.load(args.table) as stored:
            terms, seen = stored["terms"], stored["seen"]
    else:
        terms, seen = _simulate_on(args.workers, rows, channels, grounds)
        if args.table:
            np.savez(args.table, terms=terms, seen=seen)
    found: dict[BandSet, dict[str, np.ndarray]] = {}
    start = 0
    for bands, seen_by in weights.items():
        shape = (args.count, *seen_by.shape[:2])
        part = slice(start, start + shape[1] * shape[2])
        start = part.stop
        ground = np.einsum("hbw,nw->nhb", seen_by, grounds)
        found[bands] = {
            "inputs": rows.astype(np.float32),
            "ground": ground.astype(np.float32),
            "terms": terms[:, part].reshape(*shape[:2], 18).astype(np.float32),
            "seen": seen[:, part].reshape(shape).astype(np.float32),
        }
    return found


def _simulate_on(
    workers: int, rows: np.ndarray, channels: np.ndarray, grounds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what ``simulate`` returns, from several processes."""
    parts = np.array_split(np.arange(len(rows)), workers * 8)
    with ProcessPoolExecutor(workers) as pool:
        made = list(
            pool.map(
                simulate,
                [rows[part] for part in parts],
                [channels] * len(parts),
                [grounds[part] for part in parts],
            )
        )
    return (
        np.concatenate([terms for terms, _ in made]),
        np.concatenate([seen for _, seen in made]),
    )


if __name__ == "__main__":
    main()
