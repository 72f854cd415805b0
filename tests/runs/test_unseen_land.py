"""Land that a run did not see, told by its height where the source has heights."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

from qhsink.config import load_settings
from qhsink.estimation.ledger import UNOBSERVED
from qhsink.steps.monitor import run_monitor
from qhsink.steps.request import RunRequest

pytestmark = pytest.mark.xdist_group("runs")

REGION = "632324"


@pytest.fixture(scope="module")
def reading(coarse_config, tmp_path_factory):
    """The coarse configuration, with heights read for unseen land alone."""
    path = tmp_path_factory.mktemp("config") / "heights.toml"
    path.write_text(
        f'extends = "{coarse_config.as_posix()}"\n'
        "[unseen]\nread_heights = true\nleast_pixels = 5\n"
    )
    return path


@pytest.fixture(scope="module")
def told(archive, coarse_config, reading, tmp_path_factory):
    """Runs of one county: without heights, with them, and of a source without them."""
    folder = tmp_path_factory.mktemp("unseen")
    bare = shutil.copytree(archive.parent, folder / "without") / archive.name
    content = json.loads(bare.read_text(encoding="utf-8"))
    content["links"] = [x for x in content["links"] if "dem" not in x["href"]]
    bare.write_text(json.dumps(content), encoding="utf-8")
    settings = load_settings(store=folder / "store")
    found = {}
    for name, source, config in (
        ("plain", archive, coarse_config),
        ("heights", archive, reading),
        ("bare", bare, reading),
    ):
        request = RunRequest(
            month="2025-08", regions=(REGION,), source=str(source),
            config=str(config), out=str(folder / name),
        )  # fmt: skip
        run_monitor(request, settings)
        run = json.loads((folder / name / "run.json").read_text(encoding="utf-8"))
        ledger = pd.read_parquet(folder / name / "ledger.parquet")
        found[name] = run, ledger
    return found


def values(told, name):
    rows = told[name][0]["estimates"]
    return {row["indicator"]: row["value"] for row in rows}


def missed(told, name):
    ledger = told[name][1]
    return ledger[ledger["stratum"] == UNOBSERVED]


def test_unseen_land_is_filled_by_height_in_peak_and_month(told):
    rows = missed(told, "heights")
    assert rows["area_ha"].sum() > 0
    assert rows["filled_ha"].sum() == pytest.approx(rows["area_ha"].sum(), rel=0.01)
    assert missed(told, "plain")["filled_ha"].sum() == 0
    plain, filled = values(told, "plain"), values(told, "heights")
    assert filled["fvc_peak"] != plain["fvc_peak"]
    assert filled["fvc_peak"] == pytest.approx(plain["fvc_peak"], abs=0.02)


def test_what_was_seen_is_the_same_with_and_without_heights(told):
    seen = [
        told[name][1].query("stratum != 'unobserved'").reset_index(drop=True)
        for name in ("plain", "heights")
    ]
    pd.testing.assert_frame_equal(*seen)


def test_a_source_without_a_terrain_model_is_no_refusal_and_says_so(told):
    run, _ = told["bare"]
    assert "no item of cop-dem-glo-30" in run["lacking"][REGION]["terrain"]
    assert values(told, "bare") == values(told, "plain")
