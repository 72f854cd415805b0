"""docs/worked-example.md runs: the page's commands, start to end, on a fresh folder."""

from __future__ import annotations

import json

import pytest

from benchmarks import worked_example

pytestmark = pytest.mark.xdist_group("runs")


def test_the_page_holds_the_commands_that_are_run():
    text = worked_example.PAGE.read_text(encoding="utf-8").replace(" \\\n    ", " ")
    at = 0
    for step in worked_example.STEPS:
        for command in step.commands:
            found = text.find(f"$ {command}\n", at)
            assert found >= at, command
            at = found
    assert "simulated" in text


@pytest.mark.slow
def test_every_command_of_the_worked_example_runs_and_the_results_agree(tmp_path):
    text = worked_example.page(str(tmp_path))
    assert "0 findings" in text
    assert "lacking: pixels or training data are simulated" in text
    record = json.loads((tmp_path / "carbon.json").read_text(encoding="utf-8"))
    rows = (tmp_path / "stocks.csv").read_text(encoding="utf-8").splitlines()
    area, biomass = (float(row.split(",")[2]) for row in rows[1:])
    above = area * biomass / 100.0 * 0.45
    assert record["pools"][0]["carbon_t"] == pytest.approx(above, rel=1e-9)
    assert record["provenance"] == "simulated"
    truth = json.loads(
        (tmp_path / "twin" / "truth" / "truth.json").read_text(encoding="utf-8")
    )["regions"][worked_example.COUNTY]
    cover = json.loads((tmp_path / "cover.json").read_text(encoding="utf-8"))
    found = cover["estimates"][0]
    # Four standard errors: a page, not a test of coverage.
    assert abs(found["estimate"] - truth["fvc_peak_mean"]) < 4 * found["se"]
