"""A measured part of a page of docs, between two markers that name it."""

from __future__ import annotations

from pathlib import Path


def replace_part(page: Path, name: str, text: str) -> None:
    """Replace what stands between the markers of ``name`` in ``page``.

    Raises
    ------
    ValueError
        When a marker is missing.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    head, found, rest = page.read_text("utf-8").partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        message = f"{page.name} without {begin} and {end}"
        raise ValueError(message)
    page.write_text(f"{head}{begin}\n{text}\n{end}{tail}", encoding="utf-8")
