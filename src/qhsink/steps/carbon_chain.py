"""Recipes with the factors they name: carbon as a function of drawn values.

The arithmetic is ``accounting``'s; drawing is ``estimation``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qhsink.accounting.recipe import Recipe, balance_of, sources_of_error
from qhsink.domain.carbon import Factor, FactorTable, Uncertain
from qhsink.estimation.propagate import Model, rowwise


@dataclass(frozen=True, slots=True)
class Chain:
    """Recipes with their factors and sources of error."""

    recipes: tuple[Recipe, ...]
    """One of every ecosystem."""
    factors: FactorTable
    """What they may name."""

    @property
    def sources(self) -> tuple[Uncertain, ...]:
        """Amounts and factors that have an error, each once."""
        return sources_of_error(self.recipes, self.factors)

    def carbon(self, draw: Mapping[str, float]) -> float:
        """Return the sum with the values of ``draw`` in place of the best [t C]."""
        return balance_of(self.recipes, self.factors, draw=draw).carbon.value

    def rows(self, draw: Mapping[str, float]) -> list[float]:
        """Return the rows of the balance at ``draw`` [t C]."""
        balance = balance_of(self.recipes, self.factors, draw=draw)
        return [row.mass.value for row in balance.rows]

    @property
    def model(self) -> Model:
        """The sum as a function of draws, for ``estimation.propagate``."""
        return rowwise(self.carbon)

    @property
    def factors_used(self) -> tuple[Factor, ...]:
        """Every factor that a recipe names, each once."""
        found = {
            name: self.factors.get(name, ecosystem=recipe.ecosystem)
            for recipe in self.recipes
            for name in recipe.factor_names
        }
        return tuple(found.values())
