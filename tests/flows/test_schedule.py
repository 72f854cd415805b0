"""The deployments of prefect.yaml are scheduled by a real server.

Prefect's scheduler has failed without a word before (SQLAlchemy 2.1: every minute an
error in its log, no run ever), so a test looks for the scheduled run itself.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime
from zoneinfo import ZoneInfo

import httpx
import pytest

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("prefect")]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Prefect server of our own on loopback, quiet and offline."""
    home = tmp_path_factory.mktemp("prefect")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    env = {
        **os.environ,
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": url,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
        "DO_NOT_TRACK": "1",
    }
    log = (home / "server.log").open("wb")
    command = [sys.executable, "-m", "prefect", "server", "start", "--no-ui"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        command, env=env, stdout=log, stderr=log, start_new_session=True
    )
    try:
        _await(lambda: ask(url, "/health") is not None, process, home / "server.log")
        yield url, env
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)
        log.close()


def _await(ready, process, log, seconds=120):
    deadline = time.monotonic() + seconds
    while not ready():
        alive = process.poll() is None and time.monotonic() < deadline
        assert alive, log.read_text()[-3000:]
        time.sleep(0.5)


def ask(url, path, body=None):
    try:
        if body is None:
            return httpx.get(url + path, timeout=10).json()
        return httpx.post(url + path, json=body, timeout=10).json()
    except httpx.TransportError:
        return None


def test_the_cron_deployment_yields_a_scheduled_run(server, project_folder):
    url, env = server
    prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
    for arguments in (
        ["work-pool", "create", "qhsink", "--type", "process"],
        ["deploy", "--all"],
    ):
        done = subprocess.run(
            [*prefect, *arguments],
            env=env,
            cwd=project_folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    deployments = {d["name"]: d for d in ask(url, "/deployments/filter", {})}
    assert set(deployments) == {"monthly", "one-region"}
    wanted = {"deployments": {"id": {"any_": [deployments["monthly"]["id"]]}}}
    deadline = time.monotonic() + 60
    runs = []
    while not runs and time.monotonic() < deadline:
        runs = ask(url, "/flow_runs/filter", wanted) or []
        time.sleep(0.5)
    assert runs, "the scheduler made no run"
    assert {run["state_type"] for run in runs} == {"SCHEDULED"}
    first = min(datetime.fromisoformat(run["expected_start_time"]) for run in runs)
    there = first.astimezone(ZoneInfo("Asia/Shanghai"))
    assert (there.day, there.hour, there.minute) == (5, 3, 0)
    assert runs[0]["parameters"]["month"] == "last"
