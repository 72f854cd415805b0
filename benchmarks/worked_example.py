"""``python -m benchmarks.worked_example``: one county, start to end, as a page.

Runs every command of the example on a simulated archive and writes
docs/worked-example.md with what they printed. Only ``measure`` looks at the archive's
truth: it stands in for the people in the field.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "worked-example.md"
FOLDER = "work/example"
"""Where the example works, in the page; another folder may be put in its place."""

COUNTY = "632324"
UNIT_M = 480.0
GRASSLAND = (1, 2, 6, 14, 15)
"""Codes of the truth that are grassland: meadows, steppes, black-soil patches."""

COVER_ERROR, BIOMASS_ERROR = 0.03, 0.10
"""Errors of the simulated crews: of cover, and of biomass as a share of it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the example."""

    title: str
    """Heading."""
    text: str
    """What is done and why."""
    commands: tuple[str, ...]
    """Shell commands, run from the clone."""


STEPS = (
    Step(
        "A map",
        "A simulated archive of the county on 480 m pixels, and a monthly run on it. "
        "With real scenes only the source differs.",
        (
            f"qhsink twin build --pixel-size 480 --region {COUNTY} --out {FOLDER}/twin",
            (
                f"qhsink monitor --month 2025-08 --region {COUNTY} "
                f"--source {FOLDER}/twin/catalog.json --config config/coarse.toml "
                f"--out {FOLDER}/run --store {FOLDER}/store"
            ),
        ),
    ),
    Step(
        "What the map says alone",
        "Two parts of its error: what the members of the model disagree on, and "
        "residuals that are correlated in space. The shipped model has no training "
        "plots with coordinates, so their range is assumed, and flagged. What a model "
        "trained elsewhere gets wrong everywhere is in neither part: the plots below "
        "show it.",
        (
            (
                f"qhsink estimate model --region {COUNTY} --run {FOLDER}/run "
                f"--json {FOLDER}/model.json"
            ),
        ),
    ),
    Step(
        "A sampling design",
        "Sixty units drawn at random from all cells of the county, with their "
        "inclusion probabilities. The seed reproduces them. `design.kml` goes to the "
        "phones, `sheet.html` to the crews; neither shows a map class.",
        (
            (
                f"qhsink sample design --region {COUNTY} --kind random --n 60 "
                f"--unit-m {UNIT_M:g} --seed 7 --out {FOLDER}/design"
            ),
        ),
    ),
    Step(
        "The field season (simulated)",
        "Here a program takes the place of the crews: at each unit it reads the "
        "archive's truth and adds an error of measurement (0.03 of cover, 10 % of "
        "biomass). **These plots are simulated.** Then what came back is held against "
        "what was sent out.",
        (
            f"python -m benchmarks.worked_example measure {FOLDER}",
            f"qhsink sample check {FOLDER}/design/design.csv {FOLDER}/returned.csv",
        ),
    ),
    Step(
        "Estimate and verdict",
        "The plots correct the map. The verdict is against a reference line, because "
        "no policy target exists for a mean of a map. The status stays `estimate`, "
        "and the lines below it say what is lacking.",
        (
            (
                f"qhsink estimate region --region {COUNTY} "
                f"--sample {FOLDER}/returned.csv --indicator fvc_peak "
                f"--run {FOLDER}/run --method regression "
                f"--half-width 0.02 --json {FOLDER}/cover.json"
            ),
        ),
    ),
    Step(
        "Area and biomass from the same plots",
        "The grassland area is a total of zeros and ones over all cells; the biomass "
        "is the mean over the domain of grassland plots.",
        (
            (
                f"qhsink estimate total --sample {FOLDER}/returned.csv --y grassland "
                f"--method ht --prob inclusion_prob --json {FOLDER}/area.json"
            ),
            (
                f"qhsink estimate total --sample {FOLDER}/returned.csv --y agb_g_m2 "
                f"--method ht --prob inclusion_prob --domain grassland "
                f"--json {FOLDER}/biomass.json"
            ),
            f"python -m benchmarks.worked_example stocks {FOLDER}",
        ),
    ),
    Step(
        "Carbon",
        "Area and biomass with their errors, factors with theirs. Soil comes from a "
        "plateau mean of the literature, not from this county: it is left out here, "
        "and the result says so.",
        (
            (
                f"qhsink carbon --stocks {FOLDER}/stocks.csv --no-soil --simulated "
                f"--deduct art_trees_2 --json {FOLDER}/carbon.json "
                f"--html {FOLDER}/carbon.html"
            ),
        ),
    ),
)

INTRO = """# A worked example: one county, start to end

Made by `python -m benchmarks.worked_example`; do not edit. A test runs the same
commands. Everything here is **simulated**: images, plots and results say nothing about
the real county (河南蒙古族自治县).
"""


def run_step(step: Step, folder: str) -> list[tuple[str, str]]:
    """Run a step's commands in ``folder``; return each with what it printed."""
    found = []
    for command in step.commands:
        words = shlex.split(command.replace(FOLDER, folder))
        if words[0] == "python":
            words[0] = sys.executable
        else:
            words[0] = str(Path(sys.executable).with_name(words[0]))
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            check=False,
            cwd=PROJECT,
            env={**os.environ, "COLUMNS": "118"},
        )
        if done.returncode != 0:
            sys.exit(f"{command}\n{done.stdout}{done.stderr}")
        found.append((command, done.stdout.replace(folder, FOLDER).strip()))
    return found


def page(folder: str) -> str:
    """Return the page, running every command in ``folder``."""
    parts = [INTRO]
    for number, step in enumerate(STEPS, start=1):
        parts += [f"## {number}. {step.title}\n", f"{step.text}\n"]
        for command, printed in run_step(step, folder):
            parts.append(f"```console\n$ {_folded(command)}\n{printed}\n```\n")
    return "\n".join([*parts, truth_text(Path(folder))])


def _folded(command: str) -> str:
    return command.replace(" --", " \\\n    --")


def measure(folder: Path) -> None:
    """Write ``returned.csv``: the truth at each unit, with an error of measurement."""
    rng = np.random.default_rng(1)
    with (folder / "design" / "design.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    places = [(float(row["x"]), float(row["y"])) for row in rows]
    truth = folder / "twin" / "truth" / COUNTY
    cover = _read(truth / "fvc_peak.tif", places)
    cover = np.clip(cover + rng.normal(0.0, COVER_ERROR, len(rows)), 0.0, 1.0)
    biomass = _read(truth / "agb_grass.tif", places)
    biomass *= np.maximum(1.0 + rng.normal(0.0, BIOMASS_ERROR, len(rows)), 0.0)
    is_grass = np.isin(_read(truth / "ecosystem.tif", places), GRASSLAND)
    for row, c, b, g in zip(rows, cover, biomass, is_grass, strict=True):
        row["reference"] = f"{c:.3f}"
        row["grassland"] = f"{int(g)}"
        row["agb_g_m2"] = f"{b:.1f}"
    with (folder / "returned.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} simulated plots in {folder / 'returned.csv'}")


def _read(path: Path, places: list[tuple[float, float]]) -> np.ndarray:
    with rasterio.open(path) as file:
        stored = np.array([values[0] for values in file.sample(places)], dtype=float)
        if np.any(stored == file.nodata):
            sys.exit(f"{path}: no truth at a unit")
        return stored * file.scales[0] + file.offsets[0]


def stocks(folder: Path) -> None:
    """Write ``stocks.csv`` from the estimates of area and biomass."""
    area = _rows(folder / "area.json")[0]
    biomass = next(r for r in _rows(folder / "biomass.json") if r["domain"] == "1")
    unit_ha = UNIT_M**2 / 1e4
    lines = [
        "ecosystem,quantity,value,se,unit",
        (
            f"grassland,area,{area['total'] * unit_ha:.1f},"
            f"{area['se_total'] * unit_ha:.1f},ha"
        ),
        f"grassland,biomass,{biomass['mean']:.3f},{biomass['se_mean']:.3f},g d.m. m-2",
    ]
    (folder / "stocks.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def _rows(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["estimates"]


def truth_text(folder: Path) -> str:
    """Return what the truth says of the estimates, which no real survey can."""
    path = folder / "twin" / "truth" / "truth.json"
    truth = json.loads(path.read_text(encoding="utf-8"))["regions"][COUNTY]
    cover = json.loads((folder / "cover.json").read_text(encoding="utf-8"))
    row = cover["estimates"][0]
    return (
        "## What the truth was\n\n"
        "Only a simulation can tell. The true mean cover of the county is "
        f"{truth['fvc_peak_mean']:.4f}; the map alone said {row['map_mean']:.4f}, the "
        f"plots and the map together {row['estimate']:.4f} "
        f"({row['ci'][0]:.4f} to {row['ci'][1]:.4f}). One interval proves nothing: "
        "`qhsink twin evaluate` tries thousands.\n"
    )


def main() -> None:
    """Write the page, or do one of the example's own steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", nargs="?", choices=["page", "measure", "stocks"])
    parser.add_argument("folder", nargs="?", default=FOLDER)
    chosen = parser.parse_args()
    if chosen.step in ("measure", "stocks"):
        {"measure": measure, "stocks": stocks}[chosen.step](Path(chosen.folder))
        return
    (PROJECT / chosen.folder).mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(chosen.folder), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(PROJECT)}")


if __name__ == "__main__":
    main()
