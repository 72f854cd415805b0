"""Train second opinions on clouds on the twin, and judge them on worlds never seen.

``python -m benchmarks.cloud_opinion`` writes two folders of ``models/masks/``, one for
Sentinel-2's classes and one for Landsat's QA_PIXEL, and their confusion tables into
docs/pixels.md. Places are drawn over the whole province, so that playa, snow and lakes
come as often as there. Dates are put together as a run does: those of the peak season
are compared with each other, the others stand alone. Every number is simulated.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.cloud_places import (
    KINDS,
    Window,
    landsat_windows,
    middle,
    sentinel_windows,
)
from benchmarks.pages import replace_part
from qhsink.config import RunConfig, load_run_config, project_dir
from qhsink.domain.scene import MaskKind
from qhsink.imagery.departures import departures, reference
from qhsink.imagery.masking import MaskRules, classify_observations
from qhsink.imagery.perceptron import Perceptron
from qhsink.imagery.second_opinion import (
    SecondOpinion,
    features_of,
    may_be_rescued,
)
from qhsink.registry.opinions import load_opinion, save_opinion
from qhsink.store import code_version

LEARNT, TUNED, JUDGED = (201, 202, 203, 204), (211, 212), (401, 402, 403)
"""Seeds of the worlds: to learn from, to set the limits on, to judge on."""
PLACES = 20_000
"""Places per world; each is seen on every date."""
UNITS, SEED = 16, 20251123
LOST, SPOILT = 0.005, 0.02
"""The limits: at most this share of good observations dropped, and of those given
back at most this share obscured, on the worlds of ``TUNED``."""

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Product:
    """One kind of product with its own worlds."""

    name: str
    kind: MaskKind
    observe: Callable[[int], list[Window]]
    """Windows of a world, by seed."""
    part: str
    """Part of docs/pixels.md."""


PRODUCTS = (
    Product(
        "Sentinel-2, scene classes", "scl", partial(sentinel_windows, PLACES), "clouds"
    ),
    Product(
        "Landsat 8/9, QA_PIXEL",
        "qa_pixel",
        partial(landsat_windows, PLACES),
        "clouds-landsat",
    ),
)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Observations to learn from or to set limits on."""

    features: Floats
    """(F, n)."""
    bad: Bools
    """Obscured or snowy, (n,)."""
    called: Bools
    """Called clear as shipped."""
    cloudy: Bools
    """Called the cloud from which clear ground may be given back."""


def rules_of(config: RunConfig) -> MaskRules:
    """Return the rules of a run without growth: every place stands alone here."""
    given = config.masks.model_dump() | {"dilation_m": 0.0, "second_opinion": ""}
    return MaskRules(**given, pixel_size_m=20.0)


def clear_of(
    window: Window, kind: MaskKind, rules: MaskRules, opinion: SecondOpinion | None
) -> Bools:
    """Return which places a run calls clear, shape (time, n)."""
    found = classify_observations(
        window.reflectance, window.mask, kind, rules, opinion=opinion
    )
    return np.asarray(middle(found.clear), np.bool_)


def rows_of(
    windows: Sequence[Window], kind: MaskKind, rules: MaskRules, *, compared: bool
) -> Rows:
    """Return what one of the two perceptrons sees of some windows."""
    parts = []
    for window in windows:
        found = classify_observations(window.reflectance, window.mask, kind, rules)
        medians = reference(window.reflectance, found.clear)
        for t, clear in enumerate(found.clear):
            rescued = may_be_rescued(window.mask[t], kind)
            apart = departures(window.reflectance[t], medians, clear | rescued)
            reviewed = middle(clear | rescued)
            if compared:
                reviewed &= np.isfinite(middle(apart)[0])
            seen, other = middle(window.reflectance[t]), middle(apart)
            features = features_of(seen, other if compared else None)
            columns = features, window.bad[t], middle(clear), middle(rescued)
            parts.append([column[..., reviewed] for column in columns])
    return Rows(*(np.concatenate(column, -1) for column in zip(*parts, strict=True)))


def learn(rows: Rows) -> dict[str, Floats]:
    """Return the weights of a perceptron fitted to what may be reviewed."""
    seen = rows.features.T
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
        fitted.fit((seen - center) / scale, rows.bad)
    arrays = {
        "center": center,
        "scale": scale,
        "hidden": fitted.coefs_[0],
        "hidden_bias": fitted.intercepts_[0],
        "output": fitted.coefs_[1][:, 0],
        "limits": [fitted.intercepts_[1][0], 0.5, 0.5],
    }
    return {name: np.asarray(values, np.float32) for name, values in arrays.items()}


def set_limits(arrays: dict[str, Floats], rows: Rows) -> dict[str, Floats]:
    """Return the arrays with reject and rescue that keep ``LOST`` and ``SPOILT``."""
    parts = {name: arrays[name] for name in arrays if name != "limits"}
    bias = float(arrays["limits"][0])
    plain = Perceptron(**parts, output_bias=bias, reject=0.5, rescue=0.5)
    chance = plain.chance(rows.features)
    reject = float(np.quantile(chance[rows.called & ~rows.bad], 1.0 - LOST))
    cloudy = np.flatnonzero(rows.cloudy)
    order = cloudy[np.argsort(chance[cloudy], kind="stable")]
    spoilt = np.cumsum(rows.bad[order]) / np.arange(1, order.size + 1)
    kept = np.flatnonzero(spoilt <= SPOILT)
    rescue = float(chance[order[kept[-1]]]) if kept.size else 1e-6
    rescue = min(max(rescue, 1e-6), reject)
    return arrays | {"limits": np.array([bias, reject, rescue], np.float32)}


def confusion(
    windows: Sequence[Window], kind: MaskKind, rules: MaskRules, opinion: SecondOpinion
) -> list[list[Any]]:
    """Return, per kind, its number and how many are called clear.

    As shipped, with the perceptron of single dates alone, and with the whole opinion.
    """
    single = replace(opinion, compared=None)
    found = [[words, 0, 0, 0, 0] for _, words in KINDS]
    for window in windows:
        clear = [clear_of(window, kind, rules, o) for o in (None, single, opinion)]
        for number, row in enumerate(found):
            here = window.kind == number
            for place, counted in enumerate((here, *clear), start=1):
                row[place] += int((here & counted).sum())
    return found


def table(rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    """Yield the confusion table in Markdown."""
    yield (
        "| truly | observations | called clear, as shipped | reviewed by single dates "
        "| and by comparison |"
    )
    yield "|---|---|---|---|---|"
    for words, count, *called in rows:
        shares = [f"{one:,} ({one / max(count, 1):.1%})" for one in called]
        yield f"| {words} | {count:,} | {' | '.join(shares)} |"
    bad, total = ([sum(r[i] for r in part) for i in (2, 3, 4)]
                  for part in (rows[:4], rows))  # fmt: skip
    spoilt = [f"{one / all_:.2%}" for one, all_ in zip(bad, total, strict=True)]
    yield f"| **of those called clear, obscured or snowy** | | {' | '.join(spoilt)} |"


def cost_ns(
    window: Window, kind: MaskKind, rules: MaskRules, opinion: SecondOpinion
) -> list[float]:
    """Return processor time per observation without and with the opinion [ns]."""
    found = []
    for one in (None, opinion):
        clear_of(window, kind, rules, one)
        start = time.process_time()
        for _ in range(5):
            clear_of(window, kind, rules, one)
        found.append((time.process_time() - start) / 5 / window.mask.size * 1e9)
    return found


def train(product: Product, config: RunConfig, folder: Path) -> str:
    """Learn, set the limits, store, judge on unseen worlds; return the page's part."""
    rules = rules_of(config)
    learnt, tuned = (
        [window for seed in seeds for window in product.observe(seed)]
        for seeds in (LEARNT, TUNED)
    )
    parts = {}
    for name, compared in (("alone", False), ("compared", True)):
        rows = rows_of(learnt, product.kind, rules, compared=compared)
        tune = rows_of(tuned, product.kind, rules, compared=compared)
        parts[name] = set_limits(learn(rows), tune)
    science = {
        "provenance": "simulated",
        "twin": code_version("qhsink.twin"),
        "seeds": {"learnt": LEARNT, "tuned": TUNED, "judged": JUDGED},
        "places": PLACES,
        "limits": {"lost": LOST, "spoilt": SPOILT},
    }
    name = save_opinion(folder, product.kind, parts, science=science)
    return judge(product, rules, load_opinion(folder, name))


def judge(product: Product, rules: MaskRules, opinion: SecondOpinion) -> str:
    """Return the page's part on an opinion: its tables on worlds never seen."""
    judged = [window for seed in JUDGED for window in product.observe(seed)]
    longest = max(judged, key=lambda window: len(window.mask))
    without, within = cost_ns(longest, product.kind, rules, opinion)
    said = f"`{opinion.id}` ({product.name}); {within - without:.0f} ns per observation"
    said += f" beside the rules' {without:.0f}."
    return "\n".join(
        [said, "", *table(confusion(judged, product.kind, rules, opinion))]
    )


def main() -> None:
    """Train and judge those asked for, and write the page.

    With ``--out`` the models go there, and the page is left as it is.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cloud_opinion")
    kinds = [product.kind for product in PRODUCTS]
    parser.add_argument("--masks", choices=kinds, help="one kind of masks alone")
    parser.add_argument("--out", type=Path, help="folder of the models")
    given = parser.parse_args()
    project = project_dir()
    config = load_run_config(project / "config" / "monitor.toml")
    folder = given.out or project / "models" / "masks"
    for product in PRODUCTS:
        if given.masks in (None, product.kind):
            text = train(product, config, folder)
            print(text)
            if given.out is None:
                replace_part(project / "docs" / "pixels.md", product.part, text)


if __name__ == "__main__":
    main()
