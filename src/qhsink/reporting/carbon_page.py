"""A carbon record -> one self-contained bilingual HTML page. No arithmetic here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from qhsink.reporting.carbon_words import (
    ecosystem_words,
    left_out_words,
    mass_words,
    pool_words,
    source_words,
    spread_words,
    warning_in_chinese,
)
from qhsink.reporting.tornado import tornado


def write_carbon_page(record: Mapping[str, Any], path: Path) -> None:
    """Write the page of a carbon record (``steps.carbon_record``)."""
    path.write_text(render_carbon_page(record), encoding="utf-8", newline="\n")


def render_carbon_page(record: Mapping[str, Any]) -> str:
    """Return the page of a carbon record."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("qhsink.reporting", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
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
    style = Path(__file__).parent / "templates" / "page.css"
    text: str = environment.get_template("carbon.html.j2").render(
        r=record,
        simulated=record["provenance"] == "simulated",
        style=Markup(style.read_text(encoding="utf-8")),  # noqa: S704 - our own file
        chart=tornado(record["contributions"], centre=record["carbon_t"]),
    )
    return text


def _share_text(share: float) -> str:
    return f"{100 * share:.1f} %"
