"""Small areas, change and model-based variance from tables."""

from __future__ import annotations

import json
import math

import click
import numpy as np
import pytest
from click.testing import CliRunner

from qhsink.cli import cli
from qhsink.domain.errors import Refusal, TableError
from qhsink.estimation.small_area import ALIKE, UnitSample, eblup, fit_nested_error


def call(*words):
    done = CliRunner().invoke(
        cli, ["estimate", *map(str, words)], standalone_mode=False
    )
    if done.exception is not None:
        raise done.exception
    return done


def answer(*words):
    return json.loads(call(*words, "--json", "-").stdout)


PLOTS = [
    ("a", 1.0, 2.1), ("a", 2.0, 3.2), ("a", 3.0, 3.9), ("b", 1.5, 1.4),
    ("b", 2.5, 2.8), ("b", 4.0, 3.7), ("c", 0.5, 1.9), ("c", 3.5, 4.6),
    ("c", 2.2, 3.4), ("c", 1.1, 2.4),
]  # fmt: skip


@pytest.fixture
def plots(tmp_path):
    path = tmp_path / "plots.csv"
    rows = "\n".join(f"{d},{x},{y}" for d, x, y in PLOTS)
    path.write_text(f"county,map,cover\n{rows}\n")
    means = tmp_path / "means.csv"
    means.write_text("county,map\na,2.2\nb,2.0\nc,1.8\nd,3.0\n")
    return path, means


def small(plots, *more):
    path, means = plots
    return answer(
        "small-area", "--sample", path, "--y", "cover", "--domain", "county",
        "--aux", "map", "--aux-means", means, *more,
    )  # fmt: skip


def test_small_areas_equal_the_estimators_on_arrays(plots):
    found = small(plots)
    x = np.array([[1.0, x] for _, x, _ in PLOTS])
    sample = UnitSample(
        np.array([y for *_, y in PLOTS]), x, np.array([d for d, *_ in PLOTS])
    )
    means = {
        d: np.array([1.0, m]) for d, m in zip("abcd", (2.2, 2, 1.8, 3), strict=True)
    }
    model = fit_nested_error(sample, fit="adjusted")
    expected = {r.domain: r for r in eblup(model, sample, means)}
    rows = {r["domain"]: r for r in found["estimates"] if r["method"] == "eblup"}
    assert set(rows) == set("abcd")
    for name, row in rows.items():
        assert row["mean"] == pytest.approx(expected[name].value)
        assert row["mse"] == pytest.approx(expected[name].mse)
        low, high = row["ci_mean"]
        assert (high - low) / 2 == pytest.approx(1.6448536 * row["root_mse"])
    assert found["model"]["coefficients"]["map"] == pytest.approx(model.beta[1])
    assert found["model"]["fit"] == "adjusted"
    dfs = {r["method"]: r["df"] for r in found["estimates"] if r["domain"] == "a"}
    assert dfs == {"synthetic": 1.0, "greg": 2.0, "eblup": None}


ALIKE_PLOTS = "y,x,d\n" + "".join(
    f"{y},{x},{d}\n" for d in "abc" for x, y in ((1, 1.0), (2, 2.5), (3, 2.5), (4, 4.0))
)


@pytest.mark.parametrize(
    ("fit", "flagged"), [("reml", True), ("ml", True), ("adjusted", False)]
)
def test_a_fit_that_finds_all_domains_alike_says_so(tmp_path, fit, flagged):
    """The same four plots in every domain: nothing differs between them."""
    table, means = tmp_path / "plots.csv", tmp_path / "means.csv"
    table.write_text(ALIKE_PLOTS)
    means.write_text("d,x\na,2\nb,2.5\nc,3\n")
    words = [
        "small-area", "--sample", str(table), "--y", "y", "--domain", "d",
        "--aux", "x", "--aux-means", str(means), "--fit", fit,
    ]  # fmt: skip
    rows = answer(*words)["estimates"]
    by_method = {row["method"]: row["flags"] for row in rows}
    wanted = [ALIKE] if flagged else []
    assert by_method == {"synthetic": wanted, "eblup": wanted, "greg": []}
    said = call(*words).output
    assert (f"synthetic, eblup: {ALIKE}" in said) == flagged


def test_a_domain_without_plots_has_no_survey_regression(plots):
    methods = {r["method"] for r in small(plots)["estimates"] if r["domain"] == "d"}
    assert methods == {"synthetic", "eblup"}


def test_a_domain_with_plots_but_no_means_is_named(plots):
    path, means = plots
    means.write_text("county,map\na,2.2\nb,2.0\nd,3.0\n")
    found = small((path, means))
    assert found["without_means"] == ["c"]
    assert "c" not in {row["domain"] for row in found["estimates"]}


def test_a_missing_auxiliary_is_named(plots):
    path, means = plots
    with pytest.raises(TableError, match="'rain'"):
        call(
            "small-area", "--sample", path, "--y", "cover", "--domain", "county",
            "--aux", "map,rain", "--aux-means", means,
        )  # fmt: skip


def test_change_of_paired_plots_by_hand(tmp_path):
    path = tmp_path / "paired.csv"
    path.write_text("y1,y2\n1,2\n2,2\n3,4\n4,6\n")
    found = answer(
        "change", "--sample", path, "--first", "y1", "--second", "y2",
        "--population", 100,
    )  # fmt: skip
    assert found["value"] == pytest.approx(100.0)
    assert found["variance"] == pytest.approx(100**2 * (2 / 3) / 4)
    apart = found["variance_first"] + found["variance_second"]
    assert found["covariance"] == pytest.approx((apart - found["variance"]) / 2)
    assert found["df"] == 3
    assert found["flags"] == []


def test_change_of_aligned_members_by_hand(tmp_path):
    path = tmp_path / "members.csv"
    path.write_text("first,second\n10,12\n11,14\n12,13\n")
    found = answer("change", "--members", path, "--ensembles", "fvc-1,fvc-1")
    assert found["value"] == pytest.approx(2.0)
    assert found["se"] == pytest.approx(1.0)
    assert found["flags"] == ["not calibrated"]


def test_maps_of_two_ensembles_have_no_change(tmp_path):
    path = tmp_path / "members.csv"
    path.write_text("first,second\n10,12\n11,14\n")
    with pytest.raises(Refusal, match="same ensemble"):
        call("change", "--members", path, "--ensembles", "fvc-1,fvc-2")


def test_hybrid_inference_reproduces_methodology_d4(tmp_path):
    rows = [
        f"{m},{c},{total * factor},{size}"
        for m, factor in (("m1", 0.9), ("m2", 1.0), ("m3", 1.1))
        for c, total, size in (("t1", 180, 3), ("t2", 50, 2), ("t3", 340, 4))
    ]
    path = tmp_path / "tracks.csv"
    path.write_text("member,cluster,total,size\n" + "\n".join(rows) + "\n")
    found = answer("model", "--members", path)
    assert found["mode"] == "hybrid"
    assert found["flags"] == ["not calibrated: few clusters"]
    assert found["mean"] == pytest.approx(63.333, abs=5e-4)
    assert found["variance"]["sampling"] == pytest.approx(249.794, abs=5e-4)
    assert found["variance"]["parameters"] == pytest.approx((0.1 * 570 / 9) ** 2)
    small = answer(
        "model", "--members", path, "--area-ha", 1, "--pixel-m", 25,
        "--residual-sd", 4, "--range-m", 5000,
    )  # fmt: skip
    assert small["variance"]["residuals"] == pytest.approx(16, rel=0.02)
    assert small["variance"]["sampling"] == found["variance"]["sampling"]
    path.write_text("member,cluster,total,size\n" + "\n".join(rows[:-1]) + "\n")
    with pytest.raises(TableError, match="one row for every member and cluster"):
        call("model", "--members", path)
    rows[-1] = rows[-1][:-1] + "5"
    path.write_text("member,cluster,total,size\n" + "\n".join(rows) + "\n")
    with pytest.raises(TableError, match="'t3' with another size"):
        call("model", "--members", path)


def test_the_error_of_a_mapped_mean_does_not_shrink_with_its_pixels(tmp_path):
    path = tmp_path / "members.csv"
    path.write_text("mean\n0.50\n0.52\n0.54\n")
    errors = [
        answer(
            "model", "--members", path, "--area-ha", 1e6, "--pixel-m", pixel,
            "--residual-sd", 0.1, "--range-m", 2000,
        )["se_mean"]
        for pixel in (10, 100)
    ]  # fmt: skip
    assert errors[0] == pytest.approx(errors[1], rel=1e-6)
    assert errors[0] > 0.02 > 0.1 / math.sqrt(1e6)


def test_a_mapped_mean_without_a_variogram_is_refused(tmp_path):
    path = tmp_path / "members.csv"
    path.write_text("mean\n0.50\n0.52\n")
    with pytest.raises(click.UsageError, match="RMSE/sqrt"):
        call("model", "--members", path)


def test_residuals_with_places_give_the_variogram(tmp_path):
    members = tmp_path / "members.csv"
    members.write_text("mean\n0.50\n0.52\n0.54\n")
    rng = np.random.default_rng(2)
    site = rng.uniform(0, 2e5, (30, 1, 2))
    place = (site + rng.normal(0, 400, (30, 4, 2))).reshape(-1, 2)
    residual = np.repeat(rng.normal(0, 0.1, 30), 4) + rng.normal(0, 0.02, 120)
    table = tmp_path / "residuals.csv"
    rows = zip(*place.T, residual, strict=True)
    table.write_text(
        "x_m,y_m,residual\n" + "\n".join(f"{x},{y},{r}" for x, y, r in rows)
    )
    found = answer(
        "model", "--members", members, "--area-ha", 1e5, "--pixel-m", 20,
        "--residuals", table,
    )  # fmt: skip
    assert found["residuals"]["source"] == "plots"
    assert found["residuals"]["sill"] == pytest.approx(0.0104, rel=0.5)
    assert found["residuals"]["nugget"] < 0.002
    assert found["variance"]["residuals"] > 1e3 * 0.0104 / (1e9 / 400)


@pytest.mark.parametrize(
    ("rows", "means", "words"),
    [
        ("1,1,a,1\n2,1,b,1\n3,1,b,1\n5,1,a,1\n4,1,c,1\n", "a,2\nb,3\n", "collinear"),
        ("1,1,a,1\n2,2,b,1\n3,3,b,1\n4,4,a,1\n5,5,c,1\n", "a,2\nb,3\n", "residual"),
        ("1,1,a,1\n2,2,b,1\n3,2,b,1\n5,4,a,0\n4,5,c,1\n", "a,2\nb,3\n", "positive"),
        ("1,1,a,1\n2,2,b,1\n3,2,b,1\n5,4,a,1\n4,5,c,1\n", "a,2\na,3\n", "a domain"),
    ],
    ids=["constant auxiliary", "y itself", "no weight", "means twice"],
)
def test_small_areas_refuse_what_has_no_error(tmp_path, rows, means, words):
    plots, known = tmp_path / "p.csv", tmp_path / "m.csv"
    plots.write_text(f"y,x,d,w\n{rows}")
    known.write_text(f"d,x\n{means}")
    with pytest.raises(TableError, match=words):
        call(
            "small-area", "--sample", plots, "--y", "y", "--domain", "d", "--aux", "x",
            "--aux-means", known, "--weight", "w",
        )  # fmt: skip


def test_an_area_that_hangs_on_an_unseen_stratum_is_flagged(tmp_path):
    sample, strata = tmp_path / "sample.csv", tmp_path / "strata.csv"
    sample.write_text(
        "stratum,map,reference,count\nwood,wood,wood,35\nwood,wood,grass,15\n"
        "grass,grass,grass,50\n"
    )
    strata.write_text("stratum,units\nwood,100\ngrass,900\n")
    found = answer("area", "--sample", sample, "--strata", strata)
    flags = {name: row["flags"] for name, row in found["classes"].items()}
    assert [len(flags[name]) for name in ("grass", "wood")] == [1, 1]
    assert flags["wood"][0].startswith("not calibrated: plots of a stratum")
