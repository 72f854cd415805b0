"""The store is bounded: the least recently used goes, what a run needs stays."""

from __future__ import annotations

import json
import os
import time

import pytest
from click.testing import CliRunner

from qhsink.cli.store import store as store_command
from qhsink.domain.errors import BadInput
from qhsink.sources.pages import PageFolder
from qhsink.steps.cleanup import clean_up, parse_size, plan_cleanup
from qhsink.store import Store, make_key

DAY = 86400.0
NOW = time.time()


@pytest.fixture
def filled(tmp_path):
    """Three artifacts and one remote file, used 40, 30, 20 and 10 days ago."""
    store = Store(tmp_path / "store")
    folders = {}
    for name, days in (("old", 40), ("middle", 30), ("young", 20)):
        key = make_key("maps", code="1", params={"name": name})

        def write(folder):
            (folder / "a.bin").write_bytes(bytes(10_000))
            return {}

        folders[name] = store.put(key, write).folder
        age(folders[name], days)
    pages = PageFolder(store.root / "reads", "a remote file")
    pages.save(0, bytes(10_000))
    folders["read"] = pages.folder
    age(pages.folder, 10)
    return store.root, folders


def age(folder, days):
    moment = NOW - days * DAY
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (moment, moment))


def gone(root, folders, **bounds):
    cleanup = plan_cleanup(root, now=NOW, **bounds)
    clean_up(cleanup, root)
    return {name for name, folder in folders.items() if not folder.exists()}


def test_the_least_recently_used_goes_first(filled):
    root, folders = filled
    assert gone(root, folders, keep_bytes=25_000) == {"old", "middle"}
    left = sum(p.stat().st_size for p in root.rglob("*") if p.is_file())
    assert left <= 25_000


def test_what_was_not_used_for_long_goes(filled):
    assert gone(*filled, keep_days=15) == {"old", "middle", "young"}


def test_what_a_published_run_names_stays(filled, tmp_path):
    root, folders = filled
    run = tmp_path / "run.json"
    run.write_text(
        json.dumps({"artifacts": {"month/x": {"maps": folders["old"].name}}})
    )
    assert gone(root, folders, keep_bytes=0, runs=[run]) == {"middle", "young", "read"}


def test_a_store_within_its_bound_loses_nothing(filled):
    assert gone(*filled, keep_bytes=10**9) == set()


def test_what_was_just_used_stays_whatever_the_bound(filled):
    root, folders = filled
    os.utime(folders["old"])
    assert gone(root, folders, keep_bytes=0) == {"middle", "young", "read"}


def test_finding_an_artifact_counts_as_use(filled):
    root, folders = filled
    assert Store(root).find(make_key("maps", code="1", params={"name": "old"}))
    assert "old" not in gone(root, folders, keep_bytes=0)


def test_a_broken_record_stops_the_removal(filled, tmp_path):
    run = tmp_path / "run.json"
    run.write_text("{")
    with pytest.raises(BadInput, match=r"run\.json"):
        plan_cleanup(filled[0], keep_bytes=0, runs=[run])


def test_left_overs_of_a_killed_run_go_first(filled):
    root, folders = filled
    aside = root / "tmp" / "half-made"
    aside.mkdir(parents=True)
    (aside / "a.bin").write_bytes(bytes(50_000))
    age(aside, 1)
    assert gone(root, folders, keep_bytes=60_000) == set()
    assert not aside.exists()


@pytest.mark.parametrize(
    ("text", "size"),
    [("50GB", 50 * 10**9), ("1.5 mb", 1_500_000), ("700", 700), ("2T", 2 * 10**12)],
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-5GB", "5XB"])
def test_other_sizes_are_refused(text):
    with pytest.raises(BadInput, match="size"):
        parse_size(text)


def test_a_dry_run_removes_nothing_and_tells_what_would_go(filled, tmp_path):
    root, folders = filled
    arguments = ["gc", "--keep", "0", "--store", str(root), "--runs", str(tmp_path)]
    done = CliRunner().invoke(store_command, [*arguments, "--dry-run", "--json"])
    answer = json.loads(done.stdout)
    assert answer["removed"]["maps"][0] == 3
    assert answer["freed_bytes"] > 40_000
    assert all(folder.exists() for folder in folders.values())
    done = CliRunner().invoke(store_command, arguments)
    assert "freed" in done.stdout
    assert not any(folder.exists() for folder in folders.values())


def test_a_bound_must_be_named():
    done = CliRunner().invoke(store_command, ["gc"])
    assert done.exit_code == 2
    assert "--keep" in done.output
