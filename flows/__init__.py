"""Orchestration only: the one place that knows Prefect.

The switches below are set before Prefect is imported, which reads them once:
nothing is sent anywhere, and its own server, started for the length of a flow when
no API is named, works without a network. A setting in the environment wins.
"""

from __future__ import annotations

import os

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "ERROR")
# Prefect gives its own server 20 s to start: a busy machine needs more, and a run that
# is not started is lost until the next month.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")
