"""Ready tables of reflectance and measured values, and what is known of them.

The shipped transects, and tables of users. What is learnt from them is ``train``'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhsink.domain.errors import BadInput, TableError
from qhsink.domain.estimate import Provenance
from qhsink.domain.model_target import ModelTarget
from qhsink.mapping.features import required_bands
from qhsink.mapping.layers import LAYERS
from qhsink.mapping.screening import filled_rows, linear_copies
from qhsink.mapping.training import Samples
from qhsink.registry import read_labels, read_table, table_digest
from qhsink.registry.tables import read_numbers

TABLE = Path("training") / "fractionalcover3_transects.csv.gz"
"""The shipped table of transects, below ``models/``."""
TRANSECT_COLUMN = "pv"
"""Its column of green cover."""
BANDS = ("green", "red", "nir", "swir16", "swir22")
LEAST_ROWS = 200
"""Distinct rows of a ready table, at least."""
BRIGHTEST = 1.2
"""Greatest surface reflectance of a table: snow comes out a little above one."""

DEFINITION = {
    "en": "Green fractional vegetation cover (FVC): the share of ground covered by "
    "photosynthetic vegetation seen from above, woody and herbaceous layers together, "
    "0 to 1 (column pv). Dry standing plants and litter do not count. It is not the "
    "plot-based comprehensive vegetation cover of grassland.",
    "zh": "绿色植被覆盖度（FVC）：从上方垂直观测，光合植被（乔、灌、草各层合计）"
    "覆盖地面的比例，取值 0 至 1（字段 pv）。立枯物与凋落物不计入。"
    "本指标不同于以样地调查为准的草原综合植被盖度。",
}
FOLDS = (
    "Five folds of whole groups, dealt at random. Group: 20 consecutive rows, the only "
    "trace of sampling order, since the table has no coordinates, dates or site "
    "identifiers. Beside it, as a harder test: 60 k-means clusters of log reflectance, "
    "each held out whole, so that repeat visits of one site, which look alike, are on "
    "one side."
)
TRANSECTS: dict[str, Any] = {
    "definition": DEFINITION
    | {
        "evidence": "pv already includes persistent (woody) green, pg: pv + npv + bare "
        "is 1 within 0.01 in 3,935 of 3,937 rows, pg exceeds pv in none and equals it "
        "in 339. The package's own fit uses pv, npv and bare alone and notes that "
        "cryptogams are merged into them."
    },
    "domain": "Australian rangelands, woodlands and crops, 1997 to 2018, under Landsat "
    "5, 7 and 8. No transect lies on the Qinghai-Tibet Plateau: alpine meadow and "
    "steppe, frozen and saline soils and steep slopes are outside the data, and "
    "Sentinel-2 bands differ slightly from Landsat's. The scores below are not known "
    "to hold on the plateau until plots from there say so.",
    "fold_rule": FOLDS + " Settings were chosen on other deals of the first kind.",
    "fold_limits": "The rows show no order (the next is as unlike as any other), so "
    "runs of rows act almost as a random split: repeat visits and neighbouring sites "
    "may be on both sides and flatter the scores. The spectral clusters guard against "
    "that in part. Neither is a test in another region, year, season or sensor.",
}
FOREIGN: dict[str, Any] = {
    "domain": "the table's own sites and dates, which qhsink does not know.",
    "fold_rule": FOLDS,
    "fold_limits": "Rows in another than sampling order make runs of rows a random "
    "split. Neither kind is a test in another region, year, season or sensor.",
}
SOURCE = {
    "title": "Star transects with Landsat reflectance, JRSRP Fractional Cover 3.0",
    "citation": "Scarth, P., Denham, R., Watson, F. 2022, doi:10.5281/zenodo.7008343, "
    "Python package fractionalcover3 2.0.0; field method: Muir et al. 2011, ABARES.",
    "licence": "MIT, Copyright (c) 2024 University of Queensland and contributors "
    "(models/training/LICENSE-fractionalcover3.txt)",
}
SIMULATED = (
    "SIMULATED TRAINING DATA: what this model says about any real place is unknown. "
)
"""First words of the domain of a model that learnt from simulated data."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """Samples, and what a card says of them."""

    samples: Samples
    """What is learnt from."""
    told: dict[str, Any]
    """JSON-able: definition, domain, fold rule and limits, source."""
    doubts: tuple[str, ...]
    """What looks odd in the table, in sentences."""


def with_provenance(told: dict[str, Any], provenance: Provenance) -> dict[str, Any]:
    """Return what is told of data, with a mark where they are simulated."""
    if provenance == "observed":
        return told
    return told | {"provenance": provenance, "domain": SIMULATED + told["domain"]}


def shipped_data(models: Path) -> TrainingData:
    """Return the transects that come with the project, below ``models``."""
    samples, source = read_samples(models / TABLE, column=TRANSECT_COLUMN)
    return TrainingData(samples, TRANSECTS | {"source": SOURCE | source}, ())


def table_data(
    path: Path,
    target: ModelTarget,
    *,
    column: str,
    group: str | None,
    provenance: Provenance,
    features: Sequence[str],
) -> TrainingData:
    """Return a user's table of reflectance and values.

    Parameters
    ----------
    path : Path
        CSV with ``BANDS``, the layers that features are made of, and ``column``.
    target : ModelTarget
        Range of the values.
    column : str
        Column of the measured value.
    group : str, optional
        Column whose rows stay together.
    provenance : {"observed", "simulated"}
    features : sequence of str
        What the model will read.

    Raises
    ------
    BadInput
        When the table cannot be used.
    """
    layers = tuple(dict.fromkeys((*BANDS, *required_bands(features))))
    if column in layers:
        raise BadInput(
            f"--target {column}, a band or layer that the model reads",
            expected="a column of measured values",
            remedy="Name it with --target.",
        )
    samples, found = read_samples(
        path, column=column, target=target, group=group, layers=layers
    )
    doubts = tuple(found.get("doubts", ()))
    known = _foreign(target, column, group) | {"source": _foreign_source(path) | found}
    return TrainingData(samples, with_provenance(known, provenance), doubts)


def read_samples(
    path: Path,
    *,
    column: str,
    target: ModelTarget | None = None,
    group: str | None = None,
    layers: tuple[str, ...] = BANDS,
) -> tuple[Samples, dict[str, Any]]:
    """Return the distinct rows of a table, and its digest, size and doubts.

    Parameters
    ----------
    target : ModelTarget, optional
        Range of the values; 0..1 by default.
    layers : tuple of str
        Columns of reflectance and of other layers, in their units.

    Raises
    ------
    TableError
        When the table cannot be read, or values are out of range.
    """
    table = read_table(path, (column, *layers))
    distinct = table.drop_duplicates()
    low, high = (0.0, 1.0) if target is None else (target.low, target.high)
    bands = [name for name in layers if LAYERS[name].is_reflectance]
    _refuse_range(path, distinct, column, bands, (low, high))
    values = {name: distinct[name].to_numpy(float) for name in (column, *layers)}
    found: dict[str, Any] = {
        "sha256": table_digest(path),
        "rows": f"{len(table):,} in the table, {len(table) - len(distinct)} exact "
        "repeats left out",
    }
    every = {name: kept[distinct.index] for name, kept in read_numbers(path).items()}
    every |= values
    doubts = [str(copy) for copy in linear_copies(every)]
    doubts += [str(part) for part in filled_rows(column, every)]
    if doubts:
        found["doubts"] = doubts
    groups = read_labels(path, group)[distinct.index] if group else None
    held = {name: values[name] for name in layers}
    return Samples(held, values[column], groups), found


def _refuse_range(
    path: Path,
    table: Any,
    column: str,
    bands: list[str],
    valid: tuple[float, float],
) -> None:
    low, high = valid
    dark = table[bands].lt(0) | table[bands].gt(BRIGHTEST)
    odd = dark.any(axis=1) | table[column].lt(low) | table[column].gt(high)
    if odd.any() or len(table) < LEAST_ROWS:
        raise TableError(
            f"{path.name}: {len(table)} distinct rows, {int(odd.sum())} with "
            f"{column} outside {low:g}..{high:g} or reflectance outside "
            f"0..{BRIGHTEST:g}",
            expected=f"at least {LEAST_ROWS} rows, values in the target's unit, "
            "reflectance as a fraction",
            remedy="Divide percentages by 100 and digital numbers by 10 000.",
        )


def _foreign(target: ModelTarget, column: str, group: str | None) -> dict[str, Any]:
    """Return what is known of a user's table, in words."""
    definition = {
        "en": f"{target.reference_en} (column {column})",
        "zh": f"{target.reference_zh}（字段 {column}）",
        "evidence": f"the table's owner answers for column {column}.",
    }
    known = FOREIGN | {"definition": definition}
    if group is None:
        return known
    return known | {
        "grouping": f"groups of column {group}",
        "fold_rule": f"Five folds of whole groups, dealt at random. Group: column "
        f"{group} of the table. Beside it 60 k-means clusters of log reflectance, each "
        "held out whole.",
        "fold_limits": "As independent as the groups are: neighbouring sites in "
        "different groups may still resemble each other.",
    }


def _foreign_source(path: Path) -> dict[str, str]:
    return {
        "title": f"A user's table, {path.name}",
        "citation": "Its origin was not stated.",
        "licence": "not stated",
    }
