"""Options that several commands share, so that each of them reads and checks alike.

What one command alone takes stays beside it.
"""

from __future__ import annotations

from pathlib import Path

import click

FILE = click.Path(dir_okay=False, path_type=Path)
"""A file, there or to be written."""
POSITIVE = click.FloatRange(min=0, min_open=True)
"""A number above zero."""
CONFIDENCE = click.option(
    "--confidence",
    type=click.FloatRange(0.5, 1, min_open=True, max_open=True),
    default=0.90,
    show_default=True,
    help="Of the two-sided interval.",
)
SEED = click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="The same seed gives the same result.",
)
SIMULATED = click.option(
    "--simulated",
    is_flag=True,
    help="The table holds simulated data: every number is marked.",
)
JSON = click.option(
    "--json",
    "json_path",
    type=FILE,
    help="Write the result here; - for standard output.",
)
MONTH = click.option("--month", required=True, metavar="YYYY-MM", help="Of the plots.")


def for_people(json_path: Path | None) -> bool:
    """Return whether text is printed: not where ``--json -`` takes the terminal."""
    return str(json_path) != "-"
