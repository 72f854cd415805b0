"""How regressors are trained, from ``config/training.toml``."""

from __future__ import annotations

from pathlib import Path

from qhsink.config.parsing import parse_noun, read_toml
from qhsink.domain.training_rules import TrainingRules


def load_training_rules(project: Path) -> TrainingRules:
    """Return what a training that chooses its settings tries."""
    table = read_toml(project / "config" / "training.toml")
    return parse_noun(TrainingRules, table.get("train", {}), where="training.toml")
