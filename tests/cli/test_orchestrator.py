"""What the command line says when the orchestrator has no place to work in."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest

from qhsink.cli.orchestrator import orchestrator_home
from qhsink.config import Settings
from qhsink.domain.errors import BadInput, StoreFault


@pytest.fixture
def settings(tmp_path, monkeypatch):
    for name in ("PREFECT_HOME", "PREFECT_LOGGING_LEVEL"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
    return Settings(project=tmp_path, store=tmp_path / "work" / "store")


def free(monkeypatch, *, megabytes):
    found = SimpleNamespace(free=int(megabytes * 1e6))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: found)


def run(settings, flow):
    with orchestrator_home(settings):
        flow()


def never():
    pytest.fail("the flow was started")


def failing(error):
    def flow():
        raise error

    return flow


def test_a_disk_that_is_nearly_full_is_told_before_a_flow_starts(settings, monkeypatch):
    free(monkeypatch, megabytes=3)
    with pytest.raises(StoreFault, match=r"3\.0 MB are free at .*work/prefect"):
        run(settings, never)


def test_a_place_that_cannot_be_written_is_told(settings):
    settings.store.parent.mkdir()
    (settings.store.parent / "prefect").write_text("a file where a folder goes")
    with pytest.raises(StoreFault, match="where the orchestrator keeps its files"):
        run(settings, never)


def test_a_disk_that_fills_up_during_the_flow_is_told(settings, monkeypatch):
    def flow():
        free(monkeypatch, megabytes=0)
        raise RuntimeError("500 Internal Server Error")

    with pytest.raises(StoreFault, match=r"0\.0 MB are free"):
        run(settings, flow)


def test_a_server_that_does_not_start_is_told(settings):
    said = "Timed out while attempting to connect to ephemeral Prefect API server."
    with pytest.raises(StoreFault, match="did not start"):
        run(settings, failing(RuntimeError(said)))


@pytest.mark.parametrize(
    "error",
    [BadInput("x", expected="y", remedy="Z."), ZeroDivisionError("a defect")],
    ids=["bad-input", "a-defect"],
)
def test_any_other_error_is_left_as_it_is(settings, error):
    with pytest.raises(type(error)) as caught:
        run(settings, failing(error))
    assert caught.value is error
