"""Black-soil land and sandy land in a trial: areas of grades from plots.

By ``indicators grades``, once with cover as it was read, once with every plot's true
cover: the difference is what the error of plots does to grades. Degraded grassland is
in ``evaluate_cvcg``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qhsink.config import load_grades
from qhsink.domain.errors import QhsinkError
from qhsink.indicators.grassland import black_soil_grade, sandy_grade
from qhsink.steps.evaluate_labels import (
    LEAST_SHARE,
    Flags,
    frame_of,
    plain_line,
    settings,
)
from qhsink.steps.evaluate_places import TrialSpec
from qhsink.steps.evaluate_plots import map_bands, measure
from qhsink.steps.evaluate_result import BALD, SANDY, STEEPNESS, VERDICT_LEVEL, Result
from qhsink.steps.evaluate_site import Site
from qhsink.steps.evaluate_totals import as_text
from qhsink.steps.graded_land import READING_ERRORS, GradeRequest, graded_areas
from qhsink.twin.campaign import Floats, Truth, draw_stratified
from qhsink.twin.classes import ALPINE_DESERT, BLACK_SOIL, MEADOW, PLAYA, STEPPE

Shares = Mapping[tuple[str, int], float]
"""True share of a square by scale and grade."""

READ, EXACT = "graded plots", "graded plots, read without error"
SCALES = {
    "black_soil_bald": BALD,
    "black_soil_slope": STEEPNESS,
    "sandy_cover": SANDY,
}
"""Grade scale to the indicator of its rows."""
SAND = (ALPINE_DESERT, PLAYA, STEPPE)
"""Classes whose surface counts as sand: the twin's country has no map of sand."""


@dataclass(frozen=True, slots=True)
class Graded:
    """What grades a square's pixels, or plots; arrays of shape (n,)."""

    cover: Floats
    meadow: NDArray[np.int64]
    """1 in alpine meadow, black-soil patches included."""
    sand: NDArray[np.int64]
    """1 where the surface is sandy."""
    slope_deg: Floats
    """From the heights of neighbouring pixels [degree]."""

    def at(self, index: NDArray[np.int64], cover: Floats) -> Graded:
        """Return what grades the plots at ``index``, with their own cover."""
        return Graded(
            cover, self.meadow[index], self.sand[index], self.slope_deg[index]
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the columns that ``indicators grades`` reads, by its argument."""
        return {
            "black_soil": as_text(
                {
                    "bald_share": 1.0 - self.cover,
                    "slope_deg": self.slope_deg,
                    "alpine_meadow": self.meadow,
                }
            ),
            "sandy_land": as_text({"cover": self.cover, "sandy": self.sand}),
        }

    def shares(self) -> Shares:
        """Return the share of every grade."""
        scales = load_grades(settings().project)
        meadow: Flags = self.meadow == 1
        bald, steep = black_soil_grade(
            100.0 * (1.0 - self.cover), self.slope_deg, meadow, scales=scales
        )
        sandy = sandy_grade(
            100.0 * self.cover, self.sand == 1, scale=scales["sandy_cover"]
        )
        # Slope classes are of black-soil land, as graded_land has them.
        graded = {
            "black_soil_bald": bald,
            "black_soil_slope": np.where(bald > 0, steep, -1),
            "sandy_cover": sandy,
        }
        return {
            (scale, grade): float(np.mean(of == grade))
            for scale, of in graded.items()
            for grade in range(len(scales[scale].names_en))
        }


def graded_land(
    site: Site, truth: Truth, trial: TrialSpec, rng: np.random.Generator
) -> Iterator[Result]:
    """Yield the share of a square in every grade of black-soil and sandy land.

    Plots are stratified by the map's cover. Grades of less than a hundredth of the
    square are left out, and those of no land of a kind.
    """
    land = land_of(site)
    shares = land.shares()
    drawn = draw_stratified(
        map_bands(site, trial.bands),
        trial.label_plots,
        minimum=trial.least_per_stratum,
        rng=rng,
    )
    frame = frame_of(drawn, trial)
    read = measure(site, drawn, truth, trial.plots_rules, rng).cover
    for mode, cover in ((READ, read), (EXACT, site.cover[drawn.index])):
        for name, table in land.at(drawn.index, cover).tables().items():
            plots = table.assign(stratum=drawn.stratum.astype(str))
            request = GradeRequest(name, trial.month, VERDICT_LEVEL)
            yield from _rows(site, (plots, frame), request, (mode, shares))


def land_of(site: Site) -> Graded:
    """Return what grades every pixel of a square."""
    edge = max(int(site.rows.max()), int(site.columns.max())) + 1
    heights = np.full((edge, edge), np.nan)
    heights[site.rows, site.columns] = site.ground.elevation
    step = float(np.median(np.diff(np.unique(site.x))))
    rise = np.hypot(*np.gradient(heights, step))[site.rows, site.columns]
    kinds = site.ground.ecosystem
    return Graded(
        cover=site.cover,
        meadow=np.isin(kinds, (MEADOW, BLACK_SOIL)).astype(np.int64),
        sand=np.isin(kinds, SAND).astype(np.int64),
        # Beside water no height is known on one side: flat.
        slope_deg=np.degrees(np.arctan(np.nan_to_num(rise))),
    )


def _rows(
    site: Site,
    tables: tuple[pd.DataFrame, pd.DataFrame],
    request: GradeRequest,
    judged: tuple[str, Shares],
) -> Iterator[Result]:
    """Yield the grades of one campaign beside their true shares."""
    mode, shares = judged
    mine = {
        place: share
        for place, share in shares.items()
        if place[0].startswith(request.indicator[:5]) and share >= LEAST_SHARE
    }
    if not mine:
        return
    plots, frame = tables
    try:
        found = graded_areas(plots, frame, None, request, settings())
    except QhsinkError as error:
        for (scale, _), share in mine.items():
            plain = plain_line(site, SCALES[scale], mode, share, len(plots))
            yield dataclasses.replace(plain, refusal=str(error))
        return
    for row in found.rows:
        true = mine.get((row.scale, row.grade))
        if true is None:
            continue
        plain = plain_line(site, SCALES[row.scale], mode, true, len(plots))
        area, flags = row.area, row.area.flags
        if mode == EXACT:
            flags = tuple(flag for flag in flags if flag != READING_ERRORS)
        if area.mean is None or area.se_mean is None:
            yield dataclasses.replace(plain, refusal="no estimate")
            continue
        yield dataclasses.replace(
            plain, value=area.mean, se=area.se_mean, df=area.df, flags=flags
        )
