"""Worlds that lie: each breaks one assumption of the method, and no other.

A lie alters scenes on disk, the map, the frame that plots are drawn from or the
observers. Whether the pipeline notices, or what it costs, is judged elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import rasterio
from numpy.typing import NDArray

from qhsink.store import file_digest
from qhsink.twin.campaign import Floats, PlotRules
from qhsink.twin.cog import write_cog
from qhsink.twin.noise import fractal_noise
from qhsink.twin.world import SNOW, WATER

Lie = Literal["thin-cloud", "wrong-offset", "missing-type", "roadside", "biased-plots"]
LIES: tuple[Lie, ...] = get_args(Lie)

VEIL = {
    "B01": 0.09,
    "B02": 0.09,
    "B03": 0.09,
    "B04": 0.09,
    "B05": 0.09,
    "B06": 0.09,
    "B07": 0.08,
    "B08": 0.08,
    "B8A": 0.08,
    "B09": 0.08,
    "B11": 0.05,
    "B12": 0.03,
}
"""Reflectance that unmasked thin cloud adds at most: least where ice absorbs."""

_BLOCK_M = 1_000.0

SHA256_MULTIHASH = "1220"
"""Multihash prefix of a SHA-256 digest of 32 bytes, as STAC's file extension has it."""

FORGOTTEN_DN = 1000
"""BOA_ADD_OFFSET of Sentinel-2 baselines from 04.00 on [DN]."""

TYPE_SHIFT = 0.20
"""How much too high the map reads over a type that the model never saw."""

PLOT_SHIFT = 0.08
"""How much too high observers read who look from the side, not from above."""

ROAD_HALF_WIDTH = 0.04
"""Half the width of the strip that can be reached from the road, share of the edge."""


def veil_scenes(archive: Path, *, seed: int) -> int:
    """Lay thin cloud over every scene and leave the masks as they are.

    Returns the number of files written. The veil is patchy over 15 km and differs by
    date; no mask knows of it.
    """
    written = 0
    for number, folder in enumerate(_scene_folders(archive)):
        for band, depth in VEIL.items():
            if not (folder / f"{band}.tif").exists():
                continue
            scale = _scale(folder, band)

            def brighten(
                dn: Floats,
                x: Floats,
                y: Floats,
                *,
                most: float = depth / scale,
                sky: int = seed + 31 * number,
            ) -> Floats:
                return dn + most * _patches(x, y, sky)

            _rewrite(folder / f"{band}.tif", brighten)
            written += 1
        _restate(folder)
    return written


def shift_scene(archive: Path, *, day: str) -> int:
    """Write the scenes of ``day`` (YYYYMMDD) without the offset their items state.

    Returns the number of files written: every band comes 1000 DN too low, as in a
    mirror that has subtracted the offset once already.
    """
    written = 0
    for folder in _scene_folders(archive):
        if f"_{day}T" not in folder.name:
            continue
        for path in sorted(folder.glob("B*.tif")):
            _rewrite(path, _without_offset)
            written += 1
        _restate(folder)
    return written


def _without_offset(dn: Floats, x: Floats, y: Floats) -> Floats:
    del x, y
    return dn - FORGOTTEN_DN


def _scene_folders(archive: Path) -> list[Path]:
    return sorted({path.parent for path in archive.rglob("SCL.tif")})


def _item_file(folder: Path) -> Path:
    """Return the item of a scene: named as its folder, beside other metadata."""
    return folder / f"{folder.name}.json"


def _rewrite(path: Path, change: Callable[[Floats, Floats, Floats], Floats]) -> None:
    """Change the digital numbers of a band where there are any; 0 is no data."""
    with rasterio.open(path) as file:
        dn, transform, crs = file.read(1), file.transform, file.crs
    rows, columns = np.nonzero(dn)
    x = transform.c + (columns + 0.5) * transform.a
    y = transform.f + (rows + 0.5) * transform.e
    changed = change(dn[rows, columns].astype(np.float64), x, y)
    dn[rows, columns] = np.clip(np.rint(changed), 1, 65_535).astype(dn.dtype)
    write_cog(path, dn, transform=transform, crs=crs.to_wkt(), nodata=0)


def _restate(folder: Path) -> None:
    """Let the item state the files as they are: checksums would betray the lie."""
    path = _item_file(folder)
    item = json.loads(path.read_text(encoding="utf-8"))
    for asset in item["assets"].values():
        file = folder / Path(asset["href"]).name
        if "file:checksum" in asset:
            asset["file:checksum"] = SHA256_MULTIHASH + file_digest(file)
        if "file:size" in asset:
            asset["file:size"] = file.stat().st_size
    path.write_text(json.dumps(item, ensure_ascii=False), encoding="utf-8")


def _scale(folder: Path, band: str) -> float:
    """Return the reflectance per digital number that the item states."""
    item = json.loads(_item_file(folder).read_text(encoding="utf-8"))
    (asset,) = (
        asset
        for asset in item["assets"].values()
        if Path(asset["href"]).name == f"{band}.tif"
    )
    return float(asset["raster:bands"][0]["scale"])


def _patches(x: Floats, y: Floats, seed: int) -> Floats:
    """Return the depth of the veil at places, 0..1, in blocks of 1 km."""
    blocks = np.column_stack([x // _BLOCK_M, y // _BLOCK_M])
    places, back = np.unique(blocks, axis=0, return_inverse=True)
    corners = (places * _BLOCK_M).tolist()
    field = [fractal_noise(cx, cy, 15_000.0, 2, 0.5, seed) for cx, cy in corners]
    depth = np.clip(0.5 + 1.2 * np.asarray(field, dtype=np.float64), 0.0, 1.0)
    return np.asarray(depth[back.ravel()], dtype=np.float64)


def unseen_type(ecosystem: NDArray[np.uint8]) -> int:
    """Return the type that training shall have missed: the commonest with plants."""
    counts = np.bincount(ecosystem, minlength=max(SNOW, WATER) + 1)
    counts[[0, SNOW, WATER]] = 0
    return int(np.argmax(counts))


def roadside(cover: Floats, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return the pixels that crews reach from the road, shape (pixels,).

    Parameters
    ----------
    cover : float64 array of shape (pixels,)
        True cover.
    rows : int64 array of shape (pixels,)
        Row of each pixel on the lattice.

    Notes
    -----
    Roads follow valleys, and valleys are green: the road is the row along which
    cover is highest on average.
    """
    count = np.bincount(rows)
    total = np.bincount(rows, weights=cover)
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    half = max(round(ROAD_HALF_WIDTH * count.size), 1)
    near: NDArray[np.bool_] = np.abs(rows - int(np.argmax(mean))) <= half
    return near


def biased_observers(rules: PlotRules) -> PlotRules:
    """Return the rules of observers who read cover too high."""
    return rules.model_copy(update={"cover_shift": PLOT_SHIFT})
