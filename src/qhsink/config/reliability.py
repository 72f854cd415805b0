"""Rules of intervals, from ``config/intervals.toml``."""

from __future__ import annotations

from pathlib import Path

from qhsink.config.parsing import parse_noun, read_toml
from qhsink.domain.reliability import IntervalRules


def load_interval_rules(project: Path) -> IntervalRules:
    """Return the rules by which an interval is flagged."""
    table = read_toml(project / "config" / "intervals.toml")
    return parse_noun(IntervalRules, table.get("rules", {}), where="intervals.toml")
