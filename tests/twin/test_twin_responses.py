"""Band responses are read as published, and their centre and width are by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.band_responses import WAVES, shapes, sheet_reader
from qhsink.twin.spectra import BAND_NAMES, HEADS

COLUMNS = [
    f"S2C_SR_AV_B{n}"
    for n in ("2", "3", "4", "8A", "11", "12", "1", "5", "6", "7", "8", "9")
]


def test_centre_and_width_of_a_triangle_and_of_a_box_are_by_hand():
    # A triangle of base 40 nm is 20 nm wide at half its height; a box of 21 equal
    # values falls to half in the middle of the next nanometre.
    triangle = np.maximum(1.0 - np.abs(WAVES - 705.0) / 20.0, 0.0)
    box = ((WAVES >= 1600.0) & (WAVES <= 1620.0)).astype(float)
    rows = np.stack([triangle, box, box, box, box, box])
    weights = np.stack([rows / rows.sum(axis=1, keepdims=True)] * len(HEADS["msi"]))
    found = shapes(weights, "msi")["sentinel-2c"]
    first, second, *_ = BAND_NAMES["msi"]
    assert found[first] == [705.0, 20.0]
    assert found[second] == [1610.0, 21.0]


def test_the_sheet_of_sentinel_2c_is_read_by_its_columns(tmp_path):
    path = tmp_path / "sheet.csv"
    lines = [",".join(("SR_WL", *COLUMNS)), ",".join(("704", *["0.25"] * 12))]
    path.write_text("\n".join([*lines, ",".join(("705", *["1"] * 12))]) + "\n")
    at, values = sheet_reader(path)("8A")
    assert at.tolist() == [704.0, 705.0]
    assert values.tolist() == [0.25, 1.0]


def test_another_sheet_is_refused_with_the_columns_it_lacks(tmp_path):
    path = tmp_path / "sheet.csv"
    path.write_text("SR_WL,S2A_SR_AV_B1\n704,0.5\n")
    with pytest.raises(ValueError, match=r"no column S2C_SR_AV_B1, .*save the sheet"):
        sheet_reader(path)
