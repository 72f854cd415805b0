"""Many estimates beside their truths: bias, error, coverage, wrong verdicts.

Takes a table of estimates, whatever made them. Coverage comes with its own binomial
error: a hundred worlds do not tell 88 % from 92 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

CELL = ["indicator", "size", "mode"]
"""What rows are counted by."""

HONEST = (0.85, 0.95)
"""Coverage of a 90 % interval that counts as what it claims."""

CLASS_ROOM = 0.05
"""How much less often than it says a named class may be right: as for intervals."""

SIZES = {
    "part": 0,
    "target part": 1,
    "square": 2,
    "target square": 3,
    "all": 4,
    "target squares": 5,
}


@dataclass(frozen=True, slots=True)
class Proportion:
    """A share of trials with its exact limits."""

    hits: int
    trials: int

    @property
    def share(self) -> float:
        """Hits over trials; NaN without trials."""
        return self.hits / self.trials if self.trials else float("nan")

    def limits(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return Clopper and Pearson's limits."""
        tail = (1.0 - confidence) / 2.0
        miss = self.trials - self.hits
        low = stats.beta.ppf(tail, self.hits, miss + 1) if self.hits else 0.0
        high = stats.beta.ppf(1.0 - tail, self.hits + 1, miss) if miss else 1.0
        return float(low), float(high)


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one line per indicator, size and mode.

    Parameters
    ----------
    rows : DataFrame
        ``indicator``, ``size``, ``mode``, ``truth``, ``value``, ``se``, ``low90``,
        ``high90``, ``low95``, ``high95``, ``flags``, ``refusal``, ``world``.

    Returns
    -------
    DataFrame
        ``estimates``, ``worlds``, ``refused``, ``truth`` (mean), ``bias``, ``rmse``,
        ``mean_se``, ``width90`` (mean), ``cover90`` with ``cover90_low`` and
        ``cover90_high`` (95 % Clopper and Pearson), the same at 95, ``flagged`` (share)
        and ``reading``. Units are the indicator's.

    Notes
    -----
    A flagged interval claims nothing: where some of a cell are flagged, all but
    ``flagged`` and ``refused`` speak of the others. Where all are, they are counted.
    An estimate without an interval counts as refused; one without limits at 95 % is
    left out of that coverage alone. Classes that are named (``said``) are
    ``summarise_classes``'s.
    """
    numbers = rows if "said" not in rows else rows[rows["said"].isna()]
    lines = [
        {**dict(zip(CELL, cell, strict=True)), **_line(part)}
        for cell, part in numbers.groupby(CELL, sort=False)
    ]
    table = pd.DataFrame(lines)
    seen = {name: place for place, name in enumerate(rows["indicator"].unique())}
    order = table["indicator"].map(seen) * len(SIZES) - table["size"].map(SIZES)
    return table.iloc[np.argsort(order.to_numpy(), kind="stable")].reset_index(
        drop=True
    )


def _line(part: pd.DataFrame) -> dict[str, object]:
    stated = part[(part["refusal"] == "") & part["low90"].notna()]
    claims = stated[stated["flags"] == ""]
    given = claims if len(claims) else stated
    gap = (given["value"] - given["truth"]).to_numpy(dtype=np.float64)
    line: dict[str, object] = {
        "estimates": len(given),
        "worlds": int(part["world"].nunique()),
        "refused": len(part) - len(stated),
        "truth": float(given["truth"].mean()),
        "bias": float(gap.mean()) if gap.size else float("nan"),
        "rmse": float(np.sqrt(np.mean(gap**2))) if gap.size else float("nan"),
        "mean_se": float(given["se"].mean()),
        "width90": float((given["high90"] - given["low90"]).mean()),
        "flagged": 1.0 - len(claims) / len(stated) if len(stated) else 0.0,
    }
    for level in (90, 95):
        low, high = given[f"low{level}"], given[f"high{level}"]
        inside = (low <= given["truth"]) & (given["truth"] <= high)
        found = Proportion(int(inside.sum()), int(low.notna().sum()))
        line[f"cover{level}"] = found.share
        line[f"cover{level}_low"], line[f"cover{level}_high"] = found.limits()
    return line | {"reading": read_coverage(line)}


def read_coverage(line: dict[str, object]) -> str:
    """Return what coverage of the 90 % interval says, in words."""
    share = float(str(line["cover90"]))
    low, high = (float(str(line[f"cover90_{end}"])) for end in ("low", "high"))
    if np.isnan(share):
        return "no estimate"
    if HONEST[0] <= share <= HONEST[1]:
        return "covers"
    side = "too narrow" if share < HONEST[0] else "too wide"
    unsure = low <= HONEST[1] and high >= HONEST[0]
    return f"{side}, within chance" if unsure else side


def summarise_classes(rows: pd.DataFrame) -> pd.DataFrame:
    """Return how often a class that is named is the true one, and how sure it was said.

    Parameters
    ----------
    rows : DataFrame
        As for ``summarise``, with ``said``: the probability that the class ``value`` is
        named with, NaN for numbers; ``truth`` is the true class.

    Returns
    -------
    DataFrame
        One line per indicator, size and mode: ``units``, ``named`` and ``flagged``
        (shares of all units), ``judged`` (named without a flag, or all named where all
        are flagged), ``right`` (share of these, with ``right_low`` and ``right_high``,
        95 % Clopper and Pearson), ``said`` (mean probability) and ``reading``.
    """
    classes = rows[rows["said"].notna()] if "said" in rows else rows.iloc[:0]
    lines = [
        {**dict(zip(CELL, cell, strict=True)), **_classes(part)}
        for cell, part in classes.groupby(CELL, sort=False)
    ]
    return pd.DataFrame(lines)


def _classes(part: pd.DataFrame) -> dict[str, object]:
    named = part[part["refusal"] == ""]
    claims = named[named["flags"] == ""]
    judged = claims if len(claims) else named
    right = Proportion(int((judged["value"] == judged["truth"]).sum()), len(judged))
    low, high = right.limits()
    said = float(judged["said"].mean()) if len(judged) else float("nan")
    return {
        "units": len(part),
        "worlds": int(part["world"].nunique()),
        "named": len(named) / len(part),
        "flagged": float((part["flags"] != "").mean()),
        "judged": len(judged),
        "right": right.share,
        "right_low": low,
        "right_high": high,
        "said": said,
        "reading": _read_classes(right.share, high, said),
    }


def _read_classes(right: float, high: float, said: float) -> str:
    """Return whether classes are right as often as they say, to five points."""
    if np.isnan(right):
        return "none named"
    if right >= said - CLASS_ROOM:
        return "as sure as it says"
    return "too sure, within chance" if high >= said - CLASS_ROOM else "too sure"


def wrong_verdicts(rows: pd.DataFrame, lines: Sequence[float]) -> pd.DataFrame:
    """Return how verdicts fared against targets at known distances from the truth.

    Returns
    -------
    DataFrame
        Per indicator, size, mode and ``distance`` (target minus truth): ``verdicts``,
        ``wrong`` (*met* above the truth, *not met* at or below it), ``right`` and
        ``open`` (not distinguishable), as shares.
    """
    found = []
    for cell, part in rows.groupby(CELL, sort=False):
        for distance in lines:
            column = f"line{distance:+.2f}"
            if column not in part or not part[column].notna().any():
                continue
            said = part[column].dropna()
            truly = "not met" if distance > 0.0 else "met"
            wrongly = "met" if distance > 0.0 else "not met"
            found.append(
                {
                    **dict(zip(CELL, cell, strict=True)),
                    "distance": distance,
                    "verdicts": len(said),
                    "wrong": float((said == wrongly).mean()),
                    "right": float((said == truly).mean()),
                    "open": float((said == "not distinguishable").mean()),
                }
            )
    return pd.DataFrame(found)


def summarise_lies(rows: pd.DataFrame, *, honest: str) -> pd.DataFrame:
    """Return what each lie does to mean peak cover of whole squares.

    Parameters
    ----------
    rows : DataFrame
        Rows of several trials as for ``summarise``, with ``lie`` and ``excluded``
        (scenes that the run left out).
    honest : str
        What ``lie`` says of worlds that do not.

    Returns
    -------
    DataFrame
        One line per ``lie`` and ``mode``: ``worlds``, ``excluded`` (mean per world),
        ``bias``, ``cover90``.
    """
    part = rows[(rows["size"] == "square") & (rows["indicator"] == "fvc_peak")]
    lines = []
    for lie in [honest, *(name for name in part["lie"].unique() if name != honest)]:
        told = part[part["lie"] == lie]
        if told.empty:
            continue
        table = summarise(told)[["mode", "worlds", "bias", "cover90"]]
        excluded = told.groupby("world")["excluded"].first().mean()
        lines.append(table.assign(lie=lie, excluded=excluded))
    return pd.concat(lines, ignore_index=True) if lines else pd.DataFrame()
