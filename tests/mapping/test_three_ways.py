from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks import esa_network, simulated_cover, three_ways
from qhsink.mapping.samples import Recipe
from qhsink.mapping.validation import score


@pytest.mark.parametrize(
    ("angle", "extinction"),
    [(np.degrees(9.65 * 4**-1.65), 1 / (1 + 1.774 * 2.182**-0.733)), (1e-3, 1.0)],
    ids=["spherical: about one half", "flat leaves: one"],
)
def test_cover_of_a_canopy_by_hand(angle, extinction):
    got = simulated_cover.canopy_cover(np.array([0.0, 2.0]), np.array([angle, angle]))
    np.testing.assert_allclose(got, [0, 1 - np.exp(-2 * extinction)], atol=2e-3)


def test_spherical_leaves_hide_half_of_what_flat_ones_do():
    spherical = simulated_cover.canopy_cover(np.array([2.0]), np.array([57.3]))
    assert spherical[0] == pytest.approx(1 - np.exp(-1), abs=0.02)


def test_simulated_pixels_are_reflectance_with_cover_and_repeat_by_seed():
    one, two = (simulated_cover.simulate(500, seed=4) for _ in range(2))
    np.testing.assert_array_equal(one.target, two.target)
    assert one.target.min() >= 0
    assert one.target.max() < 1
    assert all(b.min() > 0 and b.max() < 1 for b in one.reflectance.values())
    red, nir = one.reflectance["red"], one.reflectance["nir"]
    assert np.corrcoef((nir - red) / (nir + red), one.target)[0, 1] > 0.8


def test_a_network_trained_on_canopies_reads_unseen_ones():
    ensemble = three_ways.physics_ensemble(4000, Recipe(members=2, epochs=15))
    unseen = simulated_cover.simulate(1000, seed=99)
    found = three_ways._mean(ensemble, unseen.reflectance)
    assert score(unseen.target, found).r2 > 0.85


def test_a_line_takes_bias_and_slope_away_but_not_error():
    rng = np.random.default_rng(0)
    observed = rng.random(1000)
    predicted = 0.2 + 0.5 * observed + rng.normal(0, 0.05, 1000)
    found = score(
        observed, three_ways.straighten(observed, predicted, np.arange(1000) % 5)
    )
    assert abs(found.bias) < 0.01
    assert 0.05 < found.rmse < 0.1


def test_the_red_edge_is_filled_in_near_enough_for_cover(shared_dir):
    folder = shared_dir / "cases" / "s2_biophysical_S2A"
    net = json.loads((folder / "inputs.json").read_text())["nets"]["FCOVER"]
    vectors = pd.read_csv(folder / "inputs_FCOVER.csv")
    bands = dict(zip(simulated_cover.BANDS, esa_network.ESA_BANDS, strict=True))
    seen = {name: vectors[band].to_numpy() for name, band in bands.items()}
    model = esa_network.red_edge_model(vectors)
    found = esa_network.esa_cover(seen, model, net, 45.0)
    assert score(vectors["FCOVER"].to_numpy(), found).r2 > 0.8


def test_another_version_of_the_network_is_judged_beside_the_first(
    shared_dir, tmp_path
):
    folder = shared_dir / "cases" / "s2_biophysical_S2A"
    nets = json.loads((folder / "inputs.json").read_text())["nets"]
    shifted = {
        **nets["FCOVER"],
        "b2": [float(np.ravel(nets["FCOVER"]["b2"])[0]) + 0.02],
    }
    other = tmp_path / "nets.json"
    other.write_text(json.dumps({"version": "2.9", "nets": {"FCOVER": shifted}}))
    vectors = pd.read_csv(folder / "inputs_FCOVER.csv")
    bands = dict(zip(simulated_cover.BANDS, esa_network.ESA_BANDS, strict=True))
    seen = {name: vectors[band].to_numpy() for name, band in bands.items()}
    found, note = three_ways._esa(seen, folder, other)
    assert len(found) == 2 * len(three_ways.SUN_ZENITH)
    # Half of 0.02 times the span of cover, by hand.
    assert "version 2.9 differs from 3.0 by 0.010 at most" in note
    gap = [
        found[f"ESA network, version {version}, sun at 45° from the zenith"].mean()
        for version in ("2.9", "3.0")
    ]
    assert gap[0] - gap[1] == pytest.approx(0.01, abs=0.001)


def test_the_table_goes_between_its_marks_and_nowhere_else(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"a\n{three_ways.BEGIN}\nold\n{three_ways.END}\nb\n")
    three_ways.write_section(page, "new")
    assert page.read_text() == f"a\n{three_ways.BEGIN}\nnew\n{three_ways.END}\nb\n"
    page.write_text("a\n")
    with pytest.raises(ValueError, match="lacks"):
        three_ways.write_section(page, "new")


def test_the_page_holds_a_table_of_three_ways():
    text = three_ways.PAGE.read_text(encoding="utf-8")
    part = text.partition(three_ways.BEGIN)[2].partition(three_ways.END)[0]
    for way in ("field-trained", "physics-trained", "ESA network, version 3.0"):
        assert way in part
