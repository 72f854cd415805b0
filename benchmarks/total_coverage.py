"""How often totals of the targets' maps lie inside their 90 % intervals.

``python -m benchmarks.total_coverage [--run DIR --truth FILE]`` writes the section
between the marks in ``docs/models.md``. Residual fields are those of
``models/residuals``, fitted to the ``fit_seeds`` of ``config/residual_fields.toml``;
the worlds here are its ``judge_seeds``, built below ``work/twin/train`` where they are
not there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhsink.config import Settings, load_run_config, load_settings
from qhsink.config.residual_fields import load_residual_worlds
from qhsink.config.train_twin import load_twin_training
from qhsink.domain.errors import BadInput
from qhsink.domain.residual_field import ResidualField
from qhsink.estimation.spatial import relative_residual_variance
from qhsink.indicators.interval import student_quantile
from qhsink.registry.residual_fields import load_residual_fields
from qhsink.steps.target_models import load_target_models
from qhsink.steps.twin_pixels import TwinPixels, read_worlds
from qhsink.steps.whole_residuals import (
    WholeQuantity,
    mapped_ecosystems,
    whole_quantities,
)

BEGIN = "<!-- python -m benchmarks.total_coverage: begin -->"
END = "<!-- python -m benchmarks.total_coverage: end -->"
GROUPS = (4, 12)
"""Neighbouring squares taken together as one region."""
CONFIDENCE = 0.90
CELLS = 15
"""Cells along a square whose shape is taken."""

CAUTION = (
    "neither models nor residual fields saw them. Share of truths inside 90 % "
    "intervals; a group is a square with its nearest neighbours, one region of several "
    "parts."
)
NOTHING = (
    "truly hold none of a quantity that the map shows there: the error is all that is "
    "mapped, and inside where the interval is wider than that."
)

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Covered:
    """How intervals of one quantity fared."""

    name: str
    models: str
    """The target's model and the ecosystem model."""
    squares: int
    members: float
    """Share of squares inside the interval of the members alone, 0..1."""
    square: float
    """Share inside the whole interval, 0..1."""
    groups: tuple[float, ...]
    """The same of groups of neighbours, by ``GROUPS``."""
    width: float
    """Mean half-width of the largest groups over their total."""
    nothing: int
    """Squares that truly hold none where the map shows some."""


def judge(
    pixels: TwinPixels, whole: WholeQuantity, field: ResidualField, models: str
) -> Covered:
    """Return how often truth lies inside, on squares and groups of squares."""
    names, at = np.unique(pixels.seed * 1000 + pixels.square, return_inverse=True)
    count = np.bincount(at).astype(float)

    def mean(column: Doubles) -> Doubles:
        return np.asarray(np.bincount(at, weights=column) / count)

    mapped, truth = mean(whole.mapped), mean(whole.truth)
    by_member = np.stack([mean(column) for column in whole.members.T], axis=1)
    x, y = mean(pixels.x), mean(pixels.y)
    scale, gap = mapped + field.floor, truth - mapped
    apart = np.hypot(x[:, None] - x, y[:, None] - y)
    own = relative_residual_variance(
        field, np.ones((CELLS, CELLS)), cell_m=field.square_m / CELLS
    )
    alike = field.common + np.zeros_like(apart)
    for part, range_m in field.structures:
        alike += part * np.exp(-apart / range_m)
    np.fill_diagonal(alike, own)

    def half(chosen: NDArray[np.intp]) -> float:
        residual = scale[chosen] @ alike[np.ix_(chosen, chosen)] @ scale[chosen]
        members = by_member[chosen].sum(axis=0).var(ddof=1)
        below = residual**2 / field.df + members**2 / (by_member.shape[1] - 1)
        df = (residual + members) ** 2 / below if below > 0.0 else field.df
        return float(student_quantile(0.5 + CONFIDENCE / 2.0, df)) * float(
            np.sqrt(residual + members)
        )

    held = np.flatnonzero(mapped > 0.0)
    alone = by_member[held].std(axis=1, ddof=1)
    reach = student_quantile(0.5 + CONFIDENCE / 2.0, by_member.shape[1] - 1.0) * alone
    shares, widths = [], []
    for number in GROUPS:
        inside = []
        for one in range(len(names)):
            world = np.flatnonzero(names // 1000 == names[one] // 1000)
            chosen = world[np.argsort(apart[one, world])[:number]]
            inside.append(abs(gap[chosen].sum()) <= half(chosen))
            if number == GROUPS[-1] and mapped[chosen].sum() > 0.0:
                widths.append(half(chosen) / mapped[chosen].sum())
        shares.append(float(np.mean(inside)))
    return Covered(
        name=whole.name,
        models=models,
        squares=len(held),
        members=float((np.abs(gap[held]) <= reach).mean()),
        square=float(
            np.mean([abs(gap[at]) <= half(np.array([at])) for at in held.tolist()])
        ),
        groups=tuple(shares),
        width=float(np.median(widths)),
        nothing=int(((truth == 0.0) & (mapped > 0.0)).sum()),
    )


def judge_all(settings: Settings, folder: Path) -> Iterator[Covered]:
    """Yield every quantity of the demonstration's models judged."""
    spec = load_twin_training()
    config = load_run_config(settings.project / "config" / "demo-targets.toml")
    models = load_target_models(config, settings.project)
    if models is None:
        raise BadInput(
            "no models of further targets",
            expected="config/demo-targets.toml with its models",
            remedy="Restore it.",
        )
    seeds = load_residual_worlds().judge_seeds
    pixels = read_worlds(spec, seeds, folder, settings=settings, report=print)
    mapped = mapped_ecosystems(pixels, models)
    for name, model in models.models.items():
        fields = load_residual_fields(
            settings.project / "models", model.id, models.ecosystem.id
        )
        target = models.table.get(name)
        for whole in whole_quantities(pixels, mapped, target, model):
            if whole.name in fields:
                pair = f"{model.id} with {models.ecosystem.id}"
                yield judge(pixels, whole, fields[whole.name], pair)


def render(judged: list[Covered], demonstration: list[str]) -> str:
    """Return the section in Markdown."""
    seeds = load_residual_worlds().judge_seeds
    lines = [
        BEGIN,
        "",
        f"Worlds {', '.join(map(str, seeds))}: {CAUTION}",
        "",
        "| quantity | squares | members alone | square of 81 km² | "
        + " | ".join(f"{number} squares" for number in GROUPS)
        + f" | half-width, {GROUPS[-1]} squares |",
        "|---" * (5 + len(GROUPS)) + "|",
    ]
    for one in judged:
        groups = " | ".join(f"{share:.0%}" for share in one.groups)
        lines.append(
            f"| {one.name} | {one.squares} | {one.members:.0%} | {one.square:.0%} | "
            f"{groups} | {one.width:.0%} |"
        )
    none = max(one.nothing for one in judged)
    pairs = "; ".join(dict.fromkeys(one.models for one in judged))
    lines += [
        "",
        f"Of the models {pairs}; to be made again where others are named.",
        "",
        f"Up to {none} squares of {len(seeds)} worlds {NOTHING}",
        "",
        *demonstration,
        END,
    ]
    return "\n".join(lines)


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
    for row in rows:
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
    parser.add_argument("--run", type=Path, help="A run with demo-targets.toml.")
    parser.add_argument("--truth", type=Path, help="truth.json of its archive.")
    asked = parser.parse_args()
    settings = load_settings()
    folder = settings.project / "work" / "twin" / "train"
    judged = list(judge_all(settings, folder))
    demonstration = (
        list(demonstration_lines(asked.run, asked.truth)) if asked.run else []
    )
    page = settings.project / "docs" / "models.md"
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    page.write_text(before + render(judged, demonstration) + after, encoding="utf-8")


if __name__ == "__main__":
    main()
