"""Three ways to green cover, judged on the same real transects.

Trained in the field, trained on simulated canopies, and the Sentinel-2 biophysical
processor (ESA, version 3.0). Its coefficients are GPL-3 auxiliary data: they are read
from beside the project, used here and never shipped. Run from the project folder::

    python -m benchmarks.three_ways --esa ../shared/cases/s2_biophysical_S2A --write
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qhsink.mapping.ensemble import Ensemble, limit_inner_threads, predict_members
from qhsink.mapping.features import feature_matrix
from qhsink.mapping.fitting import fit_ensemble
from qhsink.mapping.folds import consecutive_runs, deal_folds, spectral_clusters
from qhsink.mapping.samples import Recipe, Samples
from qhsink.mapping.training import ENSEMBLE, compare
from qhsink.mapping.validation import Scores, score
from qhsink.registry import read_table
from qhsink.twin.emulator import RANGES, Emulator, canopy_reflectance, load_emulator

Doubles = NDArray[np.float64]

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "models" / "training" / "fractionalcover3_transects.csv.gz"
PAGE = ROOT / "docs" / "models.md"
BEGIN, END = "<!-- three ways: begin -->", "<!-- three ways: end -->"
BANDS = ("green", "red", "nir", "swir16", "swir22")
ESA_BANDS = ("B3", "B4", "B8A", "B11", "B12")
"""Sentinel-2 bands that stand for ``BANDS``."""
RED_EDGE = ("B5", "B6", "B7")
"""Bands of the network that no Landsat has."""
SUN_ZENITH = (30.0, 45.0, 60.0)
"""The transects' sun is unknown: the network is asked under each [degree]."""
NOISE = (0.02, 0.01)
"""Relative and absolute error of simulated reflectance, this project's choice."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way, judged."""

    name: str
    """What it is."""
    plain: Scores
    """Of its own predictions."""
    straightened: Scores
    """After a straight line fitted on the other folds: what it knows, whatever its
    bias."""


def canopy_cover(lai: Doubles, leaf_angle: Doubles) -> Doubles:
    """Return the share of ground hidden by leaves seen from straight above.

    Parameters
    ----------
    lai : (n,) float
        Leaf area index.
    leaf_angle : (n,) float
        Mean leaf angle [degree] of ellipsoidally distributed leaves.

    References
    ----------
    Campbell 1990, Agric. For. Meteorol. 49:173, equation 16 (shape from mean angle,
    9.65 (3 + x)^-1.65); Campbell and Norman 1998, An Introduction to Environmental
    Biophysics, equation 15.4 (extinction, here at zenith angle zero).
    """
    x = (np.radians(leaf_angle) / 9.65) ** (-1 / 1.65) - 3
    extinction = x / (x + 1.774 * (x + 1.182) ** -0.733)
    return np.asarray(1 - np.exp(-extinction * lai))


def simulate(count: int, *, seed: int) -> Samples:
    """Return simulated pixels under Landsat 8 with their green cover.

    PROSPECT-D and 4SAIL through the twin's emulator: a canopy of green and dead leaves
    over mixed soil and litter, on part of the pixel, bare ground on the rest.

    Parameters
    ----------
    count : int
        Pixels.
    seed : int
        Seed of everything drawn.
    """
    rng = np.random.default_rng(seed)
    emulator = load_emulator("landsat-8")
    inputs = _draw_canopies(rng, count)
    ground = _draw_ground(rng, count, emulator)
    share = np.where(rng.random(count) < 0.5, 1.0, rng.random(count))
    canopy = canopy_reflectance(inputs, ground, emulator).astype(np.float64)
    pixel = share[:, None] * canopy + (1 - share[:, None]) * ground
    relative, absolute = NOISE
    pixel *= 1 + rng.normal(0, relative, pixel.shape)
    pixel = np.maximum(pixel + rng.normal(0, absolute, pixel.shape), 0.001)
    lai, angle, dead = (inputs[:, k].astype(np.float64) for k in (0, 1, 5))
    cover = share * (1 - dead) * canopy_cover(lai, angle)
    bands = dict(zip(BANDS, pixel.T[1:], strict=True))
    return Samples(bands, cover)


def _draw_canopies(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Draw over the emulator's ranges; thin and green canopies more often."""
    low, high = np.array(list(RANGES.values())).T
    u = rng.random((count, len(RANGES)))
    u[:, 0] **= 2.0
    u[:, 5] = np.where(rng.random(count) < 0.5, 0.15 * u[:, 5], u[:, 5])
    return (low + u * (high - low)).astype(np.float32)


def _draw_ground(
    rng: np.random.Generator, count: int, emulator: Emulator
) -> NDArray[np.float32]:
    """Draw soils from dark to bright, wet or dry, under more or less litter."""
    soils = emulator.soils
    place = rng.random(count) * (len(soils) - 1)
    first = place.astype(np.int64)
    part = (place - first)[:, None]
    soil = (1 - part) * soils[first] + part * soils[first + 1]
    soil = soil * rng.uniform(0.5, 1.0, (count, 1))
    litter = rng.uniform(0.0, 0.9, (count, 1))
    return np.asarray((1 - litter) * soil + litter * emulator.litter, np.float32)


def run_network(x: Doubles, net: Mapping[str, Any]) -> Doubles:
    """Return the raw output of the Sentinel-2 biophysical processor.

    Parameters
    ----------
    x : (n, 11) float
        Reflectance of B3, B4, B5, B6, B7, B8A, B11, B12 and the cosines of view
        zenith, sun zenith and relative azimuth.
    net : mapping
        ``normalisation``, ``w1``, ``b1``, ``w2``, ``b2``, ``denormalisation``.

    References
    ----------
    Weiss and Baret, S2ToolBox Level 2 products; coefficients of version 3.0.
    """
    low, high = np.array(net["normalisation"]).T
    scaled = 2 * (x - low) / (high - low) - 1
    hidden = np.tanh(scaled @ np.array(net["w1"]).T + np.ravel(net["b1"]))
    raw = hidden @ np.ravel(net["w2"]) + np.ravel(net["b2"])
    least, most = np.ravel(net["denormalisation"])
    return np.asarray(0.5 * (raw + 1) * (most - least) + least)


def red_edge_model(vectors: pd.DataFrame) -> Any:
    """Return a regression of the red-edge bands on the five that Landsat shares.

    Fitted on the network's own test vectors: quadratic in log reflectance.
    """
    from sklearn.compose import TransformedTargetRegressor  # noqa: PLC0415 - benchmark
    from sklearn.linear_model import RidgeCV  # noqa: PLC0415 - benchmark
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415 - benchmark
    from sklearn.preprocessing import (  # noqa: PLC0415 - benchmark
        FunctionTransformer,
        PolynomialFeatures,
        StandardScaler,
    )

    model = TransformedTargetRegressor(
        make_pipeline(
            FunctionTransformer(np.log),
            StandardScaler(),
            PolynomialFeatures(2, include_bias=False),
            RidgeCV(np.logspace(-4, 2, 13)),
        ),
        func=np.log,
        inverse_func=np.exp,
        check_inverse=False,
    )
    known = vectors[[*ESA_BANDS]].clip(lower=0.001).to_numpy()
    return model.fit(known, vectors[[*RED_EDGE]].clip(lower=0.001).to_numpy())


def esa_cover(
    reflectance: Mapping[str, Doubles],
    red_edge: Any,
    net: Mapping[str, Any],
    sun: float,
) -> Doubles:
    """Return the network's cover of pixels whose red edge is filled in.

    Parameters
    ----------
    reflectance : mapping of str to (n,) float
        Of ``BANDS``.
    red_edge : regression
        From ``red_edge_model``.
    net : mapping
        As in ``run_network``.
    sun : float
        Sun zenith [degree]; seen from straight above.
    """
    known = np.stack([np.maximum(reflectance[name], 0.001) for name in BANDS], axis=1)
    edge = red_edge.predict(known)
    green, red, nir, swir16, swir22 = known.T
    cosines = np.array([1.0, np.cos(np.radians(sun)), 0.0])
    angles = np.tile(cosines, (len(known), 1))
    x = np.column_stack([green, red, edge, nir, swir16, swir22, angles])
    return np.clip(run_network(x, net), 0.0, 1.0)


def straighten(observed: Doubles, predicted: Doubles, folds: NDArray[Any]) -> Doubles:
    """Return predictions after a line fitted on the other folds, within 0 and 1."""
    out = np.empty_like(predicted)
    for fold in np.unique(folds):
        rest, here = folds != fold, folds == fold
        slope, level = np.polyfit(predicted[rest], observed[rest], 1)
        out[here] = level + slope * predicted[here]
    return np.clip(out, 0.0, 1.0)


def judge_ways(esa: Path | None, *, count: int, seed: int) -> tuple[list[Way], str]:
    """Return every way judged on the transects, and what else is to be said.

    Parameters
    ----------
    esa : Path or None
        Folder of the network's coefficients and vectors; None leaves it out.
    count : int
        Simulated pixels to train on.
    seed : int
        Seed of simulations and fits.
    """
    limit_inner_threads()
    table = read_table(TABLE, ("pv", *BANDS)).drop_duplicates()
    bands = {name: table[name].to_numpy(float) for name in BANDS}
    samples, recipe = Samples(bands, table["pv"].to_numpy(float)), Recipe(seed=seed)
    runs = consecutive_runs(len(table), length=recipe.run_length)
    folds = deal_folds(runs, folds=recipe.folds, seed=seed)
    found = dict(_field(samples, recipe, runs))
    for title, features in (("", recipe.features), (", NDVI alone", ("ndvi",))):
        physics = physics_ensemble(count, replace(recipe, features=features))
        found[f"physics-trained on simulated canopies{title}"] = _mean(physics, bands)
    note = ""
    if esa is not None:
        of_esa, note = _esa(bands, esa)
        found |= of_esa
    ways = [
        Way(
            name,
            score(samples.target, cover),
            score(samples.target, straighten(samples.target, cover, folds)),
        )
        for name, cover in found.items()
    ]
    return ways, note


def physics_ensemble(count: int, recipe: Recipe) -> Ensemble:
    """Return our network trained on simulated canopies alone.

    As many gradient steps as the field-trained one, on more samples.
    """
    known = simulate(count, seed=recipe.seed)
    passes = max(1, recipe.epochs * 4_000 // count)
    groups = np.arange(count, dtype=np.int64)
    return fit_ensemble(known, replace(recipe, epochs=passes), groups)


def _field(
    samples: Samples, recipe: Recipe, runs: NDArray[np.int64]
) -> list[tuple[str, Doubles]]:
    stack = np.stack(list(samples.reflectance.values()), axis=1)
    alike = spectral_clusters(stack, clusters=recipe.clusters, seed=recipe.seed)
    ways = (("runs of rows", runs), ("spectral clusters", alike))
    return [
        (
            f"field-trained, out of fold ({title})",
            compare(
                samples, recipe, groups, report=print, title=title, rivals=False
            ).predictions[ENSEMBLE],
        )
        for title, groups in ways
    ]


def _mean(ensemble: Ensemble, bands: Mapping[str, Doubles]) -> Doubles:
    x = feature_matrix(bands, ensemble.features)
    return predict_members(ensemble, x).mean(axis=1).astype(np.float64)


def _esa(bands: Mapping[str, Doubles], folder: Path) -> tuple[dict[str, Doubles], str]:
    net = json.loads((folder / "inputs.json").read_text())["nets"]["FCOVER"]
    vectors = pd.read_csv(folder / "inputs_FCOVER.csv")
    model = red_edge_model(vectors)
    found = {
        f"ESA network, version 3.0, sun at {sun:.0f}° from the zenith": esa_cover(
            bands, model, net, sun
        )
        for sun in SUN_ZENITH
    }
    half = np.arange(len(vectors)) % 2 == 0
    filled = vectors[~half].copy()
    known = filled[[*ESA_BANDS]].clip(lower=0.001).to_numpy()
    filled[[*RED_EDGE]] = red_edge_model(vectors[half]).predict(known)
    columns = list(vectors.columns[:11])
    gap = run_network(filled[columns].to_numpy(), net) - run_network(
        vectors[~half][columns].to_numpy(), net
    )
    return found, (
        f"filled-in red edge moves its cover by {np.sqrt(np.square(gap).mean()):.3f} "
        f"(RMS) on the {int((~half).sum())} test vectors that it was not fitted on"
    )


def render(ways: list[Way], note: str, *, count: int) -> str:
    """Return the section's table and what it rests on, in Markdown."""
    lines = [
        "| way | R² | RMSE | bias | slope | R² with a line | RMSE with a line |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {way.name} | {way.plain.r2:.3f} | {way.plain.rmse:.3f} | "
        f"{way.plain.bias:+.3f} | {way.plain.slope:.2f} | "
        f"{way.straightened.r2:.3f} | {way.straightened.rmse:.3f} |"
        for way in ways
    ]
    told = (
        f"{count:,} simulated pixels. Bias is predicted minus observed, slope of "
        "observed on predicted; the line is fitted on the other folds of runs of rows."
    )
    if note:
        told += f" ESA network: {note}."
    return "\n".join([*lines, "", told])


def write_section(page: Path, text: str) -> None:
    """Put the table between its marks in a page.

    Raises
    ------
    ValueError
        When the page lacks the marks.
    """
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        message = f"{page.name} lacks {BEGIN} and {END}"
        raise ValueError(message)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Judge the three ways and print or write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.three_ways")
    parser.add_argument("--esa", type=Path, help="folder of the ESA network")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=Recipe().seed)
    parser.add_argument("--write", action="store_true", help="into docs/models.md")
    options = parser.parse_args()
    started = time.process_time()
    ways, note = judge_ways(options.esa, count=options.count, seed=options.seed)
    text = render(ways, note, count=options.count)
    if options.write:
        write_section(PAGE, text)
    print(text, f"\n{time.process_time() - started:.0f} cpu-s")


if __name__ == "__main__":
    main()
