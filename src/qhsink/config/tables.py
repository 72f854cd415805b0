"""Tables of nouns in ``config/``: targets, indicators, factors, official figures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from qhsink.config.parsing import by_id, parse_noun, parse_nouns, read_toml
from qhsink.domain.carbon import (
    Band,
    DeductionSchedule,
    Factor,
    FactorChoice,
    FactorTable,
)
from qhsink.domain.errors import ConfigError
from qhsink.domain.estimate import Target
from qhsink.domain.indicator import (
    ForestRule,
    GradeScale,
    Indicator,
    OfficialStatistic,
)


def load_targets(project: Path) -> tuple[Target, ...]:
    """Return the dated targets of ``config/targets.toml``."""
    table = read_toml(project / "config" / "targets.toml")
    optional = {"value": None, "baseline_value": None, "baseline_year": None}
    entries = [optional | entry for entry in table.get("target", [])]
    targets = parse_nouns(Target, {"target": entries}, "target", where="targets.toml")
    for target in targets:
        _check_validity(target)
    return tuple(by_id(targets, where="targets.toml").values())


def load_indicators(project: Path) -> Mapping[str, Indicator]:
    """Return the definitions of ``config/indicators.toml`` by id."""
    table = read_toml(project / "config" / "indicators.toml")
    return by_id(
        parse_nouns(Indicator, table, "indicator", where="indicators.toml"),
        where="indicators.toml",
    )


def load_factors(project: Path, *, file: Path | None = None) -> FactorTable:
    """Return the conversion factors of ``config/factors.toml``."""
    table = read_toml(file or project / "config" / "factors.toml")
    factors = parse_nouns(Factor, table, "factor", where="factors.toml")
    return FactorTable(tuple(by_id(factors, where="factors.toml").values()))


def load_bands(project: Path, *, file: Path | None = None) -> tuple[Band, ...]:
    """Return the plausibility bands of ``config/factors.toml``."""
    table = read_toml(file or project / "config" / "factors.toml")
    return parse_nouns(Band, table, "band", where="factors.toml")


def load_deductions(
    project: Path, *, file: Path | None = None
) -> Mapping[str, DeductionSchedule]:
    """Return the deduction schedules of ``config/factors.toml`` by id."""
    table = read_toml(file or project / "config" / "factors.toml")
    schedules = parse_nouns(DeductionSchedule, table, "deduction", where="factors.toml")
    return by_id(schedules, where="factors.toml")


def load_factor_choices(
    project: Path, *, file: Path | None = None
) -> Mapping[str, FactorChoice]:
    """Return which factors each ecosystem uses, by ecosystem."""
    table = read_toml(file or project / "config" / "factors.toml")
    choices = parse_nouns(FactorChoice, table, "recipe", where="factors.toml")
    return by_id(choices, where="factors.toml")


def load_official(project: Path) -> tuple[OfficialStatistic, ...]:
    """Return the official statistics of ``config/official.toml``."""
    table = read_toml(project / "config" / "official.toml")
    return parse_nouns(OfficialStatistic, table, "statistic", where="official.toml")


def load_grades(project: Path) -> Mapping[str, GradeScale]:
    """Return the grade scales of ``config/strata.toml`` by id."""
    table = read_toml(project / "config" / "strata.toml")
    scales = parse_nouns(GradeScale, table, "grades", where="strata.toml")
    return by_id(scales, where="strata.toml")


def load_forest_rules(project: Path) -> Mapping[str, ForestRule]:
    """Return ``forest_national`` and ``forest_fao`` of ``config/strata.toml``."""
    table = read_toml(project / "config" / "strata.toml")
    return {
        name: parse_noun(ForestRule, table.get(name, {}), where=f"strata.toml [{name}]")
        for name in ("forest_national", "forest_fao")
    }


def _check_validity(target: Target) -> None:
    try:
        ordered = date.fromisoformat(target.valid_from) <= date.fromisoformat(
            target.valid_to
        )
    except ValueError:
        ordered = False
    if not ordered:
        raise ConfigError(
            f"targets.toml [[target]] {target.id}: valid from {target.valid_from!r} "
            f"to {target.valid_to!r}",
            expected="two dates in order, each as YYYY-MM-DD",
            remedy="Correct valid_from or valid_to.",
        )
