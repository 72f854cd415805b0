"""How often totals of the targets' maps lie inside their 90 % intervals.

``python -m benchmarks.total_coverage [--twin DIR] [--store DIR]`` (and, for the
demonstration, ``--run DIR --truth FILE``) writes the section between the marks in
``docs/models.md``. Residual fields are those of ``models/residuals``, fitted to the
``fit_seeds`` of ``config/residual_fields.toml``; the worlds here are its
``judge_seeds``, built below DIR where they are not there. Each of the worlds that were
fitted to is judged too, by a field of the others alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhsink.config import Settings, load_run_config, load_settings
from qhsink.config.residual_fields import (
    Layout,
    ResidualWorlds,
    load_residual_worlds,
)
from qhsink.config.train_twin import load_twin_training
from qhsink.domain.errors import BadInput
from qhsink.domain.residual_field import ResidualField
from qhsink.indicators.interval import student_quantile
from qhsink.mapping.error_squares import ErrorSquares
from qhsink.registry.residual_fields import load_residual_fields
from qhsink.steps.square_groups import GROUPS, WHOLE, group_errors, half_widths
from qhsink.steps.target_models import TargetModels, load_target_models
from qhsink.steps.twin_pixels import read_layouts
from qhsink.steps.whole_residuals import (
    fit_and_leave_out,
    mapped_ecosystems,
    squares_of,
    whole_quantities,
)

BEGIN = "<!-- python -m benchmarks.total_coverage: begin -->"
END = "<!-- python -m benchmarks.total_coverage: end -->"
CONFIDENCE = 0.90
NAMED = {1: "one square", 4: "4 squares", WHOLE: "all of a world"}
LANDSCAPE = "all of a landscape"
SIZES = (*NAMED.values(), LANDSCAPE)
"""Regions judged. Squares of a landscape lie within ``landscape_m``, those of another
world all over the province."""
LOW, HIGH = 0.85, 0.95
"""Shares that an interval of 90 % may hold; others are set in bold."""
CAUTION = (
    "neither models nor residual fields saw them, and places are their own. Share of "
    "truths inside 90 % intervals, where the map shows any; a region of four is a "
    "square of 81 km² with its nearest neighbours, one region of several parts."
)
LEFT = (
    "Worlds that fields were fitted to, each by a field of the others alone (fit, "
    "factor and degrees of freedom):"
)
AGAIN = "to be made again where others are named."
NOTHING = "truly hold none of a quantity that the map shows there."

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Covered:
    """How intervals of one quantity fared."""

    name: str
    regions: tuple[int, ...]
    """Regions judged, by ``SIZES``."""
    members: float
    """Share of single squares inside the interval of the members alone, 0..1."""
    inside: tuple[float, ...]
    """Share inside the whole interval, 0..1, by ``SIZES``."""
    width: tuple[float, float]
    """Median half-width of the worlds over what is mapped there, the same of the
    landscapes."""
    error: tuple[float, float]
    """Mean over worlds of total true over total mapped, less one, and its standard
    deviation."""
    nothing: int
    """Squares that truly hold none where the map shows some."""


def judge(
    found: Mapping[int, tuple[ErrorSquares, ResidualField]],
    name: str,
    *,
    together: Collection[int],
) -> Covered:
    """Return how often truth lies inside, on squares and groups of squares.

    Parameters
    ----------
    found : mapping
        Squares of each world, and the field that is to foretell it.
    name : str
        Of the quantity.
    together : collection of int
        Worlds whose squares lie in one landscape.
    """
    inside: dict[str, list[Doubles]] = {size: [] for size in SIZES}
    widths: dict[str, list[float]] = {size: [] for size in SIZES}
    alone, errors, nothing = [], [], 0
    for world, (squares, field) in found.items():
        number = squares.members.shape[1]
        for size in GROUPS:
            groups = group_errors(squares, field, size)
            half = half_widths(groups, field, members=number, confidence=CONFIDENCE)
            called = LANDSCAPE if size == WHOLE and world in together else NAMED[size]
            inside[called].append((np.abs(groups.error) <= half).astype(float))
            widths[called] += (half / groups.mapped).tolist()
            if size == WHOLE:
                errors += (groups.error / groups.mapped).tolist()
            if size == 1:
                reach = student_quantile(0.5 + CONFIDENCE / 2.0, number - 1.0)
                spread = np.sqrt(groups.members)
                alone += (np.abs(groups.error) <= reach * spread).tolist()
        nothing += int(((squares.truth == 0.0) & (squares.mapped > 0.0)).sum())
    shares = [np.concatenate(inside[size]) for size in SIZES]
    return Covered(
        name=name,
        regions=tuple(len(share) for share in shares),
        members=float(np.mean(alone)),
        inside=tuple(float(share.mean()) for share in shares),
        width=(
            float(np.median(widths[NAMED[WHOLE]])),
            float(np.median(widths[LANDSCAPE])),
        ),
        error=(float(np.mean(errors)), float(np.std(errors, ddof=1))),
        nothing=nothing,
    )


def squares_by_quantity(
    models: TargetModels, laid: Sequence[Layout], folder: Path, settings: Settings
) -> Iterator[tuple[str, str, ErrorSquares]]:
    """Yield a target, a quantity of it, and its squares in worlds as ``laid`` out."""
    pixels = read_layouts(laid, folder, settings=settings, report=print)
    mapped = mapped_ecosystems(pixels, models)
    for name, model in models.models.items():
        target = models.table.get(name)
        for whole in whole_quantities(pixels, mapped, target, model):
            yield name, whole.name, squares_of(pixels, whole)


def by_world(
    found: ErrorSquares, field: ResidualField | None, *, square_m: float
) -> dict[int, tuple[ErrorSquares, ResidualField]]:
    """Return squares and field by world; without a field, one of the other worlds."""
    parts = {}
    for world in np.unique(found.world).tolist():
        mine = found.world == world
        used = field or fit_and_leave_out(found.take(~mine), square_m=square_m)
        parts[world] = (found.take(mine), used)
    return parts


def judge_all(
    models: TargetModels, folder: Path, settings: Settings
) -> tuple[list[Covered], list[Covered]]:
    """Return all quantities judged on unseen worlds, and on those left out."""
    worlds, spec = load_residual_worlds(), load_twin_training()
    unseen, left = [], []
    records = settings.project / "models"
    together = {*worlds.landscape_fit_seeds, *worlds.landscape_judge_seeds}
    for target, name, found in squares_by_quantity(
        models, worlds.to_judge(spec), folder, settings
    ):
        pair = models.models[target].id, models.ecosystem.id
        field = load_residual_fields(records, *pair).get(name)
        if field is None:
            raise BadInput(
                f"no record of residuals of {pair[0]} with {pair[1]}",
                expected="one for each model of config/demo-targets.toml",
                remedy="Make it: qhsink models residuals --twin DIR.",
            )
        tried = by_world(found, field, square_m=spec.square_m)
        unseen.append(judge(tried, name, together=together))
    for _, name, found in squares_by_quantity(
        models, worlds.to_fit(spec), folder, settings
    ):
        tried = by_world(found, None, square_m=spec.square_m)
        left.append(judge(tried, name, together=together))
    return unseen, left


def table(judged: Sequence[Covered]) -> list[str]:
    """Return the table of quantities in Markdown."""
    lines = [
        "| quantity | members alone | "
        + " | ".join(SIZES)
        + " | half-width: world, landscape | truth over map, less 1: mean (sd of "
        "worlds) |",
        "|---" * (4 + len(SIZES)) + "|",
    ]
    for one in judged:
        shares = " | ".join(
            f"{_marked(share)} of {number}"
            for share, number in zip(one.inside, one.regions, strict=True)
        )
        lines.append(
            f"| {one.name} | {one.members:.0%} | {shares} "
            f"| {one.width[0]:.0%}, {one.width[1]:.0%} | "
            f"{one.error[0]:+.0%} ({one.error[1]:.0%}) |"
        )
    return lines


def _marked(share: float) -> str:
    text = f"{share:.0%}"
    return text if LOW <= share <= HIGH else f"**{text}**"


def render(
    models: TargetModels,
    unseen: Sequence[Covered],
    left: Sequence[Covered],
    demonstration: Sequence[str],
) -> str:
    """Return the section in Markdown."""
    worlds = load_residual_worlds()
    none = max(one.nothing for one in unseen)
    named = ", ".join(model.id for model in models.models.values())
    count = len(worlds.judge_seeds) + len(worlds.landscape_judge_seeds)
    lines = [
        BEGIN,
        "",
        _worlds_judged(worlds),
        "",
        *table(unseen),
        "",
        LEFT,
        "",
        *table(left),
        "",
        f"Of the models {named} with {models.ecosystem.id}; {AGAIN}",
        "",
        f"Up to {none} squares of the {count} worlds {NOTHING}",
        "",
        *demonstration,
        END,
    ]
    return "\n".join(lines)


def _worlds_judged(worlds: ResidualWorlds) -> str:
    seeds = ", ".join(map(str, worlds.judge_seeds))
    near = ", ".join(map(str, worlds.landscape_judge_seeds))
    return (
        f"Worlds {seeds}, {worlds.squares} squares each all over the province, and "
        f"{near}, as many in a landscape of {worlds.landscape_m / 1000:g} km each: "
        f"{CAUTION}"
    )


TRUE_TOTALS = {
    "agb_forest_map": "agb_forest_t",
    "growing_stock_map": "growing_stock_m3",
    "canopy_cover_map": "canopy_cover_mean",
    "shrub_cover_map": "shrub_cover_mean",
}
HERBS = ("alpine meadow", "alpine steppe", "alpine desert", "marsh meadow")
HERBS += ("black-soil patch", "temperate steppe")


def demonstration_lines(run: Path, truth: Path) -> Iterator[str]:
    """Yield the estimates of a run of the demonstration beside its truth."""
    known = json.loads(truth.read_text(encoding="utf-8"))["regions"]
    rows = json.loads((run / "run.json").read_text(encoding="utf-8"))["estimates"]
    yield "The demonstration (world 2025, whole regions):"
    yield ""
    yield "| region | indicator | estimate | 90 % interval | truth | inside |"
    yield "|---|---|---|---|---|---|"
    for row in (one for one in rows if one["value"] is not None):
        true = _true_value(row, known[row["region"]])
        if true is None:
            continue
        inside = "yes" if row["low"] <= true <= row["high"] else "**no**"
        yield (
            f"| {row['region']} | {row['indicator']} | {row['value']:.3g} "
            f"{row['unit']} | {row['low']:.3g} to {row['high']:.3g} | {true:.3g} | "
            f"{inside} |"
        )
    yield ""


def _true_value(row: dict[str, Any], region: dict[str, Any]) -> float | None:
    name = str(row["indicator"])
    if name == "agb_grass_map":
        herbs = sum(float(region["ecosystem_ha"][kind]) for kind in HERBS)
        return 0.01 * herbs * float(region["agb_grass_mean_grassland"])
    if name not in TRUE_TOTALS:
        return None
    value = float(region[TRUE_TOTALS[name]])
    if name.endswith("cover_map"):  # the truth is over all area, the estimate over land
        return value * float(region["area_ha"]) / float(row["area_ha"])
    return value


def main() -> None:
    """Write the section into docs/models.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--twin", type=Path, help="Where the worlds are.")
    parser.add_argument("--store", type=Path, help="Artifact store.")
    parser.add_argument("--run", type=Path, help="A run with demo-targets.toml.")
    parser.add_argument("--truth", type=Path, help="truth.json of its archive.")
    asked = parser.parse_args()
    settings = load_settings(store=asked.store)
    config = load_run_config(settings.project / "config" / "demo-targets.toml")
    models = load_target_models(config, settings.project)
    if models is None:
        raise BadInput(
            "no models of further targets",
            expected="config/demo-targets.toml with its models",
            remedy="Restore it.",
        )
    folder = asked.twin or settings.project / "work" / "twin" / "train"
    unseen, left = judge_all(models, folder, settings)
    demonstration = (
        list(demonstration_lines(asked.run, asked.truth)) if asked.run else []
    )
    page = settings.project / "docs" / "models.md"
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    section = render(models, unseen, left, demonstration)
    page.write_text(before + section + after, encoding="utf-8")


if __name__ == "__main__":
    main()
