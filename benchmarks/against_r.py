"""``estimate total`` beside R survey: ``python -m benchmarks.against_r``.

Needs ``Rscript`` with the package survey, which is a tool of development alone. Tables
are drawn by seed: one to four strata, clusters of one to five units, unequal
probabilities, domains and post-strata. Every total, mean, standard error and degree of
freedom is held against R's to 1e-7.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from click.testing import CliRunner

from benchmarks.validation_case import SOFTWARE
from qhsink.cli.estimate import estimate

NUMBERS = ("total", "se_total", "mean", "se_mean", "df")


def random_table(seed: int) -> pd.DataFrame:
    """Return a sample with all that the designs need."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    cluster = 0
    for stratum in range(int(rng.integers(1, 5))):
        drawn = int(rng.integers(2, 7))
        frame = drawn + int(rng.integers(1, 40))
        for _ in range(drawn):
            cluster += 1
            for _ in range(int(rng.integers(1, 6))):
                x, z = rng.gamma(3, 2), rng.normal()
                rows.append(
                    {
                        "stratum": f"s{stratum}",
                        "cl": f"c{cluster}",
                        "x": x,
                        "z": z,
                        "y": max(0.0, 2 + 3 * x + 2 * z + rng.normal(0, 3) + stratum),
                        "d": rng.choice(list("pqr")),
                        "g": rng.choice(list("uv")),
                        "Mh": frame,
                        "mh": drawn,
                        "p": round(float(rng.uniform(0.02, 0.6)), 4),
                    }
                )
    table = pd.DataFrame(rows)
    table["nh"] = table.groupby("stratum")["y"].transform("size")
    table["Nh"] = table["nh"] * int(rng.integers(2, 9)) + 3
    return table


def options(folder: Path, seed: str, table: pd.DataFrame) -> Mapping[str, list[str]]:
    """Return the options of every design, by its name in the R script."""
    count = len(table)
    units, frame = (table.groupby("stratum")[name].first() for name in ("Nh", "Mh"))
    files = {"units": units, "frame": frame}
    for name, sizes in files.items():
        sizes.rename("units").to_csv(folder / f"{name}{seed}.csv")
    post = f"stratum,units\nu,{2 * count}\nv,{3 * count}\n"
    (folder / f"post{seed}.csv").write_text(post, encoding="utf-8")
    (folder / "means.csv").write_text("x,z\n6.2,0.1\n", encoding="utf-8")
    strata = ["--stratum", "stratum", "--strata", str(folder / f"units{seed}.csv")]
    srs = ["--population", str(5 * count)]
    both = ["--population", str(int(units.sum())), *strata]
    greg = ["--method", "regression", "--aux", "x,z"]
    greg += ["--aux-means", str(folder / "means.csv")]
    clusters = ["--method", "cluster", "--cluster", "cl", "--stratum", "stratum"]
    clusters += ["--strata", str(folder / f"frame{seed}.csv")]
    clusters += ["--population", str(int(frame.sum()))]
    halves = ["--method", "poststratified", "--stratum", "g", *srs]
    halves += ["--strata", str(folder / f"post{seed}.csv")]
    ratio = ["--method", "ratio", "--ratio-of", "x"]
    return {
        "srs": ["--method", "srs", *srs],
        "srs_fpc": ["--method", "srs", *srs, "--fpc"],
        "stratified": ["--method", "stratified", *both],
        "stratified_fpc": ["--method", "stratified", *both, "--fpc"],
        "cluster": clusters,
        "cluster_fpc": [*clusters, "--fpc"],
        "ht": ["--method", "ht", "--prob", "p"],
        "ht_cluster": [
            "--method",
            "ht",
            "--prob",
            "p",
            "--cluster",
            "cl",
            "--stratum",
            "stratum",
        ],
        "srs_domain": ["--method", "srs", *srs, "--domain", "d"],
        "stratified_fpc_domain": [
            *["--method", "stratified", "--fpc", "--domain", "d"],
            *both,
        ],
        "post_srs": halves,
        "post_srs_fpc": [*halves, "--fpc"],
        "greg_srs": [*greg, *srs],
        "greg_stratified_fpc": [*greg, *both, "--fpc"],
        "ratio_srs": [*ratio, *srs],
        "ratio_stratified_fpc": [*ratio, *both, "--fpc"],
    }


def compare(folder: Path, lines: list[str]) -> Iterator[tuple[str, float, float]]:
    """Yield what, R's number and ours, of every number that R gives."""
    ours: dict[tuple[str, str], dict[str, Any]] = {}
    for line in lines:
        seed, name, domain, *values = (part.strip() for part in line.split(","))
        sample = folder / f"t{seed}.csv"
        if (seed, name) not in ours:
            chosen = options(folder, seed, pd.read_csv(sample))[name]
            words = ["total", "--sample", str(sample), "--y", "y", *chosen]
            done = CliRunner().invoke(
                estimate, [*words, "--json", "-"], catch_exceptions=False
            )
            rows = json.loads(done.stdout)["estimates"]
            ours[seed, name] = {row["domain"] or "": row for row in rows}
        row = ours[seed, name][domain]
        for key, text in zip(NUMBERS, values, strict=True):
            if text not in ("NA", "NaN"):
                yield f"{seed} {name} {domain} {key}", float(text), row[key]


def main() -> None:
    """Draw designs, run R and qhsink, print what differs; exit status 1 if any does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--designs", type=int, default=12)
    asked, rscript = parser.parse_args(), shutil.which("Rscript")
    if rscript is None:
        sys.exit("Rscript is not on this machine (apt-get install r-cran-survey)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in range(asked.designs):
            random_table(seed).to_csv(folder / f"t{seed}.csv", index=False)
        script = Path(__file__).with_suffix(".R")
        done = subprocess.run(
            [rscript, str(script), name], capture_output=True, text=True, check=True
        )
        found = list(compare(folder, done.stdout.splitlines()))
    wrong = [
        (what, theirs, own)
        for what, theirs, own in found
        if not math.isclose(theirs, own, rel_tol=SOFTWARE, abs_tol=1e-9)
    ]
    print(f"{len(found)} figures of {asked.designs} designs, {len(wrong)} differ")
    for what, theirs, own in wrong:
        print(f"  {what}: {theirs} in R, {own} here")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
