"""The flow's own logic; that it runs under Prefect is tested in tests/runs."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from prefect.settings import Settings

from flows import monitor as flow_module
from flows.faults import is_transient
from qhsink.domain.errors import ConfigError, StoreFault

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("prefect")]


@pytest.mark.parametrize(
    ("scheduled", "month"),
    [
        (datetime(2025, 9, 4, 19, 0, tzinfo=UTC), "2025-08"),
        (datetime(2026, 1, 4, 19, 0, tzinfo=UTC), "2025-12"),
        (datetime(2025, 8, 31, 20, 0, tzinfo=UTC), "2025-08"),
    ],
    ids=["the fifth of September", "the turn of the year", "a month's end in UTC"],
)
def test_last_means_the_month_before_in_qinghai(monkeypatch, scheduled, month):
    run = SimpleNamespace(scheduled_start_time=scheduled)
    monkeypatch.setattr(flow_module, "flow_run", run)
    assert flow_module._last_month() == month


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (StoreFault("disk full", expected="space", remedy="Free some."), True),
        (ConnectionResetError(), True),
        (ConfigError("a typo", expected="a key", remedy="Mend it."), False),
        (KeyError("defect"), False),
    ],
    ids=["a full disk", "a broken connection", "bad input", "a defect"],
)
def test_only_passing_faults_are_tried_again(error, again):
    state = SimpleNamespace(result=lambda **_: error)
    assert is_transient(None, None, state) is again


def test_prefects_own_server_is_given_time_to_start_on_a_busy_machine():
    seconds = Settings().server.ephemeral.startup_timeout_seconds
    assert seconds >= 120
