"""The emulator's card: from what it was made and how well it does, as JSON and text.

What stands in it is measured in ``canopy_table`` and ``canopy_fit``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from qhsink.twin.spectra import BAND_NAMES, HEADS, BandSet


class Made(NamedTuple):
    """What is known of one network."""

    digest: str
    """SHA-256 of the simulations' terms."""
    responses: Mapping[str, Mapping[str, Any]]
    """Centre and full width at half maximum [nm], by instrument and band."""
    errors: Mapping[str, Mapping[str, Any]]
    """... on held-out simulations [reflectance]."""


def write_card(
    stem: Path, made: Mapping[BandSet, Made], about: Mapping[str, Any]
) -> None:
    """Write ``stem``.json and ``stem``.md.

    Parameters
    ----------
    stem : Path
        The card, without suffix.
    made : mapping
        Each set's network.
    about : mapping
        What holds for all: simulations, spectra, ranges, departures.
    """
    card = {
        **about,
        "sha256_of_terms": {bands: one.digest for bands, one in made.items()},
        "responses_nm": _join([one.responses for one in made.values()]),
        "errors": _join([one.errors for one in made.values()]),
    }
    text = json.dumps(card, indent=1, ensure_ascii=False)
    stem.with_suffix(".card.json").write_text(text + "\n", encoding="utf-8")
    lines = [*_INTRODUCTION, *_responses(card), *_errors(card), *_constants(card)]
    stem.with_suffix(".card.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _join(parts: list[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Return what is known of an instrument's bands, over the sets of bands."""
    return {
        head: {
            band: value for part in parts for band, value in part.get(head, {}).items()
        }
        for head in HEADS["shared"]
    }


_INTRODUCTION = (
    "# The canopy emulator",
    "",
    "Made by `python -m benchmarks.canopy_table`: PROSPECT-D leaves (green and",
    "dead, mixed) in 4SAIL, under sun and clear sky at 3,800 m, in the measured",
    "bands of each instrument. Weights only: no GPL code is needed to run it.",
    "",
    "Two networks from the same canopies: one of the six bands that both missions",
    "have (`emulator.npz`), one of the six that Sentinel-2 alone has",
    "(`emulator_msi.npz`: B01, B05, B06, B07, B08, B09).",
)


def _responses(card: Mapping[str, Any]) -> list[str]:
    names = [name for bands in BAND_NAMES.values() for name in bands]
    lines = [
        "",
        "Spectral responses: mean wavelength and full width at half maximum, nm.",
        "Sentinel-2A and 2B (ESA, COPE-GSEG-EOPG-TN-15-0007 3.0), Landsat 8 (NASA,",
        "Ball_BA_RSR v1.2) and Landsat 9 (NASA, L9_OLI2_Ball_BA_RSR v1.0) as `pyrsr`",
        "0.8.0 carries them, at every nanometre; Sentinel-2C from a later edition of",
        "ESA's document, read in a public copy of its sheet (columns `S2C_SR_AV_B*`).",
        "",
        f"| band | {' | '.join(card['responses_nm'])} |",
        "|---" * (len(card["responses_nm"]) + 1) + "|",
    ]
    for name in names:
        cells = [
            "{:.1f} / {:.1f}".format(*known[name]) if name in known else ""
            for known in card["responses_nm"].values()
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _errors(card: Mapping[str, Any]) -> list[str]:
    lines = [
        "",
        f"{card['simulations']} simulations, {card['held_out']} of them held",
        "out and judged over random soil and litter, averaged over the band at each",
        "nanometre (the network's three numbers are averaged before):",
        "",
        "| instrument | band | RMSE | 99th percentile | largest |",
        "|---|---|---|---|---|",
    ]
    for head, bands in card["errors"].items():
        lines += [
            f"| {head} | {band} | {e['rmse']:.4f} | {e['p99']:.4f} "
            f"| {e['largest']:.4f} |"
            for band, e in bands.items()
        ]
    return lines


def _constants(card: Mapping[str, Any]) -> list[str]:
    gaps = card["prosail_largest_departure"]
    return [
        "",
        "`prosail` itself departs from published runs by at most",
        f"{gaps['prospect_d']:.1e} (PROSPECT-D leaf) and {gaps['4sail_rsot']:.1e}",
        "(4SAIL canopy, directional).",
        "",
        "Fixed: leaf structure 1.6 (dead 2.0), carotenoids 0.2 of chlorophyll,",
        "anthocyanin 1 ug/cm2, hot spot 0.05, ellipsoidal leaf angles. Ground spectra:",
        f"soils {', '.join(card['soils'])}; litter the mean of",
        f"{' and '.join(card['litter'])} (earthlib 1.1.0, MIT).",
        "",
        "Ranges, beyond which inputs are clipped:",
        "",
        *(
            f"* {name}: {low:g} to {high:g}"
            for name, (low, high) in card["ranges"].items()
        ),
    ]
