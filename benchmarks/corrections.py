"""What each correction of reflectance does to green cover, on simulated ground.

``python -m benchmarks.corrections`` writes the tables of docs/pixels.md. Worlds, places
and sun are the twin's, clouds are left out; the corrections are those of a run
(``steps.correcting``), heights in a file included. The model is the shipped one. Every
number is simulated.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from benchmarks.pages import replace_part
from qhsink.config import load_run_config, project_dir
from qhsink.config.corrections import CorrectionConfig
from qhsink.domain.scene import BANDS, Scene
from qhsink.grid import qinghai_albers
from qhsink.imagery.composite import median_composite, peak_composite
from qhsink.imagery.masking import Observations
from qhsink.imagery.relief import Relief
from qhsink.mapping.ensemble import Ensemble, predict_composite
from qhsink.registry import load_model
from qhsink.sources.reading import WindowStack
from qhsink.steps.correcting import axis_azimuth, correct_stack
from qhsink.twin.ground import ground_on
from qhsink.twin.scenes import lights
from qhsink.twin.sensor import Instrument, expose
from qhsink.twin.sky import Light
from qhsink.twin.spec import TwinSpec, load_spec
from qhsink.twin.world import Landscape

SEEDS = (101, 102, 103)
"""Worlds; none is used to set a number of the corrections."""
PLACES = ((-414_000.0, 4_072_000.0), (-520_000.0, 4_150_000.0), (-1e6, 3_500_000.0))
"""North-west corners of the windows [m]."""
SIZE, PIXEL = 200, 60.0
PEAK, AUTUMN = (1, 2, 3, 4, 5), (6,)
"""Passes of the peak composite, and the one of 15 September with the lowest sun."""
TRACK_AZIMUTH = 103.0
"""Towards the sensor east of its track [deg], as ``twin.sensor.view_of`` has it."""
CLASSES = ("level, below 5°", "facing the sun", "across", "facing away")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """One window of one world."""

    spec: TwinSpec
    land: Landscape
    x: Floats
    y: Floats
    skies: tuple[Light, ...]
    geobox: GeoBox
    dem: Path

    @property
    def relief(self) -> Relief:
        """The slopes at which the ground is lit, as the twin has them."""
        shape = (SIZE, SIZE)
        return Relief(
            self.land.slope_x.reshape(shape), self.land.slope_y.reshape(shape)
        )


def grounds(
    folder: Path,
    seeds: Sequence[int] = SEEDS,
    places: Sequence[tuple[float, float]] = PLACES,
) -> Iterator[Ground]:
    """Yield every window of every world, its heights written into ``folder``."""
    spec = load_spec()
    for seed in seeds:
        world = spec.build_world(seed, 2025)
        skies = tuple(
            light._replace(cloud_level=9e9, cirrus_level=9e9, snow_line=9e9)
            for light in lights(spec, seed=seed, year=2025)
        )
        for left, top in places:
            geobox = GeoBox(
                (SIZE, SIZE),
                Affine(PIXEL, 0, left, 0, -PIXEL, top),
                qinghai_albers().to_wkt(),
            )

            def at(
                margin: int, left: float = left, top: float = top
            ) -> tuple[Floats, Floats]:
                step = PIXEL * (np.arange(SIZE + 2 * margin) - margin + 0.5)
                x, y = np.meshgrid(left + step, top - step)
                return x.ravel(), y.ravel()

            x, y = at(1)
            heights = world.at(x, y, np.zeros(x.size, np.uint8)).elevation
            dem = folder / f"{seed}-{left:.0f}.tif"
            write_heights(dem, heights.reshape(SIZE + 2, SIZE + 2), geobox.pad(1))
            x, y = at(0)
            land = world.at(x, y, np.zeros(x.size, np.uint8))
            yield Ground(spec, land, x, y, skies, geobox, dem)


def write_heights(path: Path, heights: NDArray[np.float32], geobox: GeoBox) -> None:
    """Write heights [m] as a run finds them."""
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=heights.shape[0],
        width=heights.shape[1],
        count=1,
        dtype="float32",
        crs=qinghai_albers().to_wkt(),
        transform=geobox.affine,
    ) as file:
        file.write(heights, 1)


def shoot(
    ground: Ground,
    passes: Sequence[int],
    *,
    platform: str = "sentinel-2a",
    instrument: Instrument | None = None,
    side: float | None = None,
) -> tuple[WindowStack, Observations, list[Scene]]:
    """Return what an instrument records on some passes, and the scenes' angles.

    ``side`` puts the window at that place across the swath, -0.5 to 0.5.
    """
    sensor = ground.spec.sensor
    number = np.arange(SIZE * SIZE)
    pixel = np.stack([number % SIZE, number // SIZE]).astype(np.int64)
    days, layers, masks, scenes = [], [], [], []
    for index in passes:
        light = ground.skies[index]
        if side is not None:
            light = light._replace(swath=swath_for(float(ground.x.mean()), side))
        seen = expose(
            ground.land,
            ground.x,
            ground.y,
            pixel,
            light,
            ground.spec.optics(platform),
            instrument or sensor.instrument(),
            sensor.confusion(),
        )
        value = (seen.dn * sensor.scale + sensor.offset) * 10_000
        layers.append(np.rint(value).astype(np.int16).reshape(6, SIZE, SIZE))
        masks.append(seen.scl.reshape(SIZE, SIZE))
        days.append(ground.spec.passes[index].on(2025))
        scenes.append(scene_of(ground, light, days[-1], platform))
    ids = tuple((scene.item_id,) for scene in scenes)
    mask = np.stack(masks).astype(np.uint16)
    stack = WindowStack(np.stack(layers), mask, tuple(days), ids, "scl")
    clear = np.isin(mask, (2, 4, 5, 6, 8))  # no cloud is simulated: 8 is bright ground
    return stack, Observations(clear, mask == 6, mask == 11), scenes


def swath_for(x: float, side: float) -> float:
    """Return a swath's width near 290 km that has ``x`` at ``side`` across it."""
    tracks = round(x / 290_000.0 - side)
    return x / (tracks + side + 0.5) if tracks + side + 0.5 else 290_000.0


def scene_of(ground: Ground, light: Light, day: dt.date, platform: str) -> Scene:
    """Return a scene with the angles at the window's middle."""
    turn = axis_azimuth(ground.geobox)
    sun = (
        float(np.degrees(np.arccos(light.cos_zenith))),
        float(np.degrees(np.arctan2(light.sun_x, light.sun_y))) + turn,
    )
    at = float(ground.x.mean()) / light.swath
    across = at - np.floor(at) - 0.5
    azimuth = TRACK_AZIMUTH + (180.0 if across > 0 else 0.0) + turn
    return Scene(
        item_id=f"{platform}-{day}",
        collection="",
        acquired=dt.datetime.combine(day, dt.time(4, 6), dt.UTC),
        platform=platform,
        baseline="",
        cloud_share=0.0,
        bbox=(0.0, 0.0, 0.0, 0.0),
        mask_kind="scl",
        files=(),
        offset_rule="",
        simulated=True,
        sun=sun,
        view=(float(2.0 * abs(across) * light.view_edge), float(azimuth)),
    )


def cover(
    taken: tuple[WindowStack, Observations, list[Scene]],
    ground: Ground,
    asked: CorrectionConfig,
    ensemble: Ensemble,
) -> Floats:
    """Return the map of cover made of a stack after corrections; NaN where none."""
    stack, seen, scenes = taken
    stack, _ = correct_stack(stack, seen, scenes, ground.geobox, asked)
    if len(stack.days) == 1:
        made = median_composite(stack.reflectance, seen.clear, seen.water, min_clear=1)
    else:
        made = peak_composite(
            stack.reflectance, seen.clear, seen.water, min_clear=3, quantile=0.9
        )
    found = predict_composite(ensemble, made.reflectance, BANDS, made.flags == 0)
    out = np.full(SIZE * SIZE, np.nan)
    out[found.index] = found.mean
    return out


def classes_of(ground: Ground) -> NDArray[np.int64]:
    """Return each pixel's class of ``CLASSES``; -1 between 5 and 10 degrees."""
    relief = ground.relief
    light = ground.skies[PEAK[2]]
    slope = np.degrees(np.arccos(relief.cos_slope)).ravel()
    rise = np.hypot(relief.to_right, relief.to_top).ravel()
    uphill = relief.to_right * light.sun_x + relief.to_top * light.sun_y
    facing = -uphill.ravel() / np.maximum(rise, 1e-9)
    kind = np.where(facing > 0.5, 1, np.where(facing < -0.5, 3, 2))
    return np.where(slope < 5.0, 0, np.where(slope < 10.0, -1, kind))


@dataclass(slots=True)
class Errors:
    """Pairs of map and reference by label, until they are counted."""

    parts: dict[tuple[str, ...], list[tuple[Floats, Floats]]]

    def add(self, *label: str, found: Floats, true: Floats) -> None:
        """Keep the pixels that both have."""
        both = np.isfinite(found) & np.isfinite(true)
        self.parts.setdefault(label, []).append((found[both], true[both]))

    def row(self, *label: str) -> tuple[int, float, float]:
        """Return number, bias and RMSE [percentage points]."""
        found, true = (np.concatenate(v) for v in zip(*self.parts[label], strict=True))
        gap = 100.0 * (found - true)
        return gap.size, float(gap.mean()), float(np.sqrt((gap**2).mean()))


def measure(folder: Path) -> str:
    """Return the tables, in Markdown."""
    config = load_run_config(project_dir() / "config" / "monitor.toml")
    ensemble = load_model(project_dir() / "models", config.models.fvc).ensemble
    plain = config.corrections
    errors = Errors({})
    for ground in grounds(folder):
        scs = plain.model_copy(update={"terrain": "scs+c", "dem": str(ground.dem)})
        _terrain(errors, ground, plain, scs, ensemble)
        view = plain.model_copy(update={"view": "c-factor"})
        _view(errors, ground, plain, view, ensemble)
        bands = plain.model_copy(update={"bands": "sentinel-2"})
        _bands(errors, ground, plain, bands, ensemble)
    return "\n".join([*_terrain_table(errors), "", *_other_table(errors)])


def _true(ground: Ground, passes: Sequence[int]) -> Floats:
    """Return true cover: at the peak, or on the day of the one pass."""
    if len(passes) > 1:
        return ground.land.fvc_peak.astype(np.float64)
    day = ground.skies[passes[0]].day
    return ground_on(ground.land, day).fvc.astype(np.float64)


def _terrain(
    errors: Errors,
    ground: Ground,
    plain: CorrectionConfig,
    scs: CorrectionConfig,
    ensemble: Ensemble,
) -> None:
    level_light = ground.spec.sensor.instrument()._replace(terrain=0.0)
    kinds = classes_of(ground)
    for season, passes in (("peak", PEAK), ("15 September", AUTUMN)):
        taken = shoot(ground, passes)
        level = cover(
            shoot(ground, passes, instrument=level_light), ground, plain, ensemble
        )
        true = _true(ground, passes)
        for name, asked in (("as read", plain), ("SCS+C", scs)):
            found = cover(taken, ground, asked, ensemble)
            for code, label in enumerate(CLASSES):
                here = kinds == code
                for against, other in (("truth", true), ("level", level)):
                    errors.add(
                        season, label, name, against,
                        found=found[here], true=other[here],
                    )  # fmt: skip


def _view(
    errors: Errors,
    ground: Ground,
    plain: CorrectionConfig,
    view: CorrectionConfig,
    ensemble: Ensemble,
) -> None:
    true = _true(ground, PEAK)
    west, east = (shoot(ground, PEAK, side=side) for side in (0.45, -0.45))
    for name, asked in (("as read", plain), ("c-factor", view)):
        one, other = (cover(taken, ground, asked, ensemble) for taken in (west, east))
        errors.add("view", name, "truth", found=one, true=true)
        errors.add("view", name, "truth", found=other, true=true)
        errors.add("view", name, "sides", found=one, true=other)


def _bands(
    errors: Errors,
    ground: Ground,
    plain: CorrectionConfig,
    bands: CorrectionConfig,
    ensemble: Ensemble,
) -> None:
    true = _true(ground, PEAK)
    sentinel = cover(shoot(ground, PEAK), ground, plain, ensemble)
    landsat = shoot(ground, PEAK, platform="landsat-8")
    for name, asked in (("as read", plain), ("to Sentinel-2", bands)):
        found = cover(landsat, ground, asked, ensemble)
        errors.add("bands", name, "truth", found=found, true=true)
        errors.add("bands", name, "sentinel", found=found, true=sentinel)


def _terrain_table(errors: Errors) -> Iterator[str]:
    yield (
        "| season | ground | pixels | bias, as read | SCS+C | RMSE, as read | SCS+C "
        "| against level light: RMSE, as read | SCS+C |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for season in ("peak", "15 September"):
        for label in CLASSES:
            rows = [
                errors.row(season, label, name, against)
                for against in ("truth", "level")
                for name in ("as read", "SCS+C")
            ]
            yield (
                f"| {season} | {label} | {rows[0][0]:,} "
                f"| {rows[0][1]:+.2f} | {rows[1][1]:+.2f} "
                f"| {rows[0][2]:.2f} | {rows[1][2]:.2f} "
                f"| {rows[2][2]:.2f} | {rows[3][2]:.2f} |"
            )


def _other_table(errors: Errors) -> Iterator[str]:
    yield "| option | compared | pixels | bias, before | after | RMSE, before | after |"
    yield "|---|---|---|---|---|---|---|"
    for kind, names, against, words in (
        ("view", ("as read", "c-factor"), "truth", "swath edges with the truth"),
        ("view", ("as read", "c-factor"), "sides", "west edge with east edge"),
        ("bands", ("as read", "to Sentinel-2"), "truth", "Landsat 8 with the truth"),
        (
            "bands",
            ("as read", "to Sentinel-2"),
            "sentinel",
            "Landsat 8 with Sentinel-2A",
        ),
    ):
        before, after = (errors.row(kind, name, against) for name in names)
        yield (
            f"| {kind} | {words} | {before[0]:,} | {before[1]:+.2f} | {after[1]:+.2f} "
            f"| {before[2]:.2f} | {after[2]:.2f} |"
        )


def main() -> None:
    """Measure, print, and write the tables into docs/pixels.md."""
    with tempfile.TemporaryDirectory() as folder:
        text = measure(Path(folder))
    print(text)
    replace_part(project_dir() / "docs" / "pixels.md", "corrections", text)


if __name__ == "__main__":
    main()
