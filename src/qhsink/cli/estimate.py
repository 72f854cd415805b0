"""``qhsink estimate``: the group; every command has a module of its own.

Each reads tables or a finished run, prints text and writes JSON: a verifier needs no
imagery for the former. The estimators are in ``qhsink.estimation``.
"""

from __future__ import annotations

import click

from qhsink.cli.calibrate import calibrated
from qhsink.cli.estimate_area import area
from qhsink.cli.estimate_change import change
from qhsink.cli.estimate_hybrid import hybrid
from qhsink.cli.estimate_model import model
from qhsink.cli.estimate_region import region
from qhsink.cli.estimate_small_area import small_area
from qhsink.cli.estimate_total import total
from qhsink.cli.groups import PurposeGroup


@click.group(cls=PurposeGroup)
def estimate() -> None:
    """Turn reference samples into numbers with defensible intervals."""


for command in (area, total, region, small_area, change, model, hybrid, calibrated):
    estimate.add_command(command)
