"""Known English texts of other parts for Chinese readers.

Notes and sources of regions, notes and rules of scenes, domains of models are written
once, in English, where they arise. The figures in the Chinese text are taken from
them, never looked up again. A text that is not known here gives an empty string, and
is shown as it came.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

_FILE = Path(__file__).parent / "templates" / "chinese.toml"

_SIMULATED = (
    "SIMULATED TRAINING DATA: what this model says about any real place is unknown. "
)
_SIMULATED_ZH = "训练数据为模拟数据，模型对任何真实区域的可靠性均未知。"
_TWIN_DOMAIN = (
    r"the simulated country of the twin in (?P<year>\d{4}), (?P<names>.+), peak-season "
    r"composites at (?P<pixel>[\d.]+) m\."
)
_SOURCE = (
    r"Polygon: (?P<union>union or clip of )?(?P<origin>.+?)\."
    r"(?: Stated area: (?P<stated>.+?)\.)?(?: (?P<more>The Tianditu polygon .+))?"
)

_Table = Sequence[Mapping[str, str]]


@cache
def _tables() -> Mapping[str, _Table]:
    tables: dict[str, list[dict[str, str]]] = tomllib.loads(
        _FILE.read_text(encoding="utf-8")
    )
    return tables


def source_in_chinese(source: str) -> str:
    """Return a region's source in Chinese; empty when it is not known."""
    found = re.fullmatch(_SOURCE, source)
    origin = _match("source", found["origin"]) if found else ""
    if found is None or not origin:
        return ""
    text = f"多边形：{origin}{'（合并或裁切）' if found['union'] else ''}。"
    if found["stated"]:
        text += f"公布面积：{_stated(found['stated'])}。"
    if found["more"]:
        text += "天地图多边形较小：公布数含由外省管理的区域。"
    return text


def _stated(text: str) -> str:
    for entry in _tables()["stated"]:
        text = text.replace(entry["text"], entry["zh"])
    return text


def licence_in_chinese(licence: str) -> str:
    """Return a licence statement in Chinese; empty when it is not known."""
    return _look_up("licence", licence)


def definition_source_in_chinese(source: str) -> str:
    """Return where a definition comes from in Chinese; empty when it is not known."""
    return _look_up("definition_source", source)


def note_in_chinese(note: str) -> str:
    """Return a region's note in Chinese; empty unless all of it is known."""
    rest, told = note.strip(), ""
    while rest:
        said, length = _next_note(rest)
        if not said:
            return ""
        told, rest = told + said, rest[length:].strip()
    return told


def _next_note(text: str) -> tuple[str, int]:
    """Return the first note of a text in Chinese, and how long it was in English."""
    for entry in _tables()["note"]:
        if text.startswith(entry["text"]):
            return entry["zh"], len(entry["text"])
    for entry in _tables()["note_pattern"]:
        found = re.match(entry["pattern"], text)
        if found:
            groups = found.groupdict()
            if "county" in groups:
                groups["county"] = (
                    _look_up("county", groups["county"]) or groups["county"]
                )
            return entry["zh"].format(**groups), found.end()
    return "", 0


def scene_note_in_chinese(note: str) -> str:
    """Return why a scene was left out or doubted, in Chinese; empty when not known."""
    return _match("scene_note", note)


def rule_in_chinese(rule: str) -> str:
    """Return the rule of a scene's reflectance in Chinese; empty when not known."""
    found = re.fullmatch(r"sentinel-2 baseline (?P<baseline>\S+): (?P<rule>.+)", rule)
    said = _match("rule", found["rule"]) if found else ""
    return f"Sentinel-2 处理基线 {found['baseline']}：{said}" if found and said else ""


def domain_in_chinese(domain: str) -> str:
    """Return where a model may be trusted, in Chinese; empty when it is not known."""
    rest = domain.removeprefix(_SIMULATED)
    warned = _SIMULATED_ZH if rest != domain else ""
    found = re.fullmatch(_TWIN_DOMAIN, rest)
    if found:
        asked = found["names"].split(", ")
        names = [_look_up("ecosystem", name) or name for name in asked]
        return (
            f"{warned}适用于本项目模拟世界（{found['year']} 年）的{'、'.join(names)}，"
            f"生长盛期合成影像，像元 {found['pixel']} m。"
        )
    known = _look_up("domain", rest)
    return warned + known if known else ""


def _look_up(table: str, text: str) -> str:
    known = {entry["text"]: entry["zh"] for entry in _tables()[table]}
    return known.get(text, "")


def _match(table: str, text: str) -> str:
    for entry in _tables()[table]:
        found = re.fullmatch(entry["pattern"], text)
        if found:
            return entry["zh"].format(**found.groupdict())
    return ""
