"""What a validation case is, and how the table commands are run for one."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from click.testing import CliRunner

from qhsink.cli.estimate import estimate

PROJECT = Path(__file__).resolve().parents[1]
CASES = PROJECT.parent / "shared" / "cases"

SOFTWARE = 1e-7
"""Relative tolerance against figures of other software."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number beside ours."""

    quantity: str
    """What it is, with its unit."""
    theirs: float
    """The published number."""
    ours: float
    """What qhsink gives."""
    digits: float = 0.0
    """Half a unit of the last printed digit; 0 for software, compared at 1e-7."""

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the tolerance."""
        gap = abs(self.ours - self.theirs)
        if self.digits:
            return gap <= self.digits * (1.0 + 1e-9)
        return gap <= SOFTWARE * abs(self.theirs)


@dataclass(frozen=True, slots=True)
class Case:
    """A published example, worked by us."""

    title: str
    """Heading."""
    source: str
    """Where the numbers come from."""
    figures: tuple[Figure, ...]
    """Comparisons."""
    remark: str = ""
    """What a reader should know."""


def read(case: str, file: str = "expected.json") -> Any:
    """Return a case file: JSON as objects, CSV as a frame."""
    path = CASES / case / file
    if path.suffix == ".csv":
        return pd.read_csv(path)
    return json.loads(path.read_text(encoding="utf-8"))


def ask(command: str, sample: pd.DataFrame, *options: Any, **tables: str) -> Any:
    """Run ``qhsink estimate COMMAND`` on tables; return its JSON."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        sample.to_csv(place / "sample.csv", index=False)
        words = [command, "--sample", str(place / "sample.csv"), *map(str, options)]
        for name, text in tables.items():
            (place / f"{name}.csv").write_text(text, encoding="utf-8")
            words += [f"--{name.replace('_', '-')}", str(place / f"{name}.csv")]
        result = CliRunner().invoke(estimate, [*words, "--json", str(place / "out")])
        if result.exception:
            raise result.exception
        return json.loads((place / "out").read_text(encoding="utf-8"))


def total(sample: pd.DataFrame, *options: Any, **tables: str) -> dict[str, Any]:
    """Return the only row of ``qhsink estimate total``."""
    row: dict[str, Any] = ask("total", sample, *options, **tables)["estimates"][0]
    return row


def sizes(units: dict[str, float], area: float | None = None) -> str:
    """Return a strata table."""
    head = "stratum,units" + (",unit_area_ha" if area else "")
    tail = f",{area}" if area else ""
    rows = (f"{name},{float(size)!r}{tail}" for name, size in units.items())
    return "\n".join([head, *rows]) + "\n"
