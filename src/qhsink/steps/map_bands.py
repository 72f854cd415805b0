"""What the bands of a map of values are: names, units, steps, order.

Files are written by ``rasters`` and ``target_rasters``; which of them a run publishes
is ``published_files``'.
"""

from __future__ import annotations

from qhsink.domain.model_target import ModelTarget
from qhsink.mapping.validation import IntervalRule
from qhsink.reporting.catalogue import MapBand

NODATA = 65_535
"""No value, in the uint16 maps."""

SCALE = 1e-4
"""Unit per digital number, in the uint16 maps of proportions and dissimilarity."""


def cover_bands(*, known: bool, interval: IntervalRule | None) -> tuple[MapBand, ...]:
    """Return what the bands of a map of vegetation cover are, in file order.

    Parameters
    ----------
    known : bool
        Whether the model has an area of applicability: then a band of dissimilarity.
    interval : IntervalRule or None
        Rule of the model's prediction interval; with one a band of half widths.
    """
    value = _band("fvc", "fractional vegetation cover")
    return _with_further(value, known=known, interval=interval)


def target_bands(
    target: ModelTarget, *, known: bool, interval: IntervalRule | None
) -> tuple[MapBand, ...]:
    """Return what the bands of a target's map are, in file order.

    Parameters
    ----------
    known, interval
        As in ``cover_bands``.
    """
    value = _band(target.id, target.name_en, target.unit, target.map_step)
    return _with_further(value, known=known, interval=interval)


def _with_further(
    value: MapBand, *, known: bool, interval: IntervalRule | None
) -> tuple[MapBand, ...]:
    name, unit, step = value.name, value.unit, value.scale
    bands = [
        value,
        _band(
            f"{name}_model_sd",
            "standard deviation over the model's members",
            unit,
            step,
        ),
    ]
    if known:
        text = "dissimilarity to the training data (Meyer and Pebesma 2021)"
        bands.append(_band(f"{name}_dissimilarity", text))
    if interval is not None:
        level = f"{100 * interval.confidence:g}"
        text = (
            f"half width of the {level} % prediction interval of a single pixel or "
            "plot: value minus and plus this, within the valid range; not for means "
            "of many pixels, nor outside the area of applicability"
        )
        bands.append(_band(f"{name}_half_width_{level}", text, unit, step))
    return tuple(bands)


def _band(name: str, text: str, unit: str = "1", step: float = SCALE) -> MapBand:
    return MapBand(name, text, unit, "uint16", step, 0.0, NODATA)
