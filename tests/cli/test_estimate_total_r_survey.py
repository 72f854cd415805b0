"""`qhsink estimate total` where designs and estimators meet, against R survey 4.1-1.

One small table, ``d`` below, typed into R as it stands. ``sv`` is
``svydesign(~cl, strata = ~stratum, data = d, weights = ~w, nest = TRUE)``.
"""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from qhsink.cli.estimate import estimate

TABLE = """stratum,cl,cu,y,x,k,w,d
a,1,a1,4,2,g,10,p
a,1,a1,7,3.5,h,12,q
a,2,a2,5,2.2,g,9,p
a,2,a2,9,4.1,h,11,p
a,3,a3,6,3,g,10,q
a,3,a3,8,3.6,g,8,p
b,1,b1,12,6.2,h,20,q
b,1,b1,10,4.8,h,22,p
b,2,b2,15,7.9,g,19,q
b,2,b2,11,5.1,h,21,q
b,3,b3,14,7.2,g,18,p
b,3,b3,13,6.4,h,20,q
"""
MEANS = "x,kh\n4.73684210526315789,0.52631578947368421\n"


@pytest.fixture
def rows(tmp_path):
    """Run the command on ``TABLE``; return its rows by domain."""

    def run(*options, **files):
        for name, text in {"sample": TABLE, **files}.items():
            (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
        named = [
            part
            for name in files
            for part in (f"--{name.replace('_', '-')}", str(tmp_path / f"{name}.csv"))
        ]
        done = CliRunner().invoke(
            estimate,
            [
                "total", "--sample", str(tmp_path / "sample.csv"), "--y", "y",
                *map(str, options), *named, "--json", "-",
            ],
        )  # fmt: skip
        if done.exception:
            raise done.exception
        return {row["domain"]: row for row in json.loads(done.stdout)["estimates"]}

    return run


def check(row, total, se_total, mean, se_mean, df):
    found = [row[name] for name in ("total", "se_total", "mean", "se_mean", "df")]
    expected = [total, se_total, mean, se_mean, df]
    assert found == pytest.approx(expected, rel=1e-10)


def test_greg_with_a_category_on_weighted_clusters_in_strata(rows):
    """g <- calibrate(sv, ~x + k, c(`(Intercept)` = 190, x = 900, kh = 100))."""
    options = [
        "--method", "regression", "--population", 190, "--weight", "w",
        "--stratum", "stratum", "--cluster", "cl", "--aux", "x,k",
    ]  # fmt: skip
    found = rows(*options, aux_means=MEANS)
    check(found[None], 1830.27340559, 24.9675931744, 9.63301792415, 0.131408385129, 4)
    by_domain = rows(*options, "--domain", "d", aux_means=MEANS)
    check(by_domain["p"], 792.212699467, 275.75435001, 8.47746910918, 0.930938857483, 3)
    check(
        by_domain["q"], 1038.06070612, 278.686212528, 10.7514458449, 0.824760229711, 3
    )


def test_post_strata_on_weighted_clusters(rows):
    """postStratify(svydesign(~cu, data = d, weights = ~w), ~k, g 85, h 105)."""
    options = [
        "--method", "poststratified", "--population", 190, "--weight", "w",
        "--stratum", "k", "--cluster", "cu",
    ]  # fmt: skip
    strata = "stratum,units\ng,85\nh,105\n"
    found = rows(*options, strata=strata)
    check(found[None], 1980.19377868, 248.386214931, 10.4220725194, 1.30729586806, 5)
    by_domain = rows(*options, "--domain", "d", strata=strata)
    check(by_domain["p"], 776.598674146, 275.164076883, 9.20381953888, 1.63072818061, 4)
    check(by_domain["q"], 1203.59510454, 372.351554453, 11.3952926976, 1.19400947843, 4)


def test_a_ratio_on_weighted_clusters_in_strata(rows):
    """svyratio(~y, ~x, sv)."""
    found = rows(
        "--method", "ratio", "--population", 190, "--weight", "w", "--ratio-of", "x",
        "--stratum", "stratum", "--cluster", "cl",
    )[None]  # fmt: skip
    assert found["mean"] == pytest.approx(2.02128803354, rel=1e-10)
    assert found["se_mean"] == pytest.approx(0.0141178913517, rel=1e-10)


def test_two_phases_with_the_finite_correction_of_the_first(rows):
    """twophase(strata = list(NULL, ~stratum), fpc = list(~N, NULL), method = "full").

    40 first-phase units of 400, 24 in a and 16 in b.
    """
    found = rows(
        "--method", "two-phase", "--population", 400, "--stratum", "stratum", "--fpc",
        strata="stratum,units\na,24\nb,16\n",
    )[None]  # fmt: skip
    assert found["total"] == pytest.approx(3560.0, rel=1e-12)
    assert found["se_total"] == pytest.approx(279.286637061, rel=1e-10)
