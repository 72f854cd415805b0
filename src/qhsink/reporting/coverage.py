"""The trial of the intervals as a page and as a Markdown table.

Numbers come in counted; nothing is estimated here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd


@dataclass(frozen=True, slots=True)
class Trial:
    """What was tried."""

    worlds: int
    failed: int
    """Worlds that gave nothing."""
    regions: tuple[str, ...]
    lie: str | None
    square_km: float
    """Edge of a square [km]."""
    part_km: float
    """Edge of a sub-region [km]."""
    plots: int
    """Plots of a campaign in a square."""
    campaigns: int
    """Independent campaigns of each kind in a square."""
    pixel_m: float
    range_km: float
    """Assumed range of residual correlation [km]."""
    code: str
    """Digest of the code that was tried."""

    @property
    def sizes(self) -> dict[str, str]:
        """Names of the region sizes."""
        joined = len(self.regions) * self.square_km**2
        return {
            "part": f"{self.part_km**2:,.0f} km²",
            "square": f"{self.square_km**2:,.0f} km²",
            "all": f"{joined:,.0f} km² in {len(self.regions)}",
        }


REMARKS = {
    "model": (
        "holds the error of the model's parameters only; what a model trained "
        "elsewhere gets wrong everywhere in a region is not in it. Carries the flag "
        "“not calibrated” in every output."
    ),
    "model + correlated residuals": (
        "adds the error of single pixels, correlated over an assumed range: the "
        "training data have no places to measure it. Flagged."
    ),
    "naive: pixel mean, RMSE/√N": (
        "treats every pixel's error as its own: not offered by qhsink, shown as what "
        "is commonly done."
    ),
    "simple random plots": "plots alone; no map.",
    "systematic plots, as if random": (
        "variance as if drawn at random: too wide where cover varies smoothly."
    ),
    "stratified plots": "strata by map value; plots decide.",
    "difference (map)": "the map's mean less its mean error at the plots.",
    "regression (map)": "GREG with intercept and slope on the map.",
    "plots of the sub-region alone": (
        "few plots each; sub-regions with one plot or none have no interval."
    ),
    "small area: synthetic": (
        "as if sub-regions differed by their map means alone; its error knows of "
        "other differences only as far as the plots show them."
    ),
    "small area: GREG by domain": (
        "as few plots as the sub-region has; its t has as few degrees of freedom."
    ),
    "small area: EBLUP": (
        "shares strength between sub-regions; the interval is normal around a "
        "variance estimated from few sub-regions."
    ),
    "simple random plots, equation taken as exact": (
        "leaves out the error of the allometric equation; forest in patches makes "
        "plots skewed."
    ),
    "simple random plots + equation error": "with it.",
    "hybrid (lidar tracks)": (
        "tracks as clusters, model members for the model's error."
    ),
    "area from stratified labels": (
        "share of meadow from interpreted plots in map strata (Stehman 2014)."
    ),
}
"""What each mode's interval holds, and what it leaves out."""

READINGS = {
    "covers": "合格",
    "too narrow": "偏窄",
    "too wide": "偏宽",
    "too narrow, within chance": "偏窄（或属偶然）",
    "too wide, within chance": "偏宽（或属偶然）",
    "no estimate": "无估计",
}
"""What coverage says, in Chinese."""

NAMES = {
    "fvc_peak": ("生长盛期植被覆盖度均值", "mean peak vegetation cover"),
    "agb_grass": ("草本地上生物量 g/m²", "herb biomass, g m⁻²"),
    "agb_forest": ("林木地上生物量 t/hm²", "tree biomass, Mg ha⁻¹"),
    "meadow_share": ("草甸面积占比", "share of meadow"),
}


def write_coverage_page(
    summary: pd.DataFrame, verdicts: pd.DataFrame, trial: Trial, folder: Path
) -> None:
    """Write ``coverage.html`` and ``coverage.md`` into ``folder``.

    Parameters
    ----------
    summary, verdicts : DataFrame
        From ``twin.scoring``.
    """
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("qhsink.reporting", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    said = verdict_lines(verdicts)
    text = templates.get_template("coverage.html.j2").render(
        trial=trial,
        tables=list(_tables(summary, trial)),
        verdicts=said,
        distances=sorted({d for shares in said.values() for d in shares}),
        readings=READINGS,
        remarks={m: r for m, r in REMARKS.items() if m in set(summary["mode"])},
    )
    (folder / "coverage.html").write_text(text, encoding="utf-8")
    markdown = coverage_markdown(summary, verdicts, trial)
    (folder / "coverage.md").write_text(markdown, encoding="utf-8")


def _tables(summary: pd.DataFrame, trial: Trial) -> Iterator[dict[str, Any]]:
    for indicator, part in summary.groupby("indicator", sort=False):
        name_zh, name_en = NAMES.get(str(indicator), ("", str(indicator)))
        yield {
            "zh": name_zh,
            "en": name_en,
            "rows": [
                {**row, "size": trial.sizes[row["size"]]}
                for row in part.to_dict("records")
            ],
        }


_HEADER = (
    "| mode | region | estimates | bias | RMSE | 90 % width | 90 % covers "
    "| 95 % covers | reading |"
)


def coverage_markdown(
    summary: pd.DataFrame, verdicts: pd.DataFrame, trial: Trial
) -> str:
    """Return the trial as a whole Markdown page, ready for ``docs/``."""
    lines = [*_markdown_head(trial), *_markdown_readings(summary, trial)]
    for table in _tables(summary, trial):
        lines += [
            f"## {table['en'][0].upper()}{table['en'][1:]}",
            "",
            _HEADER,
            "|---|---|---:|---:|---:|---:|---|---|---|",
        ]
        lines += [_markdown_row(row) for row in table["rows"]]
        lines.append("")
    return "\n".join([*lines, *_markdown_verdicts(verdict_lines(verdicts)), ""])


def _markdown_head(trial: Trial) -> Iterator[str]:
    lie = f" --lie {trial.lie}" if trial.lie else ""
    yield "# Are the intervals honest?"
    yield ""
    yield "Made by"
    yield ""
    yield (
        f"    qhsink twin evaluate --worlds {trial.worlds + trial.failed}{lie} "
        f"--regions {','.join(trial.regions)} --out DIR"
    )
    yield ""
    yield (
        f"and copied from `DIR/coverage.md`: {trial.worlds} simulated worlds"
        f"{f' ({trial.failed} failed)' if trial.failed else ''}, code {trial.code}. "
        f"Each has {len(trial.regions)} squares of {trial.square_km:g} km on "
        f"{trial.pixel_m:g} m pixels, the monthly steps run on its scenes, and "
        f"{trial.campaigns} independent field campaigns of each kind with "
        f"{trial.plots} plots in every square; every estimate is held against the "
        "truth. Parameters: `config/evaluate.toml`. Everything is simulated."
    )
    yield ""
    yield (
        "In brackets: 95 % binomial limits (Clopper and Pearson), as if estimates were "
        "independent. Those of one world share its scenes and its map, so the map-only "
        "modes have fewer trials than they show: about one for each square."
    )
    yield ""


def _markdown_readings(summary: pd.DataFrame, trial: Trial) -> Iterator[str]:
    """Yield which modes cover, which do not, and what their intervals leave out."""
    yield "## Which 90 % intervals cover 85 to 95 % of the time"
    yield ""
    for reading in READINGS:
        part = summary[summary["reading"] == reading]
        if part.empty:
            continue
        yield f"**{reading.capitalize()}**"
        yield ""
        for row in part.to_dict("records"):
            name = NAMES.get(row["indicator"], ("", row["indicator"]))[1]
            flag = " Flagged." if row["flagged"] == 1.0 else ""
            yield (
                f"* {row['mode']}, {name}, {trial.sizes[row['size']]}: "
                f"{row['cover90']:.1%}.{flag}"
            )
        yield ""
    yield "What each interval holds, and what it leaves out:"
    yield ""
    for mode, remark in REMARKS.items():
        if mode in set(summary["mode"]):
            yield f"* {mode}: {remark}"
    yield ""


def _markdown_verdicts(
    verdicts: dict[str, dict[float, dict[str, float]]],
) -> Iterator[str]:
    distances = sorted({d for said in verdicts.values() for d in said})
    yield "## Wrong verdicts on mean peak cover, whole squares"
    yield ""
    yield "Target off the truth by (in brackets: not distinguishable)"
    yield ""
    yield "| mode | " + " | ".join(f"±{d:.2f}" for d in distances) + " |"
    yield "|---|" + "---:|" * len(distances)
    for mode, said in verdicts.items():
        cells = (f"{said[d]['wrong']:.1%} ({said[d]['open']:.0%})" for d in distances)
        yield f"| {mode} | " + " | ".join(cells) + " |"


def _markdown_row(row: dict[str, Any]) -> str:
    figures = " | ".join(_figure(row[name]) for name in ("bias", "rmse", "width90"))
    flag = ", flagged" if row["flagged"] == 1.0 else ""
    return (
        f"| {row['mode']} | {row['size']} | {row['estimates']} | {figures} "
        f"| {_covers(row, 90)} | {_covers(row, 95)} | {row['reading']}{flag} |"
    )


def _figure(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1.0 else f"{value:.2f}"


def _covers(row: dict[str, Any], level: int) -> str:
    low, high = row[f"cover{level}_low"], row[f"cover{level}_high"]
    return f"**{row[f'cover{level}']:.1%}** ({low:.1%} to {high:.1%})"


def verdict_lines(verdicts: pd.DataFrame) -> dict[str, dict[float, dict[str, float]]]:
    """Return the shares for whole squares by mode and distance, both signs together."""
    if verdicts.empty:
        return {}
    part = verdicts[verdicts["size"] == "square"]
    part = part.assign(distance=part["distance"].abs())
    mean = part.groupby(["mode", "distance"])[["wrong", "right", "open"]].mean()
    found: dict[str, dict[float, dict[str, float]]] = {}
    for row in mean.reset_index().to_dict("records"):
        shares = {name: float(row[name]) for name in ("wrong", "right", "open")}
        found.setdefault(str(row["mode"]), {})[float(row["distance"])] = shares
    return {mode: found[mode] for mode in REMARKS if mode in found}
