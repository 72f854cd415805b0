"""Monte Carlo propagation of uncertain inputs through a model.

An input is drawn once per member and shared by everything that uses it: a carbon
fraction that is too high is too high in every pool of that draw. Pure: the model is
a function, the seed is an argument. Sampling errors of estimates come in as inputs;
they are not computed here. How inputs are drawn is in ``draws``.

References
----------
JCGM 101:2008, Propagation of distributions using a Monte Carlo method; section 7.9
is the adaptive procedure. Saltelli et al. 2010, Comput. Phys. Commun. 181, 259 and
Jansen 1999 for the variance shares.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from qhsink.domain.carbon import Uncertain
from qhsink.domain.errors import Refusal
from qhsink.estimation.draws import Correlation, Floats, draw_members, quantile_at

Model = Callable[[Mapping[str, Floats]], Floats]
Statistics = tuple[float, float, float, float]

MIN_BATCHES = 5
"""JCGM 101 asks for two; five keep a lucky pair from ending the run."""


@dataclass(frozen=True, slots=True)
class Propagated:
    """Distribution of a model's output, with what the simulation itself adds."""

    mean: float
    """Mean of the draws."""
    se: float
    """Standard deviation of the draws."""
    low: float
    """Lower limit of the probabilistically symmetric interval."""
    high: float
    """Upper limit."""
    confidence: float
    """Level of the interval."""
    draws: int
    """Draws made."""
    numerical_error: float
    """Twice the standard error of the worst limit over batches, in output units."""
    tolerance: float
    """What ``numerical_error`` had to fall below, in output units."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one input adds to the variance of the output."""

    name: str
    """Input."""
    first_order: float
    """Share of the variance explained by this input alone."""
    total: float
    """Share including interactions; equals ``first_order`` in an additive model."""
    low: float
    """Output with this input at its lower 5 % point, the others at their means."""
    high: float
    """Output with this input at its upper 5 % point."""


def monte_carlo(
    model: Model,
    inputs: Sequence[Uncertain],
    *,
    seed: int,
    confidence: float = 0.95,
    tolerance: float = 0.01,
    batch_size: int = 10_000,
    max_batches: int = 400,
    correlation: Correlation | None = None,
) -> Propagated:
    """Propagate ``inputs`` through ``model`` until the limits have settled.

    Batches are added until twice the standard error (over batches) of the mean, the
    standard deviation and both limits is below ``tolerance`` times the half-width of
    the interval (JCGM 101 section 7.9, with a tolerance relative to the half-width
    instead of the last significant digit).

    Parameters
    ----------
    model : callable
        From draws by name, each of shape (n,), to outputs of shape (n,).
    inputs : sequence of Uncertain
        Sources of uncertainty.
    seed : int
        Equal seeds give equal results.
    confidence : float
        Level of the interval.
    tolerance : float
        Share of the half-width.
    batch_size, max_batches : int
        Draws per batch; at least ``MIN_BATCHES`` batches are made.
    correlation : mapping, optional
        As in ``draw_members``.

    Raises
    ------
    Refusal
        When the limits have not settled after ``max_batches``, or an output is not
        finite.
    """
    outputs: list[Floats] = []
    settled: list[Statistics] = []
    error, goal = math.inf, 0.0
    while error > goal or len(outputs) < MIN_BATCHES:
        if len(outputs) == max_batches:
            raise Refusal(
                f"limits known to {error:.3g} after {max_batches * batch_size} draws",
                expected=f"{goal:.3g}",
                remedy="Allow more batches or a wider tolerance.",
            )
        draws = draw_members(
            inputs,
            batch_size,
            seed=seed,
            batch=len(outputs),
            correlation=correlation,
        )
        outputs.append(_evaluate(model, draws, batch_size))
        settled.append(_statistics(outputs[-1], confidence))
        error, goal = _convergence(settled, tolerance)
    everything = np.concatenate(outputs)
    low, high = _limits(everything, confidence)
    return Propagated(
        mean=float(everything.mean()),
        se=float(everything.std(ddof=1)),
        low=low,
        high=high,
        confidence=confidence,
        draws=everything.size,
        numerical_error=error,
        tolerance=goal,
    )


def contributions(
    model: Model, inputs: Sequence[Uncertain], *, seed: int, draws: int = 16_384
) -> tuple[Contribution, ...]:
    """Return each input's share of the variance, largest first.

    First-order shares by Saltelli et al. 2010 (table 2, row b), total shares by
    Jansen 1999 (row f); inputs are taken as independent. Both are estimates from
    ``draws`` draws: a share near zero may come out slightly negative and is
    reported as it came.

    Parameters
    ----------
    model : callable
        As in ``monte_carlo``.
    inputs : sequence of Uncertain
        Independent sources.
    seed : int
        Equal seeds give equal results.
    draws : int
        Size of each of the two base samples.

    Raises
    ------
    Refusal
        When the output does not vary at all.
    """
    names = [u.name for u in inputs]
    first = draw_members(inputs, draws, seed=seed, batch=0)
    second = draw_members(inputs, draws, seed=seed, batch=1)
    at_first = _evaluate(model, first, draws)
    at_second = _evaluate(model, second, draws)
    variance = float(np.concatenate([at_first, at_second]).var())
    if variance == 0.0:
        raise Refusal(
            f"an output that does not vary with {', '.join(names)}",
            expected="at least one uncertain input",
            remedy="Give the inputs their standard errors.",
        )
    centre = float(np.concatenate([at_first, at_second]).mean())
    table = []
    for source in inputs:
        mixed = _evaluate(model, first | {source.name: second[source.name]}, draws)
        own = float(np.mean((at_second - centre) * (mixed - at_first))) / variance
        total = float(np.mean((at_first - mixed) ** 2)) / (2.0 * variance)
        table.append(
            Contribution(source.name, own, total, *_swing(model, inputs, source))
        )
    return tuple(sorted(table, key=lambda row: row.total, reverse=True))


def first_order_se(model: Model, inputs: Sequence[Uncertain]) -> float:
    """Return the standard error to first order: IPCC Approach 1 for any model.

    sqrt(sum (df/dx_i se_i)^2), the derivatives by central differences of a
    thousandth of a standard error; independent inputs. The cross-check of
    ``monte_carlo``: the two part where errors are large or the model is curved.
    """
    terms = []
    for source in inputs:
        if source.se == 0.0:
            continue
        step = 1e-3 * source.se
        ahead = _at(model, inputs, source.name, source.value + step)
        behind = _at(model, inputs, source.name, source.value - step)
        terms.append(((ahead - behind) / 2e-3) ** 2)
    return math.sqrt(math.fsum(terms))


def rowwise(function: Callable[[Mapping[str, float]], float]) -> Model:
    """Return ``function`` of plain floats as a model of arrays, draw by draw.

    For the arithmetic of ``accounting``, which knows no arrays.
    """

    def model(draws: Mapping[str, Floats]) -> Floats:
        names = list(draws)
        rows = zip(*(draws[name].tolist() for name in names), strict=True)
        return np.array(
            [function(dict(zip(names, row, strict=True))) for row in rows], dtype=float
        )

    return model


def _evaluate(model: Model, draws: Mapping[str, Floats], count: int) -> Floats:
    output = np.broadcast_to(np.asarray(model(draws), dtype=float), (count,))
    if not np.isfinite(output).all():
        worst = int(np.argmin(np.isfinite(output)))
        at = {name: float(values[worst]) for name, values in draws.items()}
        raise Refusal(
            f"no finite output at {at}",
            expected="a model that is finite over its inputs",
            remedy="Choose distributions that stay where the model is defined.",
        )
    return output


def _limits(sample: Floats, confidence: float) -> tuple[float, float]:
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(sample, [tail, 1.0 - tail])
    return float(low), float(high)


def _statistics(batch: Floats, confidence: float) -> Statistics:
    return (
        float(batch.mean()),
        float(batch.std(ddof=1)),
        *_limits(batch, confidence),
    )


def _convergence(
    settled: Sequence[Statistics], tolerance: float
) -> tuple[float, float]:
    """Return twice the worst standard error over batches, and what it must reach."""
    _, _, low, high = np.mean(settled, axis=0)
    goal = tolerance * float(high - low) / 2.0
    if len(settled) < 2:
        return math.inf, goal
    spread = np.std(settled, axis=0, ddof=1) / math.sqrt(len(settled))
    return 2.0 * float(spread.max()), goal


def _at(model: Model, inputs: Sequence[Uncertain], name: str, value: float) -> float:
    point = {u.name: np.array([u.value]) for u in inputs} | {name: np.array([value])}
    return float(_evaluate(model, point, 1)[0])


def _swing(
    model: Model, inputs: Sequence[Uncertain], source: Uncertain
) -> tuple[float, float]:
    tails = quantile_at(source, ndtri(np.array([0.05, 0.95])))
    low, high = (_at(model, inputs, source.name, float(value)) for value in tails)
    return low, high
