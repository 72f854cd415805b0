"""Train every model that the project ships again, and say whether it is the same.

``make models``, or ``python -m benchmarks.retrain``. What is trained, and how, is what
the cards of the configured models say (their command), so that nothing is stated twice.
New folders go to ``work/models``; models that ship are never touched. Worlds and
finished trainings are kept: killed at any moment, the command goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.retrained import compare_models, compare_opinions
from qhsink.config import Settings, load_run_config, load_settings
from qhsink.registry import load_model
from qhsink.registry.opinions import load_opinion
from qhsink.steps.map_indicators import ECOSYSTEM
from qhsink.steps.train_tables import TABLE
from qhsink.store import Store, code_version, file_digest, make_key

OPINION = "cloud opinion"
"""Name of the mask model among what is trained."""
MADE = re.compile(r"--model [a-z_]+=([a-z_]+-[0-9a-f]{8})")
"""What ``qhsink train`` says at its end."""
CONFIGS = (
    *("model_targets", "train_twin", "training", "twin"),
    *("demo", "monitor", "corrections"),
)
"""Files of ``config/`` that decide what is learnt."""


@dataclass(frozen=True, slots=True)
class Work:
    """One model to train."""

    name: str
    """Target, ``ecosystem``, or ``OPINION``."""
    shipped: str
    """Id that the configuration names."""
    command: tuple[str, ...]
    """What trains it, without interpreter and places."""


@dataclass(frozen=True, slots=True)
class Retrained:
    """What came of it."""

    work: Work
    made: str
    """Id of the model trained now."""
    cpu_s: float
    """Processor time [s]; of the first time where it was found."""
    found: bool
    """Whether it was trained by an earlier call."""
    remark: str
    """``same digest``, or what differs."""


def shipped_models(settings: Settings) -> list[Work]:
    """Return what ships: cover first, then what is learnt on the twin, then the mask.

    Of the models learnt on the twin the classifier is first: it builds the worlds.
    """
    config = load_run_config(settings.project / "config" / "demo-targets.toml")
    named = {k: v for k, v in config.models.model_dump().items() if v}
    works = [
        Work(target, model_id, _command(settings.project / "models", model_id))
        for target, model_id in sorted(
            named.items(), key=lambda item: (item[0] != ECOSYSTEM, item[0])
        )
    ]
    masks = settings.project / "models" / "masks"
    for folder in sorted(masks.iterdir()):
        kind = load_opinion(masks, folder.name).kind
        how = ("benchmarks.cloud_opinion", "--masks", kind)
        works.append(Work(OPINION, folder.name, how))
    return works


def _command(models: Path, model_id: str) -> tuple[str, ...]:
    """Return the arguments of ``qhsink`` that a card says made the model."""
    words = shlex.split(load_model(models, model_id).card["run"]["command"])
    if words[0] != "qhsink" or words[1] != "train":
        message = f"{model_id}: made by {words[0]} {words[1]}, not by qhsink train"
        raise SystemExit(message)
    return tuple(words[1:])


def retrain(
    work: Work, settings: Settings, *, worlds: Path, out: Path, workers: int
) -> Retrained:
    """Train one model, or find what an earlier call made of the same inputs."""
    store = Store(settings.store)
    key = _key(work, settings)
    earlier = store.find(key)
    if earlier is not None and (_folder(out, work, earlier.meta["made"])).is_dir():
        made, cpu_s = str(earlier.meta["made"]), float(earlier.meta["cpu_s"])
    else:
        made, cpu_s = _train(work, settings, worlds=worlds, out=out, workers=workers)
        meta = {"made": made, "cpu_s": cpu_s}
        if earlier is None:
            store.put(key, partial(_note, meta))
    models, compare = settings.project / "models", compare_models
    if work.name == OPINION:
        models, out, compare = models / "masks", out / "masks", compare_opinions
    remark = compare((models, work.shipped), (out, made))
    return Retrained(work, made, cpu_s, earlier is not None, remark)


def _note(meta: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    (folder / "made.json").write_text(json.dumps(meta), encoding="utf-8")
    return meta


def _key(work: Work, settings: Settings) -> Any:
    config = settings.project / "config"
    table = settings.project / "models" / TABLE
    return make_key(
        "retrained",
        code=code_version(
            "qhsink", "benchmarks.cloud_opinion", "benchmarks.cloud_places"
        ),
        params={"command": list(work.command)},
        inputs={name: file_digest(config / f"{name}.toml") for name in CONFIGS}
        | {"transects": file_digest(table)},
    )


def _folder(out: Path, work: Work, made: str) -> Path:
    return (out / "masks" if work.name == OPINION else out) / made


def _train(
    work: Work, settings: Settings, *, worlds: Path, out: Path, workers: int
) -> tuple[str, float]:
    """Run the command; return the id that it tells, and its processor time."""
    if work.name == OPINION:
        command = [sys.executable, "-m", *work.command, "--out", str(out / "masks")]
    else:
        words = list(work.command)
        if "--twin" in words:
            words[words.index("--twin") + 1] = str(worlds)
        places = ["--out", str(out), "--store", str(settings.store)]
        tool = str(Path(sys.executable).with_name("qhsink"))
        command = [tool, *words, *places, "--workers", str(workers)]
    log = out / f"{work.shipped}.log"
    with log.open("w", encoding="utf-8") as file:
        running = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, cwd=settings.project
        )
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    text = log.read_text(encoding="utf-8")
    found = MADE.findall(text) or re.findall(r"`(cloud-[0-9a-f]{8})`", text)
    if running.returncode != 0 or not found:
        message = f"{work.name}: {shlex.join(command)} failed; see {log}"
        raise SystemExit(message)
    return found[-1], used.ru_utime + used.ru_stime


def retrain_all(
    settings: Settings, *, worlds: Path, out: Path, jobs: int
) -> Iterator[Retrained]:
    """Train all, so many at a time; the first one on the twin alone, with all cores.

    It builds the worlds that the others read.
    """
    out.mkdir(parents=True, exist_ok=True)
    works = shipped_models(settings)
    first = [w for w in works if "--twin" in w.command][:1]
    one = partial(retrain, settings=settings, worlds=worlds, out=out)
    for work in first:
        yield one(work, workers=jobs)
    with ThreadPoolExecutor(jobs) as pool:
        rest = [work for work in works if work not in first]
        yield from pool.map(partial(one, workers=1), rest)


def lines(found: Sequence[Retrained], wall_s: float) -> Iterator[str]:
    """Yield what a person reads at the end."""
    for one in found:
        again = " (found)" if one.found else ""
        yield (
            f"{one.work.name:14s} {one.work.shipped:24s} {one.made:24s} "
            f"{one.cpu_s:7.0f} cpu-s{again}  {one.remark}"
        )
    cpu = sum(one.cpu_s for one in found)
    yield f"{cpu:.0f} cpu-s = {cpu / 120:.1f} min of two cores; took {wall_s:.0f} s"


def main() -> None:
    """Train all that ships, and end with status 1 where predictions differ."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrain")
    parser.add_argument("--twin", type=Path, help="Folder of the worlds.")
    parser.add_argument("--out", type=Path, help="Folder of the new models.")
    parser.add_argument("--store", type=Path, help="Artifact store.")
    parser.add_argument("--jobs", type=int, default=2, help="Trainings at a time.")
    given = parser.parse_args()
    settings = load_settings(store=given.store, workers=given.jobs)
    work = settings.project / "work"
    began, found = time.monotonic(), []
    for one in retrain_all(
        settings,
        worlds=(given.twin or work / "twin" / "train").resolve(),
        out=(given.out or work / "models").resolve(),
        jobs=given.jobs,
    ):
        print(f"{one.work.name}: {one.made}, {one.remark}", flush=True)
        found.append(one)
    print(*lines(found, time.monotonic() - began), sep="\n")
    if any("OTHER" in one.remark for one in found):
        sys.exit(
            "Not all as shipped, nor within the tolerance that the card states for "
            "another environment: inputs or code have changed since (qhsink models "
            "compare)."
        )


if __name__ == "__main__":
    main()
