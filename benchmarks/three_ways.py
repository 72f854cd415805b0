"""Three ways to green cover, judged on the same real transects.

Trained in the field, trained on simulated canopies, and the Sentinel-2 biophysical
processor (ESA, version 3.0). Its coefficients are GPL-3 auxiliary data: they are read
from beside the project, used here and never shipped. Run from the project folder::

    python -m benchmarks.three_ways --esa ../shared/cases/s2_biophysical_S2A --write

``--older FILE`` adds another version of it: JSON with ``version`` and ``nets``, written
as those in ``inputs.json`` are. No such file comes with the project.
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

from benchmarks.esa_network import (
    ESA_BANDS,
    RED_EDGE,
    esa_cover,
    red_edge_model,
    run_network,
)
from benchmarks.simulated_cover import BANDS, simulate
from qhsink.mapping.ensemble import Ensemble, limit_inner_threads, predict_members
from qhsink.mapping.features import feature_matrix
from qhsink.mapping.fitting import fit_ensemble
from qhsink.mapping.folds import consecutive_runs, deal_folds, spectral_clusters
from qhsink.mapping.samples import Recipe, Samples
from qhsink.mapping.training import ENSEMBLE, compare
from qhsink.mapping.validation import Scores, score
from qhsink.registry import read_table

Doubles = NDArray[np.float64]

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "models" / "training" / "fractionalcover3_transects.csv.gz"
PAGE = ROOT / "docs" / "models.md"
BEGIN, END = "<!-- three ways: begin -->", "<!-- three ways: end -->"
SUN_ZENITH = (30.0, 45.0, 60.0)
"""The transects' sun is unknown: the network is asked under each [degree]."""


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


def straighten(observed: Doubles, predicted: Doubles, folds: NDArray[Any]) -> Doubles:
    """Return predictions after a line fitted on the other folds, within 0 and 1."""
    out = np.empty_like(predicted)
    for fold in np.unique(folds):
        rest, here = folds != fold, folds == fold
        slope, level = np.polyfit(predicted[rest], observed[rest], 1)
        out[here] = level + slope * predicted[here]
    return np.clip(out, 0.0, 1.0)


def judge_ways(
    esa: Path | None, *, count: int, seed: int, older: Path | None = None
) -> tuple[list[Way], str]:
    """Return every way judged on the transects, and what else is to be said.

    Parameters
    ----------
    esa : Path or None
        Folder of the network's coefficients and vectors; None leaves it out.
    count : int
        Simulated pixels to train on.
    seed : int
        Seed of simulations and fits.
    older : Path, optional
        Coefficients of another version of the network.
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
        of_esa, note = _esa(bands, esa, older)
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


def _esa(
    bands: Mapping[str, Doubles], folder: Path, older: Path | None
) -> tuple[dict[str, Doubles], str]:
    net = json.loads((folder / "inputs.json").read_text())["nets"]["FCOVER"]
    versions = {"3.0": net}
    if older is not None:
        told = json.loads(older.read_text())
        versions[told["version"]] = told["nets"]["FCOVER"]
    vectors = pd.read_csv(folder / "inputs_FCOVER.csv")
    model = red_edge_model(vectors)
    found = {
        f"ESA network, version {version}, sun at {sun:.0f}° from the zenith": esa_cover(
            bands, model, one, sun
        )
        for version, one in versions.items()
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
    note = (
        f"filled-in red edge moves its cover by {np.sqrt(np.square(gap).mean()):.3f} "
        f"(RMS) on the {int((~half).sum())} test vectors that it was not fitted on"
    )
    x = vectors[columns].to_numpy()
    for version, other in versions.items():
        if other is not net:
            apart = np.abs(
                np.clip(run_network(x, other), 0, 1)
                - np.clip(run_network(x, net), 0, 1)
            )
            note += (
                f"; version {version} differs from 3.0 by {apart.max():.3f} at most "
                f"and {np.sqrt(np.square(apart).mean()):.3f} (RMS) on all {len(x)}"
            )
    return found, note


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
    parser.add_argument("--older", type=Path, help="JSON of another version of it")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=Recipe().seed)
    parser.add_argument("--write", action="store_true", help="into docs/models.md")
    options = parser.parse_args()
    if options.esa and not (options.esa / "inputs.json").is_file():
        parser.error(f"{options.esa.name} holds no inputs.json of the ESA network")
    started = time.process_time()
    ways, note = judge_ways(
        options.esa, count=options.count, seed=options.seed, older=options.older
    )
    text = render(ways, note, count=options.count)
    if options.write:
        write_section(PAGE, text)
    print(text, f"\n{time.process_time() - started:.0f} cpu-s")


if __name__ == "__main__":
    main()
