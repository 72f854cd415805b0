"""What became of a tile, and the ledger rows that it left in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from qhsink.estimation.ledger import COLUMNS
from qhsink.steps.target_cells import CELL_COLUMNS, CELLS_FILE
from qhsink.store import Store


@dataclass(frozen=True, slots=True)
class TileOutcome:
    """What became of a tile."""

    tile: str
    """Tile name."""
    kind: str
    """``month`` or ``peak``."""
    keys: Mapping[str, str]
    """Digest of each artifact, by name: ``composite``, ``layers/GROUP``, ``maps``,
    ``ledger``, and of further targets as in ``target_maps.target_keys``; empty when the
    tile failed."""
    made: tuple[str, ...]
    """Artifacts that were computed now; the others were found in the store."""
    error: str | None
    """Why the tile has no result, in one line; None when it has."""


def read_ledger(outcome: TileOutcome, store: Store) -> pd.DataFrame:
    """Return a tile's ledger rows of vegetation cover from the store."""
    folder = store.folder_of("ledger", outcome.keys["ledger"])
    return pd.read_parquet(folder / "rows.parquet")


def read_target_ledger(
    outcome: TileOutcome, store: Store
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a tile's ledger rows and cells of further targets.

    No row where there are none.
    """
    folders = [
        store.folder_of("target_ledger", digest)
        for name, digest in outcome.keys.items()
        if name.startswith("ledger/")
    ]
    if not folders:
        return (
            pd.DataFrame(columns=[*COLUMNS, "target"]),
            pd.DataFrame(columns=[*CELL_COLUMNS, "target"]),
        )
    rows, cells = (
        [pd.read_parquet(folder / name) for folder in folders]
        for name in ("rows.parquet", CELLS_FILE)
    )
    return pd.concat(rows, ignore_index=True), pd.concat(cells, ignore_index=True)
