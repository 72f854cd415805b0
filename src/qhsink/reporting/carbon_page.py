"""A carbon record -> one self-contained bilingual HTML page. No arithmetic here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qhsink.reporting.carbon_words import (
    ecosystem_words,
    left_out_words,
    mass_words,
    pool_words,
    source_words,
    spread_words,
    warning_in_chinese,
)
from qhsink.reporting.templating import page_environment, page_style
from qhsink.reporting.tornado import tornado


def write_carbon_page(record: Mapping[str, Any], path: Path) -> None:
    """Write the page of a carbon record (``steps.carbon_record``)."""
    path.write_text(render_carbon_page(record), encoding="utf-8", newline="\n")


def render_carbon_page(record: Mapping[str, Any]) -> str:
    """Return the page of a carbon record."""
    environment = page_environment()
    environment.filters |= {
        "mass": mass_words,
        "spread_of": spread_words,
        "share": _share_text,
        "ecosystem": ecosystem_words,
        "pools": pool_words,
        "left_out": left_out_words,
        "source_name": source_words,
        "warning_zh": warning_in_chinese,
    }
    text: str = environment.get_template("carbon.html.j2").render(
        r=record,
        simulated=record["provenance"] == "simulated",
        style=page_style(),
        chart=tornado(record["contributions"], centre=record["carbon_t"]),
    )
    return text


def _share_text(share: float) -> str:
    return f"{100 * share:.1f} %"
