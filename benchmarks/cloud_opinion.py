"""Train the second opinion on clouds on the twin, and judge it on worlds it never saw.

``python -m benchmarks.cloud_opinion`` writes a folder of ``models/masks/`` and the
confusion tables of docs/pixels.md. Places are drawn over the whole province, so that
playa, snow and lakes come as often as there. Every number is simulated.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.pages import replace_part
from qhsink.config import RunConfig, load_run_config, project_dir
from qhsink.imagery.masking import MaskRules, classify_observations
from qhsink.imagery.second_opinion import SecondOpinion, features_of, obscured
from qhsink.registry.opinions import load_opinion, save_opinion
from qhsink.store import code_version
from qhsink.twin.scenes import PROVINCE_M, lights
from qhsink.twin.sensor import expose
from qhsink.twin.sky import CIRRUS, COVER, SHADE, SKY_ROOM, fill_sky
from qhsink.twin.spec import load_spec
from qhsink.twin.state import canopy_on

LEARNT, TUNED, JUDGED = (201, 202, 203, 204), (211, 212), (401, 402, 403)
"""Seeds of the worlds: to learn from, to set the limits on, to judge on."""
PLACES = 20_000
"""Places per world; each is seen on every date."""
LAKES = 0.02
"""Share of the places put into a lake."""
UNITS, SEED = 16, 20251123
LOST, SPOILT = 0.005, 0.02
"""The limits: at most this share of good observations dropped, and of those given
back at most this share obscured, on the worlds of ``TUNED``."""
KINDS = (
    ("cloud", "cloud, opacity above 0.06"),
    ("cirrus", "cirrus, opacity above 0.1"),
    ("shadow", "cloud shadow, depth above 0.3"),
    ("snow", "snow on more than 0.1 of the pixel"),
    ("playa", "clear and bright: blue above 0.16, no snow"),
    ("clear", "other clear ground"),
)
"""What a place truly is, the first that fits."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Observations of places on dates, shape (n,) each."""

    reflectance: NDArray[np.int16]
    """(6, n)."""
    scl: NDArray[np.uint16]
    kind: NDArray[np.int64]
    """Number in ``KINDS``."""

    @property
    def bad(self) -> NDArray[np.bool_]:
        """Obscured or snowy: not to be used."""
        return self.kind < 4


def observe(seeds: Sequence[int]) -> Sample:
    """Return what the twin's sensor sees of places in some worlds."""
    parts = [part for seed in seeds for part in _observe_world(seed)]
    return Sample(
        np.concatenate([part.reflectance for part in parts], axis=1),
        np.concatenate([part.scl for part in parts]),
        np.concatenate([part.kind for part in parts]),
    )


def _observe_world(seed: int) -> Iterator[Sample]:
    spec, rng = load_spec(), np.random.default_rng(seed)
    left, low, right, high = PROVINCE_M
    x, y = rng.uniform(left, right, PLACES), rng.uniform(low, high, PLACES)
    shore = np.where(rng.random(PLACES) < LAKES, 2, 0).astype(np.uint8)
    land = spec.build_world(seed, 2025).at(x, y, shore)
    pixel = rng.integers(0, 10**6, (2, PLACES)).astype(np.int64)
    sensor = spec.sensor
    skies = lights(spec, seed=seed, year=2025)
    for when, light in zip(spec.passes, skies, strict=True):
        seen = expose(
            land,
            x,
            y,
            pixel,
            light,
            spec.optics(when.platform),
            sensor.instrument(),
            sensor.confusion(),
        )
        overhead, room = np.empty((4, PLACES)), np.empty((SKY_ROOM, PLACES))
        fill_sky(x, y, light, sensor.cloud_height_m, room, overhead)
        value = (seen.dn * sensor.scale + sensor.offset) * 10_000
        snow = canopy_on(land, light.day, snow_line=light.snow_line).snow
        tests = (
            overhead[COVER] > 0.06,
            overhead[CIRRUS] > 0.1,
            overhead[SHADE] > 0.3,
            snow > 0.1,
            value[0] > 1600,
        )
        yield Sample(
            np.rint(value).astype(np.int16),
            seen.scl.astype(np.uint16),
            np.select(tests, range(len(tests)), default=len(tests)),
        )


def learn(sample: Sample) -> dict[str, NDArray[np.float32]]:
    """Return the weights of a perceptron fitted to what may be reviewed.

    Classes that are never changed by a review (no data, saturated, shadow) are left
    out.
    """
    used = ~np.isin(sample.scl, (0, 1, 3))
    seen = features_of(sample.reflectance[:, used]).T
    center, scale = seen.mean(axis=0), seen.std(axis=0)
    fitted = MLPClassifier(
        (UNITS,),
        alpha=1e-4,
        batch_size=512,
        learning_rate_init=3e-3,
        max_iter=25,
        n_iter_no_change=25,
        random_state=SEED,
        early_stopping=False,
        tol=0.0,
    )
    with warnings.catch_warnings():
        # The number of passes is fixed: that it stops there is no surprise.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted.fit((seen - center) / scale, sample.bad[used])
    arrays = {
        "center": center,
        "scale": scale,
        "hidden": fitted.coefs_[0],
        "hidden_bias": fitted.intercepts_[0],
        "output": fitted.coefs_[1][:, 0],
        "limits": [fitted.intercepts_[1][0], 0.5, 0.5],
    }
    return {name: np.asarray(values, np.float32) for name, values in arrays.items()}


def as_opinion(arrays: dict[str, NDArray[np.float32]]) -> SecondOpinion:
    """Return the arrays as an opinion without a name."""
    parts = {name: arrays[name] for name in arrays if name != "limits"}
    bias, reject, rescue = (float(v) for v in arrays["limits"])
    return SecondOpinion("", **parts, output_bias=bias, reject=reject, rescue=rescue)


def set_limits(
    arrays: dict[str, NDArray[np.float32]], sample: Sample
) -> tuple[float, float]:
    """Return reject and rescue that keep ``LOST`` and ``SPOILT`` on a sample."""
    chance = obscured(as_opinion(arrays), sample.reflectance)
    called = np.isin(sample.scl, (4, 5, 6))
    reject = float(np.quantile(chance[called & ~sample.bad], 1.0 - LOST))
    cloudy = np.flatnonzero(sample.scl == 8)
    order = cloudy[np.argsort(chance[cloudy], kind="stable")]
    spoilt = np.cumsum(sample.bad[order]) / np.arange(1, order.size + 1)
    kept = np.flatnonzero(spoilt <= SPOILT)
    rescue = float(chance[order[kept[-1]]]) if kept.size else 1e-6
    return reject, min(max(rescue, 1e-6), reject)


def clear_of(
    sample: Sample, config: RunConfig, opinion: SecondOpinion | None
) -> NDArray[np.bool_]:
    """Return which observations a run calls clear, before edges are grown."""
    rules = MaskRules(
        **(config.masks.model_dump() | {"dilation_m": 0.0}), pixel_size_m=20.0
    )
    found = classify_observations(
        sample.reflectance[None, :, None, :],
        sample.scl[None, None, :],
        "scl",
        rules,
        opinion=opinion,
    )
    return np.asarray(found.clear[0, 0], np.bool_)


def confusion(sample: Sample, config: RunConfig, opinion: SecondOpinion) -> list[Any]:
    """Return, per kind, its number and how many are called clear before and after."""
    before, after = (clear_of(sample, config, o) for o in (None, opinion))
    found = []
    for number, (_, words) in enumerate(KINDS):
        here = sample.kind == number
        counts = [int((here & clear).sum()) for clear in (here, before, after)]
        found.append([words, *counts])
    return found


def table(rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    """Yield the confusion table in Markdown."""
    yield "| truly | observations | called clear, as shipped | with second opinion |"
    yield "|---|---|---|---|"
    for words, count, before, after in rows:
        yield (
            f"| {words} | {count:,} | {before:,} ({before / max(count, 1):.1%}) "
            f"| {after:,} ({after / max(count, 1):.1%}) |"
        )
    bad = [sum(row[i] for row in rows[:4]) for i in (2, 3)]
    called = [sum(row[i] for row in rows) for i in (2, 3)]
    yield (
        f"| **of those called clear, obscured or snowy** | | {bad[0] / called[0]:.2%} "
        f"| {bad[1] / called[1]:.2%} |"
    )


def cost_ns(sample: Sample, config: RunConfig, opinion: SecondOpinion) -> list[float]:
    """Return processor time per observation without and with the opinion [ns]."""
    found = []
    for one in (None, opinion):
        clear_of(sample, config, one)
        start = time.process_time()
        for _ in range(5):
            clear_of(sample, config, one)
        found.append((time.process_time() - start) / 5 / sample.scl.size * 1e9)
    return found


def main() -> None:
    """Learn, set the limits, store, judge on unseen worlds, write the page.

    With ``--out`` the model goes there, and the page is left as it is.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cloud_opinion")
    parser.add_argument("--out", type=Path, help="folder of the model")
    given = parser.parse_args()
    project = project_dir()
    config = load_run_config(project / "config" / "monitor.toml")
    arrays = learn(observe(LEARNT))
    reject, rescue = set_limits(arrays, observe(TUNED))
    arrays["limits"] = np.array([arrays["limits"][0], reject, rescue], np.float32)
    judged = observe(JUDGED)
    rows = confusion(judged, config, replace(as_opinion(arrays), id="cloud"))
    science = {
        "provenance": "simulated",
        "twin": code_version("qhsink.twin"),
        "seeds": {"learnt": LEARNT, "tuned": TUNED, "judged": JUDGED},
        "places": PLACES,
        "limits": {"lost": LOST, "spoilt": SPOILT},
        "confusion": rows,
    }
    folder = given.out or project / "models" / "masks"
    name = save_opinion(folder, arrays, science=science)
    without, within = cost_ns(judged, config, load_opinion(folder, name))
    said = (
        f"`{name}`: dropped above {reject:.2f}, given back below {rescue:.2f}; "
        f"{within - without:.0f} ns per observation beside the rules' {without:.0f}."
    )
    text = "\n".join([said, "", *table(rows)])
    print(text)
    if given.out is None:
        replace_part(project / "docs" / "pixels.md", "clouds", text)


if __name__ == "__main__":
    main()
