"""Rules of calibration, from ``config/calibration.toml``."""

from __future__ import annotations

from pathlib import Path

from qhsink.config.parsing import parse_noun, read_toml
from qhsink.domain.calibration import CalibrationRules


def load_calibration_rules(project: Path) -> CalibrationRules:
    """Return the rules by which a map is calibrated to plots."""
    table = read_toml(project / "config" / "calibration.toml")
    return parse_noun(
        CalibrationRules, table.get("rules", {}), where="calibration.toml"
    )
