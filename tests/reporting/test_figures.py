"""Pictures: what is drawn where, colours that keep their order, honest stamps."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from shapely.geometry import box

from qhsink.imagery.composite import Flag
from qhsink.reporting import figures
from qhsink.reporting.intervals import interval_charts, nice_step
from qhsink.reporting.record import RegionPicture


def flat_picture(value, **changes):
    """A square region of one value."""
    extent = (0.0, 6000.0, 0.0, 6000.0)
    values = np.full((60, 60), value, dtype=np.float32)
    fields = {
        "region_id": "r",
        "values": values,
        "spread": None,
        "n_clear": None,
        "flags": None,
        "extent": extent,
        "outline": box(0, 0, 6000, 6000),
        "pixel_size_m": 100.0,
    }
    return RegionPicture(**(fields | changes))


def pixels(png):
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))


def lightness(rgb):
    """CIE L* of sRGB (IEC 61966-2-1, D65)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    y = linear @ np.array([0.2126, 0.7152, 0.0722])
    return 116.0 * np.cbrt(y) - 16.0


@pytest.mark.parametrize(
    "colours",
    [figures.COVER_COLOURS, figures.SPREAD_COLOURS, figures.COUNT_COLOURS],
    ids=lambda c: c.name,
)
def test_lightness_falls_all_the_way_along_a_colour_scale(colours):
    falls = np.diff(lightness(colours(np.linspace(0, 1, 40))[:, :3]))
    assert (falls <= 0).all()
    assert falls.sum() < -50


@pytest.mark.parametrize("cover", [0.05, 0.5, 0.95])
def test_cover_is_drawn_in_its_colour(cover):
    drawn = pixels(figures.cover_picture(flat_picture(cover), simulated=False))
    expected = np.array(figures.COVER_COLOURS(cover)[:3]) * 255
    middle = drawn[drawn.shape[0] // 3, drawn.shape[1] // 3]
    assert np.abs(middle - expected).max() <= 3


def test_missing_values_are_grey_inside_and_white_outside():
    left_half = box(0, 0, 3000, 6000)
    picture = flat_picture(np.nan, outline=left_half)
    drawn = pixels(figures.cover_picture(picture, simulated=False))
    assert (drawn[drawn.shape[0] // 3, drawn.shape[1] // 3] == 0xBD).all()
    assert (drawn[5, 2] == 255).all()


def test_the_first_row_of_the_array_is_drawn_in_the_north():
    values = np.zeros((60, 60), dtype=np.float32)
    values[:30] = 1.0
    drawn = pixels(
        figures.cover_picture(flat_picture(0, values=values), simulated=False)
    )
    column = drawn[:, drawn.shape[1] // 3].sum(axis=1)
    rows = len(column)
    assert column[rows // 6] < 300 < column[rows * 2 // 3]


def test_a_hole_in_the_region_is_not_drawn():
    ring = box(0, 0, 6000, 6000).difference(box(2000, 2000, 4000, 4000))
    picture = flat_picture(0.9, outline=ring)
    drawn = pixels(figures.cover_picture(picture, simulated=False))
    green = np.array(figures.COVER_COLOURS(0.9)[:3]) * 255
    share = (np.abs(drawn - green).max(axis=2) <= 3).mean()
    full = pixels(figures.cover_picture(flat_picture(0.9), simulated=False))
    whole = (np.abs(full - green).max(axis=2) <= 3).mean()
    assert share / whole == pytest.approx(8 / 9, abs=0.02)


def test_only_a_simulated_picture_carries_the_stamp():
    plain = figures.cover_picture(flat_picture(0.3), simulated=False)
    stamped = figures.cover_picture(flat_picture(0.3), simulated=True)
    changed = (pixels(plain) != pixels(stamped)).any(axis=2).mean()
    assert changed > 0.01


def test_a_picture_is_the_same_twice(observed_report):
    picture = observed_report.pictures[0]
    first = figures.cover_picture(picture, simulated=False)
    assert first == figures.cover_picture(picture, simulated=False)


def test_panels_without_data_are_left_out():
    bare = flat_picture(0.4)
    assert figures.spread_picture(bare, simulated=False) is None
    assert figures.count_picture(bare, simulated=False) is None
    unflagged = dataclasses.replace(bare, flags=np.zeros((60, 60), np.uint8))
    assert figures.quality_picture(unflagged, simulated=False) is None


def test_panels_of_nothing_but_gaps_are_still_drawn():
    gaps = np.full((60, 60), np.nan, dtype=np.float32)
    none = np.zeros((60, 60), dtype=np.uint8)
    picture = flat_picture(np.nan, spread=gaps, n_clear=none)
    assert figures.spread_picture(picture, simulated=False)
    assert figures.count_picture(picture, simulated=False)


def test_large_arrays_are_averaged_over_known_pixels():
    values = np.zeros((1801, 1801), dtype=np.float32)
    values[::2] = 1.0
    values[0, 0] = np.nan
    small = figures._shrink(values)
    assert small.shape == (601, 601)
    assert small[0, 0] == pytest.approx(5 / 8)
    assert np.isfinite(small).all()


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        (Flag.SNOW_SEEN, "snow seen"),
        (Flag.WATER | Flag.SNOW_SEEN, "water"),
        (Flag.TOO_FEW | Flag.SNOW_SEEN, "too few"),
        (Flag.TOO_FEW | Flag.NO_DATA, "no image"),
    ],
)
def test_a_pixel_is_drawn_in_its_gravest_class(flags, name):
    picture = flat_picture(0.5, flags=np.full((60, 60), int(flags), np.uint8))
    drawn = pixels(figures.quality_picture(picture, simulated=False))
    (kind,) = (k for k in figures.QUALITY_CLASSES if k.words.en == name)
    expected = [int(kind.colour[k : k + 2], 16) for k in (1, 3, 5)]
    middle = drawn[drawn.shape[0] // 3, drawn.shape[1] // 3].astype(int)
    assert np.abs(middle - expected).max() <= 1


def test_grid_north_is_named_where_true_north_is_not_known():
    unknown = figures.cover_picture(flat_picture(0.5), simulated=False)
    known = figures.cover_picture(flat_picture(0.5, north_deg=0.0), simulated=False)
    tilted = figures.cover_picture(flat_picture(0.5, north_deg=8.0), simulated=False)
    assert len({unknown, known, tilted}) == 3


@given(st.floats(1e-6, 1e9), st.integers(3, 8))
def test_a_nice_step_is_round_and_gives_few_parts(span, parts):
    step = nice_step(span, parts=parts)
    assert span / step <= parts + 1 + 1e-9
    lead = step / 10.0 ** np.floor(np.log10(step) + 1e-9)
    assert min(abs(lead - k) for k in (1, 2, 5, 10)) < 1e-6


def test_dots_whiskers_and_lines_stand_where_the_numbers_say(observed_report):
    chart = interval_charts(observed_report.rows)[0]
    scale = []
    for strip in chart.strips:
        estimate = strip.row.estimate
        scale += [(estimate.low, strip.low), (estimate.value, strip.dot)]
        scale += [(estimate.high, strip.low + strip.width)]
        scale += [(strip.row.verdict.target.value, strip.target)]
    scale += [(float(t.text.removesuffix(" %")) / 100, t.at) for t in chart.ticks]
    numbers, places = np.array(scale).T
    slope, start = np.polyfit(numbers, places, 1)
    assert np.abs(slope * numbers + start - places).max() < 0.03
    assert (places >= 0).all()
    assert (places <= 100).all()
    assert len(chart.ticks) >= 4


def test_a_lone_number_without_width_still_gets_an_axis(observed_report):
    row = observed_report.rows[3]
    estimate = dataclasses.replace(
        row.estimate, se=0.0, low=0.59, high=0.59, value=0.59
    )
    (chart,) = interval_charts([dataclasses.replace(row, estimate=estimate)])
    assert chart.strips[0].width == 0
    assert chart.strips[0].dot == pytest.approx(50)
