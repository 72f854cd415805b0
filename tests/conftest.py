"""What every test may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

PROJECT = Path(__file__).resolve().parents[1]

# How long one example takes says more of the machine's load than of the code.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def project_folder() -> Path:
    """The clone: aoi/, config/ and models/ lie here."""
    return PROJECT


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of real data and published cases beside the clone."""
    folder = PROJECT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("../shared (real data and published cases) is not on this machine")
    return folder
