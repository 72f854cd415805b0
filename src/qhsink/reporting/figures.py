"""Maps of one region -> PNG pictures. Text in pictures is ASCII: captions are HTML.

No pyplot: figures are objects of their own, so two pages may be drawn at once. A
simulated map carries the word in the picture, for pictures get copied out of pages.
"""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import (
    BoundaryNorm,
    Colormap,
    LinearSegmentedColormap,
    ListedColormap,
    Normalize,
)
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from numpy.typing import NDArray
from PIL import Image
from shapely.geometry.base import BaseGeometry

from qhsink.imagery.composite import Flag
from qhsink.reporting.intervals import nice_step
from qhsink.reporting.record import RegionPicture
from qhsink.reporting.wording import Words

COVER_COLOURS = LinearSegmentedColormap.from_list(
    "cover", ["#f6ecd0", "#dcd58f", "#a5c46c", "#5da259", "#257a4d", "#0b4a38"], N=64
)
"""Bare to full cover: lightness falls all the way, so it also reads in grey.

In 64 steps, so that a picture has few colours and stays small.
"""

SPREAD_COLOURS = LinearSegmentedColormap.from_list(
    "spread", ["#fdf3ec", "#f3c3a5", "#d9827a", "#9c4a77", "#4f2463"], N=40
)
COUNT_COLOURS = LinearSegmentedColormap.from_list(
    "count", ["#eef4fb", "#bcd5ec", "#7fb0dc", "#3d7fbf", "#123f7a"]
)


@dataclass(frozen=True, slots=True)
class QualityClass:
    """What the flags of a pixel come to, as a picture shows it."""

    flag: Flag
    """The bit that puts a pixel into the class."""
    colour: str
    """Fill."""
    words: Words
    """Name in the caption."""


QUALITY_CLASSES = (
    QualityClass(Flag(0), "#e4ebe5", Words("正常", "clear")),
    QualityClass(Flag.SNOW_SEEN, "#a9d5f0", Words("曾有积雪", "snow seen")),
    QualityClass(
        Flag.OUTSIDE_AREA, "#cdb4db", Words("模型适用域外", "outside model area")
    ),
    QualityClass(Flag.WATER, "#3f78b5", Words("水体", "water")),
    QualityClass(Flag.TOO_FEW, "#e0893a", Words("观测不足", "too few")),
    QualityClass(Flag.NO_DATA, "#6f6f6f", Words("无影像", "no image")),
)
"""Later classes win where a pixel has several flags."""

NO_DATA = "#bdbdbd"
"""Fill of the region where the map has no value."""

_INK = "#20302a"
_WIDTH = 5.8
"""Width of a picture [inches at 120 dpi]: two stand side by side on a page."""
_LONGEST = 900
"""Pixels along the longer edge of an array that is drawn; finer ones are averaged."""

_ScaleOf = tuple[Colormap, Normalize, list[float] | None, str]
"""Colours, their range, ticks of the colour bar (None: no bar) and its title."""


def cover_picture(picture: RegionPicture, *, simulated: bool) -> bytes:
    """Return the PNG of mapped cover [%], with scale bar, north and colour bar."""
    scale = (
        COVER_COLOURS,
        Normalize(0, 100),
        [0.0, 20.0, 40.0, 60.0, 80.0, 100.0],
        "FVC (%)",
    )
    shown = _shrink(picture.values) * 100.0
    return _draw(picture, shown, scale, width=_WIDTH, simulated=simulated)


def spread_picture(picture: RegionPicture, *, simulated: bool) -> bytes | None:
    """Return the PNG of the members' spread [percentage points], or None."""
    if picture.spread is None:
        return None
    shown = _shrink(picture.spread) * 100.0
    top = _nice_top(shown)
    ticks = [round(top * k / 4, 3) for k in range(5)]
    scale = (SPREAD_COLOURS, Normalize(0, top), ticks, "SD (pp)")
    return _draw(picture, shown, scale, width=_WIDTH, simulated=simulated)


def count_picture(picture: RegionPicture, *, simulated: bool) -> bytes | None:
    """Return the PNG of the number of clear observations, or None."""
    if picture.n_clear is None:
        return None
    shown = _nearest(picture.n_clear).astype(np.float32)
    most = max(1, int(picture.n_clear.max(initial=0)))
    step = max(1, math.ceil(most / 8))
    ticks = [float(k) for k in range(0, most + 1, step)]
    edges = [k - 0.5 for k in range(most + 2)]
    scale = (COUNT_COLOURS, BoundaryNorm(edges, 256), ticks, "n clear")
    return _draw(picture, shown, scale, width=_WIDTH, simulated=simulated)


def quality_picture(picture: RegionPicture, *, simulated: bool) -> bytes | None:
    """Return the PNG of pixel quality classes, or None when nothing is flagged."""
    if picture.flags is None or not picture.flags.any():
        return None
    flags = _nearest(picture.flags)
    shown = np.zeros(flags.shape, dtype=np.float32)
    for rank, kind in enumerate(QUALITY_CLASSES):
        shown[(flags & np.uint8(kind.flag)) != 0] = rank
    edges = [k - 0.5 for k in range(len(QUALITY_CLASSES) + 1)]
    colours = ListedColormap([kind.colour for kind in QUALITY_CLASSES])
    scale = (colours, BoundaryNorm(edges, len(QUALITY_CLASSES)), None, "")
    return _draw(picture, shown, scale, width=_WIDTH, simulated=simulated)


def data_uri(png: bytes) -> str:
    """Return a picture as a ``data:`` URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _draw(
    picture: RegionPicture,
    shown: NDArray[np.float32],
    scale: _ScaleOf,
    *,
    width: float,
    simulated: bool,
) -> bytes:
    colours, norm, ticks, label = scale
    size = 9.0
    left, bottom, right, top = picture.outline.bounds
    aspect = min(1.35, max(0.42, (top - bottom) / (right - left)))
    bar, foot = 0.85, 0.5
    height = (width - bar) * aspect + foot
    figure = Figure(figsize=(width, height), dpi=120, facecolor="white")
    room = (0.008, foot / height, 1 - bar / width, 1 - foot / height)
    axes = figure.add_axes(room)
    _draw_map(axes, picture, shown, (colours, norm))
    _draw_furniture(axes, picture, size)
    if simulated:
        _stamp(axes, size)
    if ticks is not None:
        low, tall = room[1] + 0.1 * room[3], 0.72 * room[3]
        edge = figure.add_axes((1 - (bar - 0.12) / width, low, 0.16 / width, tall))
        mappable = ScalarMappable(norm=norm, cmap=colours)
        figure.colorbar(mappable, cax=edge, ticks=ticks)
        _dress_bar(edge, label, size)
    return _png(figure)


def _dress_bar(edge: Axes, label: str, size: float) -> None:
    edge.tick_params(labelsize=size, length=2, colors=_INK)
    for text in edge.get_yticklabels():
        text.set_fontfamily("DejaVu Sans")
    edge.set_title(label, fontsize=size, color=_INK, pad=5, family="DejaVu Sans")
    edge.title.set_horizontalalignment("center")


def _draw_map(
    axes: Axes,
    picture: RegionPicture,
    shown: NDArray[np.float32],
    colouring: tuple[Colormap, Normalize],
) -> None:
    colours, norm = colouring
    path = _outline(picture.outline)
    ground = PathPatch(path, facecolor=NO_DATA, edgecolor="none")
    axes.add_patch(ground)
    image = axes.imshow(
        np.ma.masked_invalid(shown),
        cmap=colours,
        norm=norm,
        extent=picture.extent,
        origin="upper",
        interpolation="nearest",
        zorder=2,
    )
    image.set_clip_path(ground)
    axes.add_patch(
        PathPatch(path, facecolor="none", edgecolor=_INK, linewidth=0.9, zorder=3)
    )
    left, bottom, right, top = picture.outline.bounds
    pad = 0.02 * max(right - left, top - bottom)
    axes.set_xlim(left - pad, right + pad)
    axes.set_ylim(bottom - pad, top + pad)
    axes.set_aspect("equal")
    axes.set_axis_off()


def _draw_furniture(axes: Axes, picture: RegionPicture, size: float) -> None:
    left, _, right, _ = picture.outline.bounds
    span = axes.get_xlim()[1] - axes.get_xlim()[0]
    length = nice_step(right - left, parts=7)
    share = length / span
    axes.plot(
        [0.02, 0.02 + share],
        [-0.03, -0.03],
        transform=axes.transAxes,
        color=_INK,
        linewidth=2.2,
        clip_on=False,
        solid_capstyle="butt",
    )
    _write(axes, (0.03 + share, -0.03), f"{length / 1000.0:g} km", size, ha="left")
    turn = math.radians(picture.north_deg or 0.0)
    reach = size * 2.0
    axes.annotate(
        "",
        (0.97, 0.03),
        (-reach * math.sin(turn), -reach * math.cos(turn)),
        xycoords="axes fraction",
        textcoords="offset points",
        arrowprops={"arrowstyle": "-|>", "color": _INK, "lw": 1.2},
        annotation_clip=False,
    )
    name = "N" if picture.north_deg is not None else "grid N"
    _write(axes, (0.97, 0.055), name, size, ha="center")


def _write(
    axes: Axes,
    at: tuple[float, float],
    text: str,
    size: float,
    *,
    ha: Literal["left", "center"],
) -> None:
    axes.text(
        *at,
        text,
        transform=axes.transAxes,
        ha=ha,
        va="center",
        fontsize=size,
        color=_INK,
        family="DejaVu Sans",
    )


def _stamp(axes: Axes, size: float) -> None:
    axes.text(
        0.5,
        0.5,
        "SIMULATED",
        transform=axes.transAxes,
        ha="center",
        va="center",
        rotation=24,
        fontsize=size * 4,
        fontweight="bold",
        color="#8a4b00",
        alpha=0.32,
        zorder=4,
        family="DejaVu Sans",
    )


def _outline(geometry: BaseGeometry) -> Outline:
    rings = [
        ring
        for polygon in shapely.get_parts(geometry)
        for ring in (polygon.exterior, *polygon.interiors)
    ]
    return Outline.make_compound_path(
        *(Outline(np.asarray(ring.coords)[:, :2], closed=True) for ring in rings)
    )


def _shrink(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average blocks of known pixels, so that no array is finer than a picture."""
    step = _step(values)
    if step == 1:
        return values
    rows, cols = (math.ceil(n / step) * step for n in values.shape)
    padded = np.full((rows, cols), np.nan, dtype=np.float32)
    padded[: values.shape[0], : values.shape[1]] = values
    blocks = padded.reshape(rows // step, step, cols // step, step)
    known = np.isfinite(blocks)
    count = known.sum(axis=(1, 3))
    total = np.where(known, blocks, np.float32(0.0)).sum(axis=(1, 3))
    mean = total / np.maximum(count, 1).astype(np.float32)
    shrunk: NDArray[np.float32] = np.where(count > 0, mean, np.float32(np.nan))
    return shrunk


def _nearest(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    step = _step(values)
    return values[step // 2 :: step, step // 2 :: step]


def _step(values: NDArray[np.float32] | NDArray[np.uint8]) -> int:
    longest: int = max(values.shape)
    return max(1, math.ceil(longest / _LONGEST))


def _nice_top(values: NDArray[np.float32]) -> float:
    known = values[np.isfinite(values)]
    top = float(np.percentile(known, 99)) if known.size else 1.0
    step = nice_step(top, parts=4) if top > 0 else 0.25
    return step * max(1, math.ceil(top / step))


def _png(figure: Figure) -> bytes:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib types this not
    drawn = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]  # the same
    image = Image.fromarray(drawn[:, :, :3])
    image = image.quantize(128, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
