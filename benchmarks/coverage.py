"""Whether the intervals mean what they say: the reduced form for ``make bench``.

The full trial is ``qhsink twin evaluate``; a few worlds show that it runs and what the
naive practice covers beside the design-based one, not whether 90 % means 90 %.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from qhsink.steps.evaluate import Order, evaluate

SHOWN = (
    "naive: pixel mean, RMSE/√N",
    "model",
    "stratified plots",
    "regression (map)",
)


def run_coverage(worlds: int = 4, out: Path = Path("work/bench-coverage")) -> str:
    """Try the intervals on a few worlds; return a table of coverage as text."""
    started = time.process_time()
    found = evaluate(Order(worlds=worlds), out)
    cover = found.summary[found.summary["indicator"] == "fvc_peak"]
    lines = [
        f"{row['mode']:<30}{row['size']:<8}90 % covers {row['cover90']:6.1%} "
        f"({row['cover90_low']:.0%} to {row['cover90_high']:.0%}, n {row['estimates']})"
        for row in cover.to_dict("records")
        if row["mode"] in SHOWN
    ]
    spent = time.process_time() - started
    return "\n".join([*lines, f"{worlds} worlds, {spent:.0f} cpu-s, {out}"])


def main() -> None:
    """Run the reduced trial and print its table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage")
    parser.add_argument("--worlds", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("work/bench-coverage"))
    options = parser.parse_args()
    print(run_coverage(options.worlds, options.out))


if __name__ == "__main__":
    main()
