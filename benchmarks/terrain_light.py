"""How often SCS+C may be used, and what light it leaves, on many simulated windows.

``python -m benchmarks.terrain_light`` writes its table into docs/pixels.md;
``benchmarks.corrections`` measures what it does to green cover. Places are drawn
over the whole province, deserts and plains included. Clouds are left out.
"""

from __future__ import annotations

import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.corrections import SIZE, Ground, grounds, shoot
from benchmarks.pages import replace_part
from qhsink.config import load_run_config, project_dir
from qhsink.config.corrections import CorrectionConfig
from qhsink.domain.scene import BANDS
from qhsink.imagery.encoding import NODATA, SCALE
from qhsink.imagery.relief import Sun, cos_incidence, relief_of
from qhsink.imagery.terrain import BandFit, TerrainRules, correct_terrain
from qhsink.sources.elevation import read_elevation
from qhsink.steps.correcting import axis_azimuth
from qhsink.twin.scenes import PROVINCE_M

SEEDS = (111, 112, 113)
"""Worlds; no number of the correction was set on them."""
WINDOWS, PLACES_SEED = 12, 20251130
"""Windows of 12 km per world, the same places in each, and what they are drawn by."""
PASSES = {1: "first pass of the peak", 4: "late pass of the peak", 6: "15 September"}
NIR = BANDS.index("nir")


@dataclass(slots=True)
class Days:
    """What became of the days of one season."""

    left: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Days left as they are, by reason."""
    before: list[list[float]] = field(default_factory=list)
    """|corr(L, cos i)| within NDVI classes, by band, of the days corrected."""
    after: list[list[float]] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    """The same of all vegetated slopes together, after, the largest of the bands."""
    error: list[tuple[float, float]] = field(default_factory=list)
    """Root mean square from level light in the near infrared, as read and after."""


def places() -> list[tuple[float, float]]:
    """Return north-west corners over the province [m]."""
    rng = np.random.default_rng(PLACES_SEED)
    left, low, right, high = PROVINCE_M
    xs, ys = rng.uniform(left, right, WINDOWS), rng.uniform(low, high, WINDOWS)
    pairs = zip(xs.round(-3), ys.round(-3), strict=True)
    return [(float(x), float(y)) for x, y in pairs]


def measure() -> dict[str, Days]:
    """Return what became of every window on every pass, by pass."""
    config = load_run_config(project_dir() / "config" / "monitor.toml").corrections
    found = {season: Days() for season in PASSES.values()}
    with tempfile.TemporaryDirectory() as folder:
        for ground in grounds(Path(folder), SEEDS, places()):
            for number, season in PASSES.items():
                _add(found[season], ground, number, config)
    return found


def _add(days: Days, ground: Ground, number: int, config: CorrectionConfig) -> None:
    rules = TerrainRules(**config.fit.model_dump())
    (stack, seen, scenes) = shoot(ground, (number,))
    relief = relief_of(read_elevation(ground.dem, ground.geobox.pad(1)), 60.0)
    (zenith, azimuth) = scenes[0].sun or (0.0, 0.0)
    sun = Sun(zenith, azimuth - axis_azimuth(ground.geobox))
    lit, clear = stack.reflectance[0], seen.clear[0] & ~seen.water[0]
    done, fits = correct_terrain(lit, clear, relief, sun, rules)
    if fits[NIR].c is None:
        days.left[kind_of(fits)] += 1
        return
    days.before.append([abs(fit.before) for fit in fits])
    days.after.append([abs(fit.after or 0.0) for fit in fits])
    red, nir = (lit[BANDS.index(name)].astype(float) for name in ("red", "nir"))
    where = clear & (done[0] != NODATA)
    where &= (nir - red) / np.maximum(nir + red, 10.0) >= rules.min_ndvi
    where &= relief.cos_slope <= np.cos(np.radians(rules.min_slope_deg))
    cos_i = cos_incidence(relief, sun)[where]
    days.plain.append(max(_correlation(band[where], cos_i) for band in done))
    even = ground.spec.sensor.instrument()._replace(terrain=0.0)
    level = shoot(ground, (number,), instrument=even)[0].reflectance[0]
    days.error.append((_distance(lit, level, where), _distance(done, level, where)))


def kind_of(fits: tuple[BandFit, ...]) -> str:
    """Return the reason of a day without its numbers."""
    return {
        "vegetated": "too few vegetated slopes",
        "explains": "light explains too little in the near infrared",
        "follow": "light would still show after it",
        "shade": "brighter in the shade",
        "beam": "more light lost than the beam holds",
    }[
        re.search(r"vegetated|explains|follow|shade|beam", fits[NIR].reason)[0]  # type: ignore[index]
    ]


def _correlation(band: NDArray[np.int16], cos_i: NDArray[np.float32]) -> float:
    return abs(float(np.corrcoef(band.astype(float), cos_i)[0, 1]))


def _distance(
    one: NDArray[np.int16], other: NDArray[np.int16], where: NDArray[np.bool_]
) -> float:
    apart = one[NIR][where].astype(float) - other[NIR][where]
    return float(np.sqrt(np.mean(apart**2))) / SCALE


def table(found: dict[str, Days]) -> Iterator[str]:
    """Yield the tables in Markdown."""
    total = WINDOWS * len(SEEDS)
    yield (
        f"{total} windows of {SIZE * 60 // 1000} km in {len(SEEDS)} worlds; the "
        "correlations are medians over the days corrected (in brackets the largest)."
    )
    yield ""
    yield (
        "| pass | days | corrected | corr, nir, as read | after | of all bands, after "
        "| all classes together, after | nir, RMS from level light, as read | after |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for season, days in found.items():
        before, after = np.array(days.before), np.array(days.after)
        error = np.median(np.array(days.error), axis=0)
        yield (
            f"| {season} | {total} | {len(days.before)} | {_both(before[:, NIR])} "
            f"| {_both(after[:, NIR])} | {_both(after.max(axis=1))} "
            f"| {_both(np.array(days.plain))} | {error[0]:.4f} | {error[1]:.4f} |"
        )
    yield ""
    reasons = sorted({reason for days in found.values() for reason in days.left})
    yield f"| left as they are, because | {' | '.join(found)} |"
    yield "|---|" + "---|" * len(found)
    for reason in reasons:
        counts = [str(days.left.get(reason, 0)) for days in found.values()]
        yield f"| {reason} | {' | '.join(counts)} |"


def _both(values: NDArray[np.float64]) -> str:
    return f"{np.median(values):.2f} ({values.max():.2f})"


def main() -> None:
    """Measure, print, and write the table into docs/pixels.md."""
    text = "\n".join(table(measure()))
    print(text)
    replace_part(project_dir() / "docs" / "pixels.md", "terrain", text)


if __name__ == "__main__":
    main()
