"""A run's record -> one self-contained bilingual HTML page.

The page loads nothing: style and pictures are inside, there is no script, and its
own content policy forbids the rest. Words are in ``wording``, numbers in ``digits``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from qhsink.domain.region import Region
from qhsink.reporting import (
    digits,
    figures,
    layout,
    reasons,
    translations,
    wording,
)
from qhsink.reporting.field_names import field_words
from qhsink.reporting.grouping import count_outcomes
from qhsink.reporting.intervals import interval_charts
from qhsink.reporting.record import RegionPicture, ReportRow, RunReport

_KEPT_CONTROLS = "\t\n"
_DROPPED = ("Cc", "Cf", "Cs")
"""Unicode categories: control, format (bidirectional marks), lone surrogates."""


@dataclass(frozen=True, slots=True)
class _Refused:
    row: ReportRow
    regions: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class _Maps:
    region: Region
    picture: RegionPicture
    cover: str
    small: tuple[tuple[str, str], ...]
    rows: tuple[ReportRow, ...]


def write_page(report: RunReport, path: Path) -> None:
    """Write ``report`` as one HTML file that opens without any network.

    Parameters
    ----------
    report : RunReport
        All that the page says.
    path : Path
        File to write; its folder must exist.
    """
    path.write_text(render_page(report), encoding="utf-8", newline="\n")


def render_page(report: RunReport) -> str:
    """Return the page of ``report``: the same text for the same record."""
    templates = _templates()
    given = [row for row in report.rows if row.estimate is not None]
    levels = sorted({r.estimate.confidence for r in given if r.estimate})
    level = " / ".join(digits.level_text(c) for c in levels)
    text: str = templates.get_template("page.html.j2").render(
        report=report,
        simulated=report.provenance == "simulated",
        style=Markup(_template_text("page.css")),  # noqa: S704 - our own file
        given=given,
        refused=_refused(report.rows),
        counts=count_outcomes(report.rows),
        level=level,
        turn_high=" / ".join(digits.level_text((1 + c) / 2) for c in levels),
        turn_low=" / ".join(digits.level_text((1 - c) / 2) for c in levels),
        targets=list(
            {r.verdict.target.id: r.verdict for r in given if r.verdict}.values()
        ),
        level_zh=f"（{level}）" if level else "",
        level_en=f" at {level}" if level else "",
        charts=interval_charts(report.rows),
        maps=_maps(report),
        names={row.indicator_id: row for row in report.rows},
        modes=list(dict.fromkeys(r.estimate.mode for r in given if r.estimate)),
        flags=list(
            dict.fromkeys(f for r in given if r.estimate for f in r.estimate.flags)
        ),
        used=sum(scene.used for scene in report.scenes),
    )
    return text.lstrip()


def _outcome(row: ReportRow) -> wording.OutcomeWords:
    if row.verdict is None and row.refusal:
        return wording.UNJUDGED["refused"]
    return wording.outcome_words(row.verdict)


def _domain(card: Mapping[str, Any]) -> str:
    science = card.get("science")
    domain = science.get("domain") if isinstance(science, Mapping) else None
    return translations.domain_in_chinese(domain) if isinstance(domain, str) else ""


def _refused(rows: Sequence[ReportRow]) -> list[_Refused]:
    """Gather regions that lack one indicator for one and the same reason."""
    groups: dict[tuple[str, str | None, str], list[ReportRow]] = {}
    for row in rows:
        if row.estimate is None:
            key = (row.indicator_id, row.refusal, row.refusal_zh)
            groups.setdefault(key, []).append(row)
    return [
        _Refused(group[0], tuple(row.region for row in group))
        for group in groups.values()
    ]


def _maps(report: RunReport) -> list[_Maps]:
    regions = {region.id: region for region in report.regions}
    simulated = report.provenance == "simulated"
    maps = []
    for picture in report.pictures:
        draw = {
            "spread": figures.spread_picture(picture, simulated=simulated),
            "count": figures.count_picture(picture, simulated=simulated),
            "quality": figures.quality_picture(picture, simulated=simulated),
        }
        maps.append(
            _Maps(
                regions[picture.region_id],
                picture,
                _uri(figures.cover_picture(picture, simulated=simulated)),
                tuple((k, _uri(png)) for k, png in draw.items() if png),
                tuple(r for r in report.rows if r.region.id == picture.region_id),
            )
        )
    return maps


def _uri(png: bytes) -> Markup:
    # Base64 holds nothing to escape, and is long: it is not searched for controls.
    return Markup(figures.data_uri(png))  # noqa: S704 - no reader's text in it


def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("qhsink.reporting", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_clean,
    )
    environment.filters |= {
        "estimate": digits.estimate_text,
        "interval": digits.interval_text,
        "level": digits.level_text,
        "share": digits.share_text,
        "outside": digits.outside_text,
        "probability": digits.probability_text,
        "ha": digits.hectares_text,
        "wan_ha": digits.wan_hectares_text,
        "gap": digits.gap_text,
        "outcome": _outcome,
        "mode": wording.mode_words,
        "flag": wording.flag_words,
        "reason": reasons.reason_kind,
        "reason_zh": reasons.reason_in_chinese,
        "source_zh": translations.source_in_chinese,
        "licence_zh": translations.licence_in_chinese,
        "note_zh": translations.note_in_chinese,
        "rule_zh": translations.rule_in_chinese,
        "scene_note_zh": translations.scene_note_in_chinese,
        "domain_zh": _domain,
        "field": field_words,
        "scalar": layout.scalar_text,
        "form": layout.form_of,
        "summary": layout.card_summary,
    }
    environment.globals |= {
        "plain": digits.plain_text,
        "status_words": wording.STATUS,
        "boundary_words": wording.REGION_STATUS,
        "kind_words": wording.REGION_KIND,
        "definition_words": wording.DEFINITION_STATUS,
        "limits": wording.LIMITS,
        "quality_classes": figures.QUALITY_CLASSES,
    }
    return environment


def _clean(value: Any) -> Any:
    """Drop control characters: they break the page or turn text around."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join(
        sign
        for sign in value
        if sign in _KEPT_CONTROLS or unicodedata.category(sign) not in _DROPPED
    )


def _template_text(name: str) -> str:
    folder = Path(__file__).parent / "templates"
    return (folder / name).read_text(encoding="utf-8")
