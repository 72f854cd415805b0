"""``make bench``: the chain, a conventional pipeline and the read floor, side by side.

Each variant runs alone in a process of its own, in turn, for several rounds; the
ratios are taken within a round, so that a busy machine slows both sides of them.
Writes ``work/bench.json``; exits with 1 when the chain is less than 4 times the
conventional pipeline per core-second or takes 1 GB or more.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

VARIANTS = ("chain", "conventional", "read")
LEAST_RATIO = 4.0
MOST_MEMORY_MB = 1000.0


def run_variant(variant: str, tiles: int) -> dict[str, Any]:
    """Return what one variant measured of itself."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.chain", variant, str(tiles)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Run the rounds, print the table and the ratios, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiles", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("work/bench.json"))
    options = parser.parse_args()
    rounds = []
    for number in range(options.rounds):
        results = {name: run_variant(name, options.tiles) for name in VARIANTS}
        rounds.append(results)
        for name, result in results.items():
            print(
                f"round {number + 1}  {name:<13}"
                f"{result['cpu_s_per_gpx']:>9.0f} cpu-s/Gpx"
                f"{result['mpx_per_s']:>8.2f} Mpx/s"
                f"{result['peak_rss_mb']:>8.0f} MB   mean {result['value']:.4f}",
                flush=True,
            )
    summary = summarise(rounds)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({**summary, "rounds": rounds}, indent=1))
    for name, value in summary.items():
        print(f"{name:<40}{value:>8.2f}")
    sys.exit(0 if is_good(summary) else 1)


def summarise(rounds: list[dict[str, dict[str, Any]]]) -> dict[str, float]:
    """Return medians over rounds of the ratios within a round."""

    def ratio(one: str, other: str, figure: str) -> float:
        return statistics.median(r[one][figure] / r[other][figure] for r in rounds)

    return {
        "conventional over chain, core-seconds": ratio(
            "conventional", "chain", "cpu_s"
        ),
        "conventional over chain, wall": ratio("conventional", "chain", "wall_s"),
        "chain over read floor, core-seconds": ratio("chain", "read", "cpu_s"),
        "chain over read floor, wall": ratio("chain", "read", "wall_s"),
        "peak memory of the chain, MB": max(r["chain"]["peak_rss_mb"] for r in rounds),
        "peak memory of the conventional, MB": max(
            r["conventional"]["peak_rss_mb"] for r in rounds
        ),
    }


def is_good(summary: dict[str, float]) -> bool:
    """Whether the promised speed and memory hold."""
    ratio = summary["conventional over chain, core-seconds"]
    return (
        ratio >= LEAST_RATIO
        and summary["peak memory of the chain, MB"] < MOST_MEMORY_MB
    )


if __name__ == "__main__":
    main()
