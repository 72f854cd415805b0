"""The keys of every ``--json``, as issue 3 names them: others read these files."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from qhsink.cli.estimate import estimate
from qhsink.domain.errors import TableError

CLASS = {
    "proportion", "se_proportion", "area_ha", "se_ha", "ci_ha", "users_accuracy",
    "se_users", "producers_accuracy", "se_producers",
}  # fmt: skip
AREA = {"classes", "overall_accuracy", "se_overall_accuracy", "n", "method"}
ROW = {
    "domain", "n", "mean", "se_mean", "total", "se_total", "ci_mean", "ci_total", "df",
    "method",
}  # fmt: skip

SAMPLE = """y,x,s,c,p,d
3,1,A,a,0.1,u
5,2,A,a,0.1,u
4,3,A,b,0.2,v
8,4,B,d,0.2,v
9,5,B,e,0.1,u
7,6,B,e,0.1,v
"""
STRATA = "stratum,units\nA,30\nB,30\n"
MEANS = "x\n3.4\n"

BY_METHOD = {
    "srs": ("--population", "60"),
    "stratified": ("--population", "60", "--stratum", "s", "--strata", "STRATA"),
    "poststratified": ("--population", "60", "--stratum", "s", "--strata", "STRATA"),
    "ratio": ("--population", "60", "--ratio-of", "x", "--aux-means", "MEANS"),
    "regression": ("--population", "60", "--aux", "x", "--aux-means", "MEANS"),
    "difference": ("--population", "60", "--aux", "x", "--aux-means", "MEANS"),
    "two-phase": ("--population", "600", "--stratum", "s", "--strata", "STRATA"),
    "cluster": ("--population", "20", "--cluster", "c"),
    "ht": ("--prob", "p"),
}


@pytest.fixture
def ask(tmp_path):
    """Run a command on the tables here; return its JSON."""
    tables = {
        "SAMPLE": SAMPLE, "STRATA": STRATA, "MEANS": MEANS,
    }  # fmt: skip
    for name, text in tables.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")

    def run(*words):
        named = [str(tmp_path / f"{w}.csv") if w in tables else w for w in words]
        done = CliRunner().invoke(estimate, [*named, "--json", "-"])
        if done.exception:
            raise done.exception
        return json.loads(done.stdout)

    return run


@pytest.mark.parametrize("method", BY_METHOD)
def test_each_method_of_total_gives_the_keys_of_the_issue(ask, method):
    words = ("total", "--sample", "SAMPLE", "--y", "y", "--method", method)
    (row,) = ask(*words, *BY_METHOD[method])["estimates"]
    assert set(row) >= ROW
    assert row["domain"] is None
    assert len(row["ci_mean"]) == len(row["ci_total"]) == 2
    assert row["ci_total"][0] < row["total"] < row["ci_total"][1]


@pytest.mark.parametrize("method", ["srs", "stratified", "ht", "cluster"])
def test_one_row_per_level_of_a_domain(ask, method):
    words = ("total", "--sample", "SAMPLE", "--y", "y", "--method", method)
    rows = ask(*words, *BY_METHOD[method], "--domain", "d")["estimates"]
    assert [row["domain"] for row in rows] == ["u", "v"]
    assert all(set(row) >= ROW for row in rows)


def test_area_gives_the_keys_of_the_issue(ask, tmp_path):
    sample = "stratum,map,reference\nA,A,A\nA,A,B\nB,B,B\nB,B,B\n"
    (tmp_path / "labels.csv").write_text(sample, encoding="utf-8")
    table = str(tmp_path / "labels.csv")
    found = ask("area", "--sample", table, "--strata", "STRATA", "--confidence", "0.9")
    assert set(found) >= AREA | {"confidence"}
    assert found["confidence"] == 0.9
    assert set(found["classes"]) == {"A", "B"}
    assert all(set(row) >= CLASS for row in found["classes"].values())
    assert len(found["classes"]["A"]["ci_ha"]) == 2


@pytest.mark.parametrize("mark", [";", "\t"])
def test_tables_separated_by_semicolons_or_tabs_say_the_same(ask, tmp_path, mark):
    path = tmp_path / "other.csv"
    path.write_text("\ufeff" + SAMPLE.replace(",", mark), encoding="utf-8")
    words = ("--y", "y", "--method", "srs", "--population", "60")
    assert ask("total", "--sample", str(path), *words) == ask(
        "total", "--sample", "SAMPLE", *words
    )


def test_more_units_sampled_than_exist_is_refused_and_a_stated_weight_is_not(ask):
    words = ("total", "--sample", "SAMPLE", "--y", "y")
    with pytest.raises(TableError, match="6 sampled of 5 in the frame"):
        ask(*words, "--method", "srs", "--population", "5")
    few = ("--method", "cluster", "--cluster", "c", "--population", "3")
    with pytest.raises(TableError, match="4 sampled of 3 in the frame"):
        ask(*words, *few)
    assert ask(*words, "--method", "ht", "--weight", "x")["estimates"][0]["n"] == 6
