"""Measurement, reporting and verification of ecological carbon sinks in Qinghai."""

from __future__ import annotations

__version__ = "0.1.0"
