"""What the suite itself relies on."""

from __future__ import annotations

import os

import pytest


@pytest.mark.xdist_group("prefect")
def test_groups_of_tests_keep_to_one_worker(request):
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("groups matter where workers share the suite (make test)")
    # xdist puts the group behind the id, where pytest must find it.
    assert request.node.nodeid.endswith("@prefect"), (
        "pytest and xdist do not go together: shared runs would be made by every worker"
    )
