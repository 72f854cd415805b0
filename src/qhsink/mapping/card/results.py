"""The evidence in a card, in words: scores, folds, errors by tenth, intervals.

Part of ``qhsink.mapping.card.text``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qhsink.mapping.card.promises import (
    LEAST_IN_TENTH,
    WANTED_GAP,
    WANTED_RATIO,
    is_covered,
    race,
)
from qhsink.mapping.comparison import ENSEMBLE

OLD_TITLES = {"clusters": "spectral clusters"}
REMARKS = {
    "clusters": "harder",
    "random": "only to show how much it flatters",
}


def grouping(science: Mapping[str, Any]) -> str:
    """Return what is held out together in the folds that decide."""
    return str(science.get("grouping", "runs of rows"))


def section_results(
    science: Mapping[str, Any], cost: Mapping[str, float]
) -> Iterator[str]:
    """Yield scores of all models compared, and what follows for this one."""
    yield "## Cross-validation"
    yield ""
    for kind in ("runs", "clusters"):
        part = science["validation"][kind]
        folds = part.get("folds", science["recipe"]["folds"])
        yield f"{folds} folds over {part['groups']} {_title(science, kind)}:"
        yield ""
        yield from markdown_table(
            ("model", "R²", "RMSE", "bias", "slope", "CCC", "CPU ms per Mpx"),
            [
                (name, *_scores(row), f"{cost[name]:,.0f}" if name in cost else "-")
                for name, row in part["models"].items()
            ],
        )
        yield ""
    yield (
        "R² is 1 - SSE/SST; bias is predicted minus observed; slope is of observed on "
        "predicted. All members count in the ensemble's time, which excludes making "
        "features; time was measured once and differs by machine."
    )
    yield ""
    yield from _against_rivals(science, cost)


def _against_rivals(
    science: Mapping[str, Any], cost: Mapping[str, float]
) -> Iterator[str]:
    found = race(science, cost)
    if found is None:
        return
    yield (
        f"Of the best model ({found.best}) the R² of this one is {found.gap:.3f} "
        f"short: {_kept(found.gap <= WANTED_GAP)} (at most {WANTED_GAP} is asked). "
        f"One member predicts {found.ratio:,.0f} times as fast as the best tree "
        f"ensemble ({found.tree}): {_kept(found.ratio >= WANTED_RATIO)} (at least "
        f"{WANTED_RATIO} is asked)."
    )
    yield ""


def _kept(whether: bool) -> str:
    return "kept" if whether else "**not kept**"


def section_folds(science: Mapping[str, Any]) -> Iterator[str]:
    """Yield this model's scores by kind of folds, and where it saturates."""
    yield "## By what is held out"
    yield ""
    yield from markdown_table(
        ("held out together", "folds", "R²", "RMSE", "bias", "slope", "CCC"),
        [
            (
                _remarked(science, kind),
                str(part.get("folds", science["recipe"]["folds"])),
                *_scores(part["models"][ENSEMBLE]),
            )
            for kind, part in science["validation"].items()
        ],
    )
    yield ""
    if "saturation" in science:
        yield _saturation(science["saturation"])
        yield ""
    if "residual_variogram" in science:
        yield _variogram(science["residual_variogram"])
        yield ""
    if "reference_error" in science:
        yield _budget(science["reference_error"])
        yield ""


def _budget(found: Mapping[str, Any]) -> str:
    left = (
        "the stated errors are as large as the residuals: what the error against true "
        "values is cannot be told"
        if found["rmse"] is None
        else f"the RMSE against true values is {found['rmse']:.4g}"
        + ("" if found["r2"] is None else f" and R² {found['r2']:.3f}")
    )
    return (
        "**Error of the reference.** The values learnt from have stated standard "
        f"errors of {found['se']:.4g} (root mean square), {found['share']:.0%} of the "
        "squared error out of fold. Where these are independent of each other and of "
        f"the prediction, {left}. The tables, the prediction interval and the "
        "variogram are of the values as they were given: this noise was not taken out "
        "of them, nor of the members' spread. An error that all values share is in "
        "none of these numbers."
    )


def _variogram(found: Mapping[str, Any]) -> str:
    share = 1 - found["nugget"] / found["sill"]
    scale = 3 if found["model"] == "exponential" else 1
    return (
        f"**Residuals in space.** {share:.0%} of their variance is alike nearby, up "
        f"to {scale * found['range_m'] / 1000:.3g} km ({found['model']} variogram, "
        f"{found['n_pairs']:,} pairs, out of fold)."
    )


def _saturation(found: Mapping[str, float | None]) -> str:
    texts = []
    for key, other in (("observed", "predicted"), ("predicted", "observed")):
        value = found[key]
        end = "to the end" if value is None else f"up to {value:.4g} and is level above"
        texts.append(f"{other} rises with {key} {end}")
    return (
        f"**Saturation.** {texts[0].capitalize()}; {texts[1]} (out of fold; knee of a "
        "line that rises and then is level)."
    )


def section_errors(science: Mapping[str, Any]) -> Iterator[str]:
    """Yield bias, error and coverage by tenth of observed and predicted value."""
    part = science["validation"]["runs"]
    for key, word in (("by_observed", "observed"), ("by_predicted", "predicted")):
        yield f"## Error by tenth of {word} value"
        yield ""
        yield from markdown_table(
            ("from", "to", "n", "bias", "RMSE", "coverage of the 90 % interval"),
            [
                (
                    f"{row['low']:.3f}",
                    f"{row['high']:.3f}",
                    str(row["count"]),
                    f"{row['bias']:+.3f}",
                    f"{row['rmse']:.3f}",
                    f"{row['coverage']:.3f}",
                )
                for row in part[key]
            ],
        )
        yield ""


def section_interval(science: Mapping[str, Any]) -> Iterator[str]:
    """Yield how the prediction interval is made, what it holds, and where it fails."""
    part, interval = science["validation"]["runs"], science["interval"]
    yield "## Prediction interval"
    yield ""
    yield (
        f"The {interval['confidence']:.0%} prediction interval of one sample is the "
        "mean ± factor √(member spread² + residual sd²), factor (conformal) and "
        "residual sd taken from the bin of predicted value in `card.json`. "
        f"The members alone (mean spread {part['member_spread']:.3f}) are far "
        "narrower: they speak of the mean of many pixels, not of one plot."
    )
    yield ""
    yield from markdown_table(
        ("held out together", "calibrated on other folds", "as shipped"),
        [
            (
                _remarked(science, kind),
                f"{found['interval_coverage']:.1%}",
                f"{found['shipped_coverage']:.1%}"
                if "shipped_coverage" in found
                else "-",
            )
            for kind, found in science["validation"].items()
        ],
    )
    yield ""
    yield "Where it does not hold 85 to 95 %:"
    yield ""
    yield from _uncovered(science)
    yield ""
    yield "![Observed against predicted, and residuals](validation.png)"
    yield ""


def _uncovered(science: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each kind of folds and each tenth with another coverage."""
    found = []
    for kind, part in science["validation"].items():
        title = _title(science, kind)
        found += [
            f"* {title}, all samples: {part[key]:.1%}"
            for key in ("interval_coverage", "shipped_coverage")
            if key in part and not is_covered(part[key])
        ]
        found += _uncovered_tenths(part["by_predicted"], f"{title}, predicted")
    main = science["validation"]["runs"]["by_observed"]
    of_observed = _uncovered_tenths(main, f"{_title(science, 'runs')}, observed")
    yield from found or ["* by kind of folds and by tenth of predicted value: nowhere"]
    yield from of_observed
    if of_observed:
        yield ""
        yield (
            "By tenth of *observed* value no interval around a prediction can keep to "
            "its level: what is extreme in its tenth lies on one side."
        )


def _uncovered_tenths(rows: list[Mapping[str, Any]], title: str) -> list[str]:
    if any(row["count"] < LEAST_IN_TENTH for row in rows):
        return [f"* {title}: tenths of {rows[-1]['count']} samples are too few to tell"]
    return [
        f"* {title} {row['low']:.3f} to {row['high']:.3f}: {row['coverage']:.1%}"
        for row in rows
        if not is_covered(row["coverage"])
    ]


def _title(science: Mapping[str, Any], kind: str) -> str:
    if kind == "runs":
        return grouping(science)
    part = science["validation"][kind]
    return str(part.get("title", OLD_TITLES.get(kind, kind)))


def _remarked(science: Mapping[str, Any], kind: str) -> str:
    remark = f" ({REMARKS[kind]})" if kind in REMARKS else ""
    return _title(science, kind) + remark


def _scores(row: Mapping[str, float]) -> tuple[str, ...]:
    return (
        f"{row['r2']:.3f}",
        f"{row['rmse']:.4f}",
        f"{row['bias']:+.4f}",
        f"{row['slope']:.3f}",
        f"{row['ccc']:.3f}",
    )


def markdown_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join('---' for _ in head)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
