"""What a run would do, artifact by artifact, and why; nothing is computed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from qhsink.config import Settings
from qhsink.registry import load_model
from qhsink.steps.guard import exclude_shifted
from qhsink.steps.plan import make_plan
from qhsink.steps.request import RunRequest, set_up
from qhsink.steps.target_maps import target_keys
from qhsink.steps.target_models import load_target_models
from qhsink.steps.tile_jobs import tile_jobs
from qhsink.steps.tile_keys import tile_keys
from qhsink.store import Key, Store

State = Literal["new", "cached", "recompute"]


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One artifact of a run to come."""

    step: str
    """Step that makes it."""
    name: str
    """Period and tile."""
    state: State
    """``cached``: there and whole; ``recompute``: an earlier one was made from
    something else; ``new``: never made."""
    why: str
    """What differs, or what is missing."""
    key: str
    """First digits of its key."""

    def to_json(self) -> dict[str, str]:
        """Return plain JSON types."""
        return dataclasses.asdict(self)


def foresee(request: RunRequest, settings: Settings) -> list[Foreseen]:
    """Return the state of every tile artifact that ``request`` needs.

    Scenes that the offset guard would leave out are known only once their pixels
    are read; where that was not done yet, all pinned scenes are assumed.
    """
    plan = exclude_shifted(make_plan(set_up(request, settings)), read=False)
    config, store = plan.setup.config, Store(settings.store)
    model = load_model(settings.project / "models", config.models.fvc)
    further = load_target_models(config, settings.project)
    earlier: dict[str, dict[tuple[str, ...], Mapping[str, Any]]] = {}
    entries = []
    for job in tile_jobs(plan):
        keys = tile_keys(job, config, grid=plan.grid, model=model)
        tile = plan.grid.tile(job.col, job.row).name
        wanted = [keys.composite, *keys.layers.values(), keys.maps, keys.ledger]
        if further is not None and job.kind == "peak":
            more = target_keys(job, keys.seen, further, tile=tile, unseen=config.unseen)
            wanted += more.values()
        for key in wanted:
            if key.step not in earlier:
                earlier[key.step] = _earlier(store, key.step)
            parts = json.loads(key.parts)
            state, why = _state(store, key, earlier[key.step].get(_name(parts)))
            label = f"{plan.period(job.kind).label} {tile}"
            target = parts["params"].get("target")
            name = f"{target} {label}" if target else label
            entries.append(Foreseen(key.step, name, state, why, key.short))
    return entries


def _name(made_from: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what tells artifacts of one step apart: tile, period, target."""
    params = made_from["params"]
    return params["tile"], params["kind"], params.get("target", "")


def _earlier(store: Store, step: str) -> dict[tuple[str, ...], Mapping[str, Any]]:
    """Return what the latest artifact of each tile, period and target is made from."""
    found: dict[tuple[str, ...], tuple[float, Mapping[str, Any]]] = {}
    for stamp, made_from in _manifests(store, step):
        name = _name(made_from)
        if name not in found or found[name][0] < stamp:
            found[name] = (stamp, made_from)
    return {name: made_from for name, (_, made_from) in found.items()}


def _manifests(store: Store, step: str) -> Iterator[tuple[float, Mapping[str, Any]]]:
    for path in (store.root / step).glob("*/*/manifest.json"):
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError:
            continue  # a torn manifest is no artifact; ``Store.find`` sets it aside
        yield path.stat().st_mtime, manifest["made_from"]


def _state(
    store: Store, key: Key, made_from: Mapping[str, Any] | None
) -> tuple[State, str]:
    if store.find(key) is not None:
        return "cached", "the same inputs, code and parameters; files whole"
    if made_from is None:
        return "new", "never made for this tile and period"
    changed = list(_differences(made_from, json.loads(key.parts)))
    if not changed:
        return "recompute", "files lost or damaged"
    return "recompute", "changed: " + ", ".join(changed)


def _differences(
    old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = ""
) -> Iterator[str]:
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _differences(before, after, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
