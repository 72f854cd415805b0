"""Build the simulated archive: complete or absent, and only once.

Written aside and renamed into place; a manifest inside says from what it was made
and how large each file is. What a pixel holds is decided elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from qhsink.domain.errors import BadInput, StoreFault
from qhsink.grid import qinghai_albers
from qhsink.store import code_version
from qhsink.twin import catalog, truth
from qhsink.twin.granules import granules_over
from qhsink.twin.scenes import Steps, Terrain, lights, pass_days, write_granule
from qhsink.twin.spec import TwinSpec, load_spec

MANIFEST = "manifest.json"
PROVENANCE = "simulated"
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything an archive is made from."""

    regions: tuple[tuple[str, BaseGeometry], ...]
    """Region ids and polygons in grid coordinates."""
    lakes: tuple[BaseGeometry, ...]
    """Lakes in grid coordinates."""
    seed: int
    year: int
    pixel_size_m: float
    spec: TwinSpec

    def digest(self) -> str:
        """Return the digest of parameters, geometry and code version."""
        parts = {
            "code": code_version("qhsink.twin", "qhsink.grid"),
            "spec": self.spec.model_dump(mode="json"),
            "regions": [[name, shape.wkb_hex] for name, shape in self.regions],
            "lakes": [lake.wkb_hex for lake in self.lakes],
            "seed": self.seed,
            "year": self.year,
            "pixel_size_m": self.pixel_size_m,
        }
        text = json.dumps(parts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def build_archive(  # noqa: PLR0913 - each option is one thing to choose
    out: Path,
    *,
    regions: Sequence[tuple[str, BaseGeometry]],
    seed: int,
    year: int,
    pixel_size_m: float,
    lakes: Sequence[BaseGeometry] = (),
    spec: TwinSpec | None = None,
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
        Edge of a pixel [m]; a multiple of 60.
    lakes : sequence of shapely geometries
        Real lakes, in grid coordinates.
    spec : TwinSpec, optional
        Parameters; ``config/twin.toml`` by default.
    on_progress : callable, optional
        Called with (steps done, steps in all, what was done).
    workers : int
        Threads.
    force : bool
        Build again even if the archive is complete.

    Raises
    ------
    BadInput
        No region, a pixel size that does not fit, or a folder that is not ours.
    StoreFault
        The disk is full or not writable.
    """
    recipe = _recipe(regions, lakes, seed, year, pixel_size_m, spec or load_spec())
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


def _recipe(
    regions: Sequence[tuple[str, BaseGeometry]],
    lakes: Sequence[BaseGeometry],
    seed: int,
    year: int,
    pixel_size_m: float,
    spec: TwinSpec,
) -> Recipe:
    if not regions:
        raise BadInput(
            "no region",
            expected="at least one region to simulate",
            remedy="Name one with --region.",
        )
    if not 0 <= seed < 2**31:
        raise BadInput(
            f"seed {seed}", expected="0 to 2147483647", remedy="Give another --seed."
        )
    ordered = tuple(sorted(regions, key=lambda region: region[0]))
    return Recipe(ordered, tuple(lakes), seed, year, float(pixel_size_m), spec)


def _write_archive(
    aside: Path, recipe: Recipe, on_progress: Progress | None, workers: int
) -> dict[str, Any]:
    spec, crs = recipe.spec, qinghai_albers()
    area = shapely.union_all([shape for _, shape in recipe.regions])
    area = area.simplify(100.0).buffer(spec.buffer_m, quad_segs=4)
    terrain = Terrain(crs, recipe.lakes, spec.shore_m)
    world = spec.build_world(recipe.seed, recipe.year)
    granules = granules_over(area, crs, pixel_size=recipe.pixel_size_m)
    skies = lights(spec, seed=recipe.seed, year=recipe.year)
    total = len(granules) * len(spec.passes) + len(recipe.regions)
    steps = Steps(total, on_progress)
    scenes = aside / catalog.COLLECTION
    with ThreadPoolExecutor(workers) as pool:
        # The longest jobs first, so that no worker is left alone with one at the end.
        truths = {
            name: pool.submit(_write_truth, aside, name, shape, recipe, terrain, steps)
            for name, shape in sorted(recipe.regions, key=lambda r: -r[1].area)
        }
        largest_first = sorted(granules, key=lambda entry: -entry[1].area)
        pending = [
            pool.submit(
                write_granule,
                scenes,
                granule,
                part,
                terrain=terrain,
                world=world,
                spec=spec,
                year=recipe.year,
                skies=skies,
                step_done=steps,
            )
            for granule, part in largest_first
        ]
        try:
            items = [item for job in pending for item in job.result()]
            means = {name: job.result() for name, job in truths.items()}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    _write_catalog(aside, items, recipe)
    truth.write_events(aside / "truth" / "events.gpkg", world, recipe.regions, crs)
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
        "granules": sorted(granule.name for granule, _ in granules),
        "items": len(items),
    }


def _write_truth(
    aside: Path,
    name: str,
    shape: BaseGeometry,
    recipe: Recipe,
    terrain: Terrain,
    steps: Steps,
) -> dict[str, Any]:
    means = truth.write_truth(
        aside / "truth",
        name,
        shape,
        terrain=terrain,
        world=recipe.spec.build_world(recipe.seed, recipe.year),
        pixel_size=recipe.pixel_size_m,
    )
    steps(f"truth of {name}")
    return means


def _write_catalog(
    aside: Path, items: Sequence[Mapping[str, Any]], recipe: Recipe
) -> None:
    first, last = pass_days(recipe.spec.passes, recipe.year)
    boxes = [item["bbox"] for item in items]
    bbox = [
        min(b[0] for b in boxes),
        min(b[1] for b in boxes),
        max(b[2] for b in boxes),
        max(b[3] for b in boxes),
    ]
    hrefs = sorted(
        f"./{item['properties']['grid:code'].removeprefix('MGRS-')}/{item['id']}"
        f"/{item['id']}.json"
        for item in items
    )
    document = catalog.collection(
        bbox=bbox, first=first, last=last, items=hrefs, gsd=recipe.pixel_size_m
    )
    _write_json(aside / catalog.COLLECTION / "collection.json", document)
    _write_json(aside / "catalog.json", catalog.catalog())


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
