"""What Earth Engine is asked about GEDI: expressions, built and never sent. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import ee

from qhsink.config.gedi import KeepRule
from qhsink.sources.items import BBox

NOTHING = -9999.0
"""Stands for no value in an answer of pixels; GEDI's own fill."""

PLACED = ("shot_number", "beam", "delta_time", "agbd", "agbd_se")
"""Properties of a footprint that are kept whatever is filtered by."""


def indexed_tables(
    index: str, bbox: BBox, *, start: str, end: str
) -> ee.FeatureCollection:
    """Return the entries of an index whose sub-orbit crosses a box within a period.

    Parameters
    ----------
    index : str
        Asset id of the index.
    bbox : tuple of float
        West, south, east, north [deg].
    start, end : str
        First day, and the day after the last, ``YYYY-MM-DD``: the index holds times as
        text, which sorts as dates do.
    """
    found: ee.FeatureCollection = (
        ee.FeatureCollection(index)
        .filterBounds(_box(bbox))
        .filter(ee.Filter.lt("time_start", end))
        .filter(ee.Filter.gte("time_end", start))
        .select(["table_id", "time_start"])
    )
    return found


def kept_footprints(
    table_id: str, bbox: BBox, rules: Sequence[KeepRule]
) -> ee.FeatureCollection:
    """Return the footprints of one sub-orbit in a box that satisfy all rules."""
    found = ee.FeatureCollection(table_id).filterBounds(_box(bbox))
    for rule in rules:
        found = found.filter(ee.Filter.gte(rule.field, rule.least))
        found = found.filter(ee.Filter.lte(rule.field, rule.most))
    names = [*PLACED, *(r.field for r in rules if r.field not in PLACED)]
    kept: ee.FeatureCollection = found.select(names)
    return kept


def gridded_biomass(image: str) -> ee.Image:
    """Return mean and standard error of L4B as float32, ``NOTHING`` where none."""
    found: ee.Image = (
        ee.Image.load(image).select(["MU", "SE"]).unmask(NOTHING, False).toFloat()
    )
    return found


def _box(bbox: BBox) -> ee.Geometry:
    found: ee.Geometry = ee.Geometry.Rectangle(list(bbox), "EPSG:4326", False)
    return found
