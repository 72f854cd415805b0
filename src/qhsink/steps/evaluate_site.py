"""A square after its run: the map and the truth on the same land pixels.

How a world is run is in ``evaluate_world``; what is estimated, in the others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.windows import from_bounds

from qhsink.estimation.ledger import RegionSums
from qhsink.reporting.record import ReportRow
from qhsink.steps.evaluate_places import Square, TrialSpec
from qhsink.steps.map_bands import NODATA, SCALE
from qhsink.steps.plan import RunPlan
from qhsink.steps.tile_outcome import TileOutcome
from qhsink.store import Store
from qhsink.twin import lies
from qhsink.twin.campaign import Floats, Index, Truth
from qhsink.twin.ground import Ground
from qhsink.twin.world import WATER


@dataclass(frozen=True, slots=True)
class Site:
    """A square after the run: map and truth on its land pixels."""

    square: Square
    x: Floats
    """Pixel centres [m], shape (n,); land only."""
    y: Floats
    """... along y."""
    rows: Index
    """Row on the square's lattice."""
    columns: Index
    """Column."""
    part: NDArray[np.str_]
    """Id of the sub-region."""
    predicted: Floats
    """Map value; NaN where the run gave none, shape (n,)."""
    spread: Floats
    """Standard deviation of the map over members; NaN likewise, shape (n,)."""
    ground: Ground
    """The truth."""
    sums: Mapping[str, RegionSums]
    """Ledger sums by id of square and sub-region."""
    reported: Mapping[str, ReportRow]
    """The run's own row for mean cover, by id."""

    @property
    def cover(self) -> Floats:
        """True cover, shape (n,)."""
        return self.ground.fvc.astype(np.float64)


def whole_id(place: Square) -> str:
    """Return the id of a whole square among its sub-regions."""
    return f"square-{place.region}"


def lay_beside(
    place: Square,
    outcomes: Sequence[TileOutcome],
    plan: RunPlan,
    truth: Truth,
    trial: TrialSpec,
) -> Site:
    """Return map and truth of a place on its land pixels; sums are not known here.

    Parameters
    ----------
    outcomes : sequence of TileOutcome
        Of one composite.
    truth : callable
        At the time of that composite.
    """
    pixel = trial.pixel_size_m
    edge = round(trial.square_m / pixel)
    left, _, _, top = place.outline.bounds
    rows, columns = (a.ravel() for a in np.indices((edge, edge)))
    x = np.asarray(left + (columns + 0.5) * pixel, dtype=np.float64)
    y = np.asarray(top - (rows + 0.5) * pixel, dtype=np.float64)
    ground = truth(x, y)
    land = ground.ecosystem != WATER
    predicted, spread = _read_map(place, outcomes, plan, edge).reshape(2, -1)
    part_px = edge // trial.parts
    part = np.array(
        [
            f"{place.region}-r{trial.parts - 1 - row // part_px}c{col // part_px}"
            for row, col in zip(rows, columns, strict=True)
        ]
    )
    fields = {
        field.name: getattr(ground, field.name)[land]
        for field in dataclasses.fields(ground)
    }
    return Site(
        square=place,
        x=x[land],
        y=y[land],
        rows=rows[land].astype(np.int64),
        columns=columns[land].astype(np.int64),
        part=part[land],
        predicted=predicted[land],
        spread=spread[land],
        ground=Ground(**fields),
        sums={},
        reported={},
    )


def _read_map(
    place: Square, outcomes: Sequence[TileOutcome], plan: RunPlan, edge: int
) -> Floats:
    """Return the map and its spread on the square's lattice, shape (2, y, x).

    NaN where there is no value.
    """
    store = Store(plan.setup.settings.store)
    values = np.full((2, edge, edge), np.nan)
    for outcome in outcomes:
        if outcome.error is not None:
            continue
        path = store.folder_of("maps", outcome.keys["maps"]) / "fvc.tif"
        with rasterio.open(path) as file:
            if not shapely.box(*file.bounds).intersects(place.outline):
                continue
            window = from_bounds(*place.outline.bounds, transform=file.transform)
            dn = file.read(
                [1, 2], window=window.round(), boundless=True, fill_value=NODATA
            ).astype(np.float64)
        values = np.where(dn == NODATA, values, dn * SCALE)
    return values


def misread_type(site: Site) -> Site:
    """Return the site with a map that never learned one ecosystem."""
    code = lies.unseen_type(site.ground.ecosystem)
    wrong = site.ground.ecosystem == code
    predicted = site.predicted + lies.TYPE_SHIFT * wrong
    seen = np.isfinite(site.predicted)
    sums, reported = {}, {}
    for name, old in site.sums.items():
        inside = seen if name == whole_id(site.square) else seen & (site.part == name)
        share = float(wrong[inside].mean()) if inside.any() else 0.0
        rise = lies.TYPE_SHIFT * share
        sums[name] = dataclasses.replace(
            old, members_ha=old.members_ha + rise * old.land_ha
        )
        row = site.reported[name]
        if row.estimate is not None:
            shifted = dataclasses.replace(
                row.estimate,
                value=row.estimate.value + rise,
                low=row.estimate.low + rise,
                high=row.estimate.high + rise,
            )
            row = dataclasses.replace(row, estimate=shifted)
        reported[name] = row
    return dataclasses.replace(site, predicted=predicted, sums=sums, reported=reported)
