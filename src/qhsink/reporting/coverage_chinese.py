"""The trial's notes, and what each interval holds, in both languages.

The Chinese lies beside the template; the English is in ``coverage_words``, names of
modes in ``coverage_names``. A remark not known in Chinese is shown in English alone.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TypedDict, cast

from qhsink.reporting.coverage_words import NOTES, REMARKS
from qhsink.reporting.wording import Words

_FILE = Path(__file__).parent / "templates" / "coverage_zh.toml"


class ChineseWords(TypedDict):
    """What the file holds."""

    notes: list[str]
    """In the order of ``NOTES``."""
    remarks: dict[str, str]
    """By the mode's English name."""


@cache
def chinese_words() -> ChineseWords:
    """Return the Chinese words of the trial, read once."""
    found = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return cast("ChineseWords", found)


def bilingual_notes() -> tuple[Words, ...]:
    """Return the notes in both languages."""
    pairs = zip(chinese_words()["notes"], NOTES, strict=True)
    return tuple(Words(zh, en) for zh, en in pairs)


def bilingual_remarks(modes: Iterable[str]) -> Mapping[str, Words]:
    """Return what the intervals of ``modes`` hold, in the order of ``REMARKS``."""
    known, asked = chinese_words()["remarks"], set(modes)
    return {
        mode: Words(known.get(mode, ""), remark)
        for mode, remark in REMARKS.items()
        if mode in asked
    }
