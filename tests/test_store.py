"""Artifacts are complete or absent."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import time

import pytest

from qhsink.domain.errors import StoreFault
from qhsink.store import MANIFEST, Store, code_version, make_key


def key_of(**params):
    return make_key("composite", code="c0", params=params, inputs={"scenes": "abc"})


def writes(text):
    def write(folder):
        (folder / "data.txt").write_text(text)
        return {"length": len(text)}

    return write


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_an_artifact_comes_back_with_its_files_and_metadata(store):
    store.put(key_of(tile=1), writes("hello"))
    found = store.find(key_of(tile=1))
    assert found is not None
    assert found.path("data.txt").read_text() == "hello"
    assert found.meta == {"length": 5}


def test_a_second_get_does_not_make_it_again(store):
    store.get(key_of(tile=1), writes("hello"))

    def never(_):
        raise AssertionError

    assert store.get(key_of(tile=1), never).meta == {"length": 5}


@pytest.mark.parametrize(
    "other",
    [
        make_key("composite", code="c1", params={"tile": 1}, inputs={"scenes": "abc"}),
        make_key("composite", code="c0", params={"tile": 2}, inputs={"scenes": "abc"}),
        make_key("composite", code="c0", params={"tile": 1}, inputs={"scenes": "abd"}),
        make_key("maps", code="c0", params={"tile": 1}, inputs={"scenes": "abc"}),
    ],
    ids=["other code", "other parameters", "other inputs", "other step"],
)
def test_a_key_changes_with(other):
    assert other.digest != key_of(tile=1).digest


def test_the_order_of_parameters_does_not_change_a_key():
    one = make_key("s", code="c", params={"a": 1, "b": 2})
    other = make_key("s", code="c", params={"b": 2, "a": 1})
    assert one == other


def test_a_writer_that_fails_leaves_nothing(store):
    def fails(folder):
        (folder / "data.txt").write_text("half")
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        store.put(key_of(tile=1), fails)
    assert store.find(key_of(tile=1)) is None
    assert not list((store.root / "tmp").iterdir())


def test_a_full_disk_is_a_fault_in_one_sentence(store):
    def fills(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StoreFault, match=r"No space left on device.*Free space"):
        store.put(key_of(tile=1), fills)
    assert store.find(key_of(tile=1)) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda a: a.path("data.txt").unlink(),
        lambda a: a.path("data.txt").write_text("hell"),
        lambda a: a.path("data.txt").write_text("hellO"),
        lambda a: a.path(MANIFEST).write_text('{"files": '),
    ],
    ids=["a lost file", "a short file", "a changed byte", "a torn manifest"],
)
def test_a_damaged_artifact_is_made_again(store, damage):
    damage(store.put(key_of(tile=1), writes("hello")))
    assert store.find(key_of(tile=1)) is None
    again = store.get(key_of(tile=1), writes("hello"))
    assert again.path("data.txt").read_text() == "hello"


def _race(root, barrier, queue):
    def slow(folder):
        (folder / "data.txt").write_text("same")
        barrier.wait(timeout=20)
        return {}

    artifact = Store(root).put(key_of(tile=7), slow)
    queue.put(artifact.path("data.txt").read_text())


def test_two_processes_may_race_for_one_key(store):
    context = multiprocessing.get_context("spawn")
    barrier, queue = context.Barrier(2), context.Queue()
    racers = [
        context.Process(target=_race, args=(store.root, barrier, queue))
        for _ in range(2)
    ]
    for racer in racers:
        racer.start()
    texts = [queue.get(timeout=60) for _ in racers]
    for racer in racers:
        racer.join(timeout=20)
    assert texts == ["same", "same"]
    assert [racer.exitcode for racer in racers] == [0, 0]
    assert store.find(key_of(tile=7)) is not None
    assert not list((store.root / "tmp").iterdir())


def _hang(root):
    def write(folder):
        (folder / "data.txt").write_text("half")
        time.sleep(60)
        return {}

    Store(root).put(key_of(tile=8), write)


def test_a_process_killed_while_writing_leaves_no_artifact(store):
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_hang, args=(store.root,))
    process.start()
    deadline = time.monotonic() + 30
    while not list(store.root.glob("tmp/*/data.txt")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.join(timeout=20)
    assert store.find(key_of(tile=8)) is None
    assert store.get(key_of(tile=8), writes("whole")).meta == {"length": 5}


def test_the_manifest_says_what_an_artifact_was_made_from(store):
    artifact = store.put(key_of(tile=1), writes("hello"))
    manifest = json.loads(artifact.path(MANIFEST).read_text())
    assert manifest["made_from"]["inputs"] == {"scenes": "abc"}
    assert manifest["files"]["data.txt"]["size"] == 5


def test_code_version_follows_the_source_of_the_modules_named():
    assert code_version("qhsink.grid") != code_version("qhsink.domain")
    assert code_version("qhsink.grid") == code_version("qhsink.grid")
