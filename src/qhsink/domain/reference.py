"""What the values of a plot table are. Nouns only."""

from __future__ import annotations

from typing import Literal, get_args

Reference = Literal["measured", "gedi_l4a"]
MEASURED: Reference = "measured"
"""Of a crew on the ground, or of whoever answers for the table."""
GEDI: Reference = "gedi_l4a"
"""Predictions of biomass from the waveforms of GEDI, one per footprint."""
REFERENCES: tuple[Reference, ...] = get_args(Reference)
