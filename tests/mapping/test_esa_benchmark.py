"""The ESA biophysical processor, version 3.0, as a benchmark: never shipped.

Its coefficients are GPL-3 auxiliary data and are read from beside the project; only
the formula is here (Weiss and Baret, S2ToolBox Level 2 products, version 3.0 nets).
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks.esa_network import run_network

VARIABLES = ("FCOVER", "FAPAR", "LAI")


@pytest.fixture(scope="module")
def esa_case(shared_dir):
    folder = shared_dir / "cases" / "s2_biophysical_S2A"
    inputs = json.loads((folder / "inputs.json").read_text())
    expected = json.loads((folder / "expected.json").read_text())
    return folder, inputs, expected


@pytest.mark.parametrize("name", VARIABLES)
def test_version_3_of_the_network_gives_its_own_test_vectors(esa_case, name):
    folder, inputs, expected = esa_case
    assert "3_0" in (folder / "SOURCE.txt").read_text()
    rows = pd.read_csv(folder / f"inputs_{name}.csv")
    found = run_network(rows[inputs["bands"]].to_numpy(), inputs["nets"][name])
    np.testing.assert_allclose(found, rows["recomputed_raw"], atol=1e-9)
    clamped = rows["recomputed_clamped"]
    inside = clamped == rows["recomputed_raw"]
    gap = np.abs(found - rows[name])[inside]
    assert inside.sum() > 300
    assert gap.max() <= expected["tolerance"][f"{name}_abs"]


def test_a_network_without_its_output_scaling_would_be_noticed(esa_case):
    folder, inputs, _ = esa_case
    rows = pd.read_csv(folder / "inputs_FCOVER.csv")
    net = {**inputs["nets"]["FCOVER"], "denormalisation": [[0, 1]]}
    found = run_network(rows[inputs["bands"]].to_numpy(), net)
    assert np.abs(found - rows["FCOVER"]).max() > 1e-4
