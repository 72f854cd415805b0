"""How reflectance is held: numbers of 16 bits, and the one that stands for none."""

from __future__ import annotations

SCALE = 10_000
"""Composites hold reflectance times this, as int16."""

NODATA = -32768
"""No observation, in reflectance times ``SCALE``."""
