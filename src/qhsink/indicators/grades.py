"""Carbon-sink grades with class probabilities, and the dynamic state of units.

No official threshold was found (methodology F4): limits are reference quantiles of
one ecosystem type and everything here is labelled a proposal of this project.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qhsink.domain.errors import BadInput, Refusal
from qhsink.domain.indicator import Measure
from qhsink.indicators.interval import student_cdf

State = Literal["增强", "稳定", "减弱"]

LEAST_PROBABILITY = 0.5
"""Below this largest class probability no grade is given (methodology F4)."""

ERROR_TOO_WIDE = "not calibrated: error wide against the reference"
"""Flag of a grade whose density or rate is known too poorly for its probabilities."""

QUANTILES = (0.2, 0.4, 0.6, 0.8)
"""Reference quantiles that cut five grades."""


@dataclass(frozen=True, slots=True)
class SinkGrade:
    """Grade of one unit with the probability of every grade."""

    grade: int | None
    """1 (lowest) to 5 (highest); None where no class is likely enough."""
    probabilities: tuple[float, ...]
    """P(grade 1) to P(grade 5); their sum is 1."""


@dataclass(frozen=True, slots=True)
class UnitState:
    """Dynamic state of one unit among all judged together."""

    unit: str
    """Unit id."""
    state: State
    """增强 (stronger), 稳定 (no change shown) or 减弱 (weaker)."""
    z: float
    """Change over its standard error."""
    p: float
    """Two-sided p-value."""
    p_adjusted: float
    """After Benjamini and Hochberg over all units."""


def reference_limits(density: Sequence[float], *, least: int = 30) -> tuple[float, ...]:
    """Return the four limits between grades from reference units of one type.

    Parameters
    ----------
    density : sequence of float
        Carbon density or sink rate of reference units [t C ha-1 or per year].
    least : int
        Fewer reference units are refused.

    Raises
    ------
    Refusal
        With too few units, or with ties that leave a grade empty.
    """
    values = np.asarray(density, dtype=float)
    if values.size < least or not np.isfinite(values).all():
        raise Refusal(
            f"{values.size} reference units, {int(np.isfinite(values).sum())} finite",
            expected=f"at least {least}, all finite",
            remedy="Pool reference units of the same ecosystem type.",
        )
    limits = tuple(float(limit) for limit in np.quantile(values, QUANTILES))
    if len(set(limits)) < len(limits):
        raise Refusal(
            f"reference limits {limits}",
            expected="four distinct quantiles",
            remedy="Use a reference that varies, or fewer grades.",
        )
    return limits


def error_flags(
    components: Mapping[str, Measure],
    references: Mapping[str, Sequence[float]],
    *,
    most: float,
) -> tuple[str, ...]:
    """Return what speaks against the class probabilities of a unit.

    Parameters
    ----------
    components : mapping of str to Measure
        What the unit is graded by.
    references : mapping of str to sequence of float
        Values of the reference units, same names and units.
    most : float
        Standard error over the reference's standard deviation, above which class
        probabilities are surer than they are right.
    """
    wide = any(
        found.se > most * float(np.std(references[name], ddof=1))
        for name, found in components.items()
    )
    return (ERROR_TOO_WIDE,) if wide else ()


def sink_grade(
    density: Measure, limits: Sequence[float], *, df: float = float("inf")
) -> SinkGrade:
    """Return the probability of each of five grades and the grade, if one is likely.

    P(grade j) = P(q_j < D <= q_j+1) under Student's t about the density.

    Parameters
    ----------
    density : Measure
        Carbon density of the unit, same unit as ``limits``.
    limits : sequence of four floats
        From ``reference_limits`` of the same ecosystem type.
    df : float
        Degrees of freedom of the standard error.

    Raises
    ------
    BadInput
        When there are not four ascending limits.
    """
    if len(limits) != len(QUANTILES) or list(limits) != sorted(set(limits)):
        raise BadInput(
            f"limits {tuple(limits)}",
            expected="four ascending numbers",
            remedy="Take them from reference_limits.",
        )
    if density.se == 0.0:
        below = [float(density.value <= limit) for limit in limits]
    else:
        below = [
            student_cdf((limit - density.value) / density.se, df) for limit in limits
        ]
    edges = np.array([0.0, *below, 1.0])
    chances = tuple(float(chance) for chance in np.diff(edges))
    best = int(np.argmax(chances))
    likely = chances[best] >= LEAST_PROBABILITY
    return SinkGrade(best + 1 if likely else None, chances)


def adjusted_p_values(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return p-values adjusted by Benjamini and Hochberg (1995), in the given order.

    Rejecting where the adjusted value is at most q controls the false discovery rate
    at q for independent (or positively dependent) tests.

    Raises
    ------
    BadInput
        When a p-value is outside 0..1.
    """
    p = np.asarray(p_values, dtype=float)
    if p.size == 0:
        return ()
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise BadInput(
            f"p-values {tuple(p_values)}",
            expected="numbers between 0 and 1",
            remedy="Leave units without a test out.",
        )
    order = np.argsort(p, kind="stable")
    scaled = p[order] * p.size / np.arange(1, p.size + 1)
    smallest = np.minimum.accumulate(scaled[::-1])[::-1]
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(smallest, 1.0)
    return tuple(float(value) for value in adjusted)


def dynamic_states(
    changes: dict[str, Measure], *, fdr: float = 0.1, df: float = float("inf")
) -> tuple[UnitState, ...]:
    """Return 增强, 稳定 or 减弱 for every unit, judged together.

    A unit has changed where its two-sided p-value, adjusted over all units, is at
    most ``fdr``; 稳定 means that no change was shown, not that there was none.

    Parameters
    ----------
    changes : dict of str to Measure
        Change between two dates per unit, its error with their covariance.
    fdr : float
        False discovery rate over the units.
    df : float
        Degrees of freedom of the standard errors.

    Raises
    ------
    Refusal
        When a change has no standard error to be judged by.
    """
    for unit, change in changes.items():
        if change.se == 0.0:
            raise Refusal(
                f"change of {unit} with standard error 0",
                expected="an error that holds the covariance of the two dates",
                remedy="Estimate both dates from one sample or one set of members.",
            )
    scores = [change.value / change.se for change in changes.values()]
    p_values = [min(2.0 * student_cdf(-abs(z), df), 1.0) for z in scores]
    adjusted = adjusted_p_values(p_values)
    rows = zip(changes, scores, p_values, adjusted, strict=True)
    return tuple(
        UnitState(unit, _state(z, q <= fdr), z, p, q) for unit, z, p, q in rows
    )


def _state(z: float, changed: bool) -> State:
    if not changed:
        return "稳定"
    return "增强" if z > 0.0 else "减弱"
