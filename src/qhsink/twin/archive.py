"""Build the simulated archive: complete or absent, and only once.

Written aside and renamed into place; a manifest inside says from what it was made
and how large each file is. What a pixel holds is decided elsewhere.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from qhsink.domain.errors import BadInput, StoreFault
from qhsink.grid import qinghai_albers
from qhsink.twin import (
    catalog,
    elevation_model,
    landsat_items,
    radar_items,
    sentinel2_items,
    truth,
)
from qhsink.twin.catalog import PROVENANCE, Shelf
from qhsink.twin.orders import Item, Order, Steps, Terrain
from qhsink.twin.product_spec import Orbits
from qhsink.twin.recipe import PRODUCTS, Recipe, check
from qhsink.twin.sentinel2_items import Choice, Processing
from qhsink.twin.spec import TwinSpec, load_spec

MANIFEST = "manifest.json"
Progress = Callable[[int, int, str], None]

SHELVES: Mapping[str, Shelf] = {
    shelf.id: shelf
    for shelf in (
        sentinel2_items.SHELF,
        sentinel2_items.OLDER_SHELF,
        elevation_model.SHELF,
        radar_items.SHELF,
        landsat_items.SHELF,
    )
}
"""Collections by id."""


def build_archive(  # noqa: PLR0913 - each option is one thing to choose
    out: Path,
    *,
    regions: Sequence[tuple[str, BaseGeometry]],
    seed: int,
    year: int,
    pixel_size_m: float,
    lakes: Sequence[BaseGeometry] = (),
    spec: TwinSpec | None = None,
    products: Sequence[str] = ("s2",),
    processing: Processing = "collection-1",
    bands: Choice = "six",
    orbits: Orbits = "both",
    on_progress: Progress | None = None,
    workers: int = 2,
    force: bool = False,
) -> Path:
    """Build the archive in ``out`` unless it is there, and return its catalogue.

    Parameters
    ----------
    out : Path
        Folder of the archive; replaced only if it holds an archive or nothing.
    regions : sequence of (id, geometry)
        Regions in grid coordinates (``qhsink.grid.qinghai_albers``).
    seed : int
        Seed of the world, the clouds and the noise: 0 to 2**31 - 1.
    year : int
        Calendar year of the scenes.
    pixel_size_m : float
        Edge of a pixel [m]: a multiple of 60, or 20 for the pixels of the real
        products (10, 20 and 60 m of Sentinel-2).
    lakes : sequence of shapely geometries
        Real lakes, in grid coordinates.
    spec : TwinSpec, optional
        Parameters; ``config/twin.toml`` by default.
    products : sequence of str
        Keys of ``PRODUCTS``.
    processing : {"collection-1", "before-04", "both-flags"}
        How Sentinel-2 was processed and what its items say of it.
    bands : {"six", "red-edge", "all"}
        Which bands Sentinel-2 has; the six are the same with all.
    orbits : {"both", "ascending", "descending"}
        Directions of flight of Sentinel-1.
    on_progress : callable, optional
        Called with (steps done, steps in all, what was done).
    workers : int
        Threads.
    force : bool
        Build again even if the archive is complete.

    Raises
    ------
    BadInput
        No region, no such product, a pixel size that does not fit, or a folder that
        is not ours.
    StoreFault
        The disk is full or not writable.
    """
    recipe = Recipe(
        regions=tuple(sorted(regions, key=lambda region: region[0])),
        lakes=tuple(lakes),
        seed=seed,
        year=year,
        pixel_size_m=float(pixel_size_m),
        spec=spec or load_spec(),
        products=tuple(name for name in PRODUCTS if name in products),
        processing=processing,
        bands=bands,
        orbits=orbits,
    )
    check(recipe, products)
    if not force and is_complete(out, recipe):
        return out / "catalog.json"
    _check_replaceable(out)
    aside = out.parent / f".{out.name}.building-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    try:
        aside.mkdir(parents=True)
        _clear_dead_builds(out)
        meta = _write_archive(aside, recipe, on_progress, workers)
        _seal(aside, recipe, meta)
        _publish(aside, out)
    except OSError as error:
        raise StoreFault(
            f"the archive in {out} could not be written ({error.strerror or error})",
            expected="a writable folder with about 500 MB free",
            remedy="Free space or name another folder with --out, then run again.",
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return out / "catalog.json"


def is_complete(out: Path, recipe: Recipe) -> bool:
    """Whether ``out`` holds the whole archive of ``recipe`` (keys and file sizes)."""
    manifest = read_manifest(out)
    if manifest is None or manifest.get("key") != recipe.digest():
        return False
    files: Mapping[str, int] = manifest["files"]
    try:
        return all((out / n).stat().st_size == size for n, size in files.items())
    except OSError:
        return False


def read_manifest(out: Path) -> dict[str, Any] | None:
    """Return the manifest of the archive in ``out``, or None when there is none."""
    try:
        found: dict[str, Any] = json.loads((out / MANIFEST).read_text("utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    return found


def _write_archive(
    aside: Path, recipe: Recipe, on_progress: Progress | None, workers: int
) -> dict[str, Any]:
    order = _order(aside, recipe)
    jobs = [(job, name) for name in recipe.products for job in PRODUCTS[name](order)]
    total = sum(job.steps for job, _ in jobs) + len(recipe.regions)
    steps = Steps(total, on_progress)
    items: dict[str, list[Item]] = {name: [] for name in recipe.products}
    with ThreadPoolExecutor(workers) as pool:
        # The longest jobs first, so that no worker is left alone with one at the end.
        truths = {
            name: pool.submit(_write_truth, order, name, shape, steps)
            for name, shape in sorted(recipe.regions, key=lambda r: -r[1].area)
        }
        pending = [
            (pool.submit(job.make, steps), name)
            for job, name in sorted(jobs, key=lambda entry: -entry[0].weight)
        ]
        try:
            for made, name in pending:
                items[name] += made.result()
            means = {name: made.result() for name, made in truths.items()}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    _write_catalog(aside, items)
    crs = order.terrain.crs
    truth.write_events(
        aside / "truth" / "events.gpkg", order.world, recipe.regions, crs
    )
    _write_json(
        aside / "truth" / "truth.json",
        {
            "provenance": PROVENANCE,
            "year": recipe.year,
            "legend": truth.legend(),
            "regions": means,
        },
    )
    return {
        "products": {name: len(found) for name, found in items.items()},
        "items": sum(len(found) for found in items.values()),
    }


def _order(aside: Path, recipe: Recipe) -> Order:
    spec = recipe.spec
    area = shapely.union_all([shape for _, shape in recipe.regions])
    return Order(
        folder=aside,
        area=area.simplify(100.0).buffer(spec.buffer_m, quad_segs=4),
        terrain=Terrain(qinghai_albers(), recipe.lakes, spec.shore_m),
        world=spec.build_world(recipe.seed, recipe.year),
        spec=spec,
        pixel_size=recipe.pixel_size_m,
        processing=recipe.processing,
        bands=recipe.bands,
        orbits=recipe.orbits,
    )


def _write_truth(
    order: Order, name: str, shape: BaseGeometry, steps: Steps
) -> dict[str, Any]:
    means = truth.write_truth(
        order.folder / "truth",
        name,
        shape,
        terrain=order.terrain,
        world=order.world,
        pixel_size=order.pixel_size,
    )
    steps(f"truth of {name}")
    return means


def _write_catalog(aside: Path, items: Mapping[str, Sequence[Item]]) -> None:
    """Write the root and a collection for each product that has items."""
    shelves = [SHELVES[found[0]["collection"]] for found in items.values() if found]
    for shelf, found in zip(shelves, filter(None, items.values()), strict=True):
        folder = aside / shelf.id
        places = {path.stem: path for path in folder.rglob("*.json")}
        hrefs = [f"./{places[i['id']].relative_to(folder).as_posix()}" for i in found]
        document = catalog.collection(shelf, found, hrefs=hrefs)
        _write_json(folder / "collection.json", document)
    _write_json(aside / "catalog.json", catalog.catalog(s.id for s in shelves))


def _seal(aside: Path, recipe: Recipe, meta: Mapping[str, Any]) -> None:
    files = {
        path.relative_to(aside).as_posix(): path.stat().st_size
        for path in sorted(aside.rglob("*"))
        if path.is_file()
    }
    manifest = {
        "what": "simulated archive of qhsink twin build",
        "provenance": PROVENANCE,
        "key": recipe.digest(),
        "seed": recipe.seed,
        "year": recipe.year,
        "pixel_size_m": recipe.pixel_size_m,
        "regions": [name for name, _ in recipe.regions],
        **meta,
        "bytes": sum(files.values()),
        "files": files,
    }
    _write_json(aside / MANIFEST, manifest)


def _publish(aside: Path, out: Path) -> None:
    """Put ``aside`` in the place of ``out``; the old archive goes only then."""
    old = aside.with_name(aside.name + "-old")
    if out.exists():
        out.rename(old)
    aside.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _check_replaceable(out: Path) -> None:
    if not out.exists():
        return
    empty = out.is_dir() and not any(out.iterdir())
    if not empty and read_manifest(out) is None:
        raise BadInput(
            f"{out} holds something that is not an archive of the twin",
            expected="a new folder, or one that `qhsink twin build` made",
            remedy="Name another folder with --out.",
        )


def _clear_dead_builds(out: Path) -> None:
    """Remove what killed builds left beside ``out``."""
    for folder in out.parent.glob(f".{out.name}.building-*"):
        number = folder.name.removeprefix(f".{out.name}.building-").split("-")[0]
        if number.isdigit() and not _is_alive(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
