"""A run's record -> one self-contained bilingual HTML page.

The page loads nothing: style and pictures are inside, there is no script, and its
own content policy forbids the rest. Words are in ``wording``, numbers in ``digits``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
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
    sentences,
    translations,
    wording,
)
from qhsink.reporting.field_names import field_words
from qhsink.reporting.grouping import (
    by_region,
    count_outcomes,
    flag_numbers,
    refusals,
)
from qhsink.reporting.intervals import interval_charts
from qhsink.reporting.record import RegionPicture, ReportRow, RunReport
from qhsink.reporting.templating import page_environment, page_style

_KEPT_CONTROLS = "\t\n"
_BEIJING = timezone(timedelta(hours=8))
_MAPPED = ("fvc_peak", "fvc_month")
"""Indicators that a picture of vegetation cover shows."""
_DROPPED = ("Cc", "Cf", "Cs")
"""Unicode categories: control, format (bidirectional marks), lone surrogates."""


@dataclass(frozen=True, slots=True)
class _Maps:
    region: Region
    picture: RegionPicture
    figures: tuple[tuple[str, str], ...]
    sizes: tuple[ReportRow, ...]


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
    given = [row for row in report.rows if row.estimate is not None]
    estimates = [row.estimate for row in given if row.estimate is not None]
    levels = sorted({estimate.confidence for estimate in estimates})
    judged = [row for row in given if row.verdict]
    groups = refusals(report.rows)
    text: str = (
        _templates()
        .get_template("page.html.j2")
        .render(
            report=report,
            simulated=report.provenance == "simulated",
            style=page_style(),
            given=given,
            partly=len({estimate.provenance for estimate in estimates}) > 1,
            statuses=list(dict.fromkeys(estimate.status for estimate in estimates)),
            regions=by_region(report.rows),
            refused=groups,
            letters={
                (row.region.id, row.indicator_id): group.letter
                for group in groups
                for row in group.rows
            },
            counts=count_outcomes(report.rows),
            level=" / ".join(digits.level_text(c) for c in levels),
            turn_high=" / ".join(digits.level_text((1 + c) / 2) for c in levels),
            turn_low=" / ".join(digits.level_text((1 - c) / 2) for c in levels),
            targets=list(
                {r.verdict.target.id: r.verdict for r in judged if r.verdict}.values()
            ),
            charts=interval_charts(judged),
            maps=_maps(report),
            names={row.indicator_id: row for row in report.rows},
            notes_zh={d.note: d.note_zh for d in report.definitions if d.note_zh},
            cards=[c for c in (report.model_card, *report.further_cards) if c],
            records=_records_by_model(report.run),
            modes=list(dict.fromkeys(estimate.mode for estimate in estimates)),
            flags=flag_numbers(report.rows),
            rules=_numbered(scene.offset_rule for scene in report.scenes),
            used=sum(scene.used for scene in report.scenes),
        )
    )
    return text.lstrip()


def _records_by_model(run: Mapping[str, Any]) -> dict[str, Mapping[str, str] | None]:
    """Return the record of residuals of each target's model; None where it has none."""
    models = run.get("further_models", {})
    records = run.get("residual_records", {})
    return {models[target]["id"]: record for target, record in records.items()}


def _numbered(texts: Iterable[str]) -> dict[str, int]:
    """Return each text once, numbered from 1 in the order they come."""
    return {text: n for n, text in enumerate(dict.fromkeys(texts), start=1)}


def _outcome(row: ReportRow) -> wording.OutcomeWords:
    if row.verdict is None and row.refusal:
        return wording.UNJUDGED["refused"]
    return wording.outcome_words(row.verdict)


def _domain(card: Mapping[str, Any]) -> str:
    science = card.get("science")
    domain = science.get("domain") if isinstance(science, Mapping) else None
    return translations.domain_in_chinese(domain) if isinstance(domain, str) else ""


def _maps(report: RunReport) -> list[_Maps]:
    regions = {region.id: region for region in report.regions}
    simulated = report.provenance == "simulated"
    maps = []
    for picture in report.pictures:
        draw = {
            "cover": figures.cover_picture(picture, simulated=simulated),
            "quality": figures.quality_picture(picture, simulated=simulated),
            "spread": figures.spread_picture(picture, simulated=simulated),
            "count": figures.count_picture(picture, simulated=simulated),
        }
        maps.append(
            _Maps(
                regions[picture.region_id],
                picture,
                tuple((k, _uri(png)) for k, png in draw.items() if png),
                tuple(
                    row
                    for row in report.rows
                    if row.region.id == picture.region_id
                    and row.indicator_id in _MAPPED
                ),
            )
        )
    return maps


def _refusal_zh(row: ReportRow, notes: Mapping[str, str]) -> str:
    """Return the reason in Chinese, with what to do where the definition says it."""
    reason = row.refusal or ""
    said = row.refusal_zh or reasons.reason_in_chinese(reason)
    remedy = next((zh for note, zh in notes.items() if reason.endswith(note)), "")
    return said + remedy if said else ""


def _when(text: str) -> str:
    """Return an ISO time for people: ``2026-01-05 03:00 UTC+8``."""
    try:
        local = datetime.fromisoformat(text).astimezone(_BEIJING)
    except ValueError:
        return text
    return f"{local:%Y-%m-%d %H:%M} UTC+8"


def _uri(png: bytes) -> Markup:
    # Base64 holds nothing to escape, and is long: it is not searched for controls.
    return Markup(figures.data_uri(png))  # noqa: S704 - no reader's text in it


def _templates() -> jinja2.Environment:
    environment = page_environment()
    environment.finalize = _clean
    environment.filters |= {
        "estimate": digits.estimate_text,
        "estimate_zh": digits.chinese_estimate_text,
        "interval": digits.interval_text,
        "interval_zh": digits.chinese_interval_text,
        "relative": digits.relative_text,
        "period": sentences.period_words,
        "sentence": sentences.verdict_sentence,
        "when": _when,
        "odds": lambda text: text if text[0] in "<>" else f"= {text}",
        "level": digits.level_text,
        "share": digits.share_text,
        "outside": digits.outside_text,
        "probability": digits.probability_text,
        "ha": digits.hectares_text,
        "wan_ha": digits.wan_hectares_text,
        "gap": digits.gap_text,
        "outcome": _outcome,
        "mode": wording.mode_words,
        "brief_mode": wording.brief_mode_words,
        "flag": wording.flag_words,
        "flag_note": wording.flag_note,
        "reason": reasons.reason_kind,
        "refusal_zh": _refusal_zh,
        "source_zh": translations.source_in_chinese,
        "definition_source_zh": translations.definition_source_in_chinese,
        "licence_zh": translations.licence_in_chinese,
        "note_zh": translations.note_in_chinese,
        "rule_zh": translations.rule_in_chinese,
        "scene_note_zh": translations.scene_note_in_chinese,
        "domain_zh": _domain,
        "field": field_words,
        "scalar": layout.scalar_text,
        "form": layout.form_of,
        "scores": layout.card_scores,
    }
    environment.globals |= {
        "plain": digits.plain_text,
        "plain_zh": digits.chinese_plain_text,
        "status_words": wording.STATUS,
        "boundary_words": wording.REGION_STATUS,
        "kind_words": wording.REGION_KIND,
        "definition_words": wording.DEFINITION_STATUS,
        "limits": wording.LIMITS,
        "quality_classes": figures.QUALITY_CLASSES,
        "picture_names": wording.PICTURES,
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
