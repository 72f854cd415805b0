"""A carbon record -> one self-contained bilingual HTML page. No arithmetic here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from qhsink.reporting.figures import data_uri
from qhsink.reporting.tornado import Bar, tornado_png
from qhsink.reporting.wording import Words

POOLS = {
    "above-ground": "地上生物量",
    "below-ground": "地下生物量",
    "dead wood": "枯死木",
    "litter": "枯落物",
    "soil": "土壤有机碳",
}
"""Chinese names of the pools."""

ECOSYSTEMS = {
    "grassland": "草原",
    "alpine_meadow": "高寒草甸",
    "alpine_steppe": "高寒草原",
    "shrubland": "灌丛",
    "picea": "云杉林",
    "abies": "冷杉林",
    "sabina": "圆柏林",
    "larix": "落叶松林",
    "pinus_tabuliformis": "油松林",
    "betula": "桦木林",
    "populus": "杨树林",
    "mixed_forest": "混交林",
    "forest": "森林",
}
"""Chinese names of the ecosystems; another is shown by its id."""

_MT = 1e6


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
    environment.filters["amount"] = amount_text
    environment.filters["share"] = _share_text
    environment.filters["ecosystem"] = ecosystem_words
    environment.filters["pools"] = pool_words
    environment.filters["left_out"] = left_out_words
    folder = Path(__file__).parent / "templates"
    style = (folder / "page.css").read_text(encoding="utf-8")
    text: str = environment.get_template("carbon.html.j2").render(
        r=record,
        simulated=record["provenance"] == "simulated",
        style=Markup(style),  # noqa: S704 - our own file
        tornado=Markup(data_uri(_tornado(record))),  # noqa: S704 - base64
    )
    return text


def amount_text(tonnes: float) -> str:
    """Return a mass with a unit that keeps it readable."""
    if abs(tonnes) >= 0.1 * _MT:
        return f"{tonnes / _MT:,.3f} Mt"
    return f"{tonnes:,.1f} t"


def _share_text(share: float) -> str:
    return f"{100 * share:.1f} %"


def ecosystem_words(name: str) -> Words:
    """Return an ecosystem in both languages."""
    return Words(ECOSYSTEMS.get(name, name), name.replace("_", " "))


def pool_words(pools: str) -> Words:
    """Return pools joined by ``+`` in both languages."""
    zh = "、".join(POOLS.get(pool, pool) for pool in pools.split(" + "))
    return Words(zh, pools)


def left_out_words(entry: str) -> Words:
    """Return ``ecosystem: pool`` in both languages."""
    ecosystem, _, pool = entry.partition(": ")
    return Words(
        f"{ecosystem_words(ecosystem).zh}：{POOLS.get(pool, pool)}",
        f"{ecosystem_words(ecosystem).en}: {pool}",
    )


def _tornado(record: Mapping[str, Any]) -> bytes:
    scale, unit = (_MT, "Mt C") if record["carbon_t"] >= 0.1 * _MT else (1.0, "t C")
    bars = [
        Bar(row["name"], row["total"], row["low"] / scale, row["high"] / scale)
        for row in record["contributions"]
    ]
    return tornado_png(
        bars,
        centre=record["carbon_t"] / scale,
        unit=unit,
        simulated=record["provenance"] == "simulated",
    )
