"""`qhsink estimate total` against R survey 4.1-1, mase and hand calculation."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from qhsink.cli.estimate import estimate
from qhsink.domain.errors import TableError

STRATA = "stratum,units\nE,4421\nH,755\nM,1018\n"


@pytest.fixture
def ask(tmp_path):
    """Run the command; return its rows."""

    def run(sample, *options, strata=None, means=None):
        table = sample
        if not isinstance(sample, str):
            table = sample.to_csv(index=False)
        (tmp_path / "s.csv").write_text(table, encoding="utf-8")
        words = ["total", "--sample", str(tmp_path / "s.csv"), *map(str, options)]
        if strata:
            (tmp_path / "strata.csv").write_text(strata, encoding="utf-8")
            words += ["--strata", str(tmp_path / "strata.csv")]
        if means:
            (tmp_path / "means.csv").write_text(means, encoding="utf-8")
            words += ["--aux-means", str(tmp_path / "means.csv")]
        words += ["--json", str(tmp_path / "out.json")]
        result = CliRunner().invoke(estimate, words)
        if result.exception:
            raise result.exception
        return json.loads((tmp_path / "out.json").read_text())["estimates"]

    return run


@pytest.fixture(scope="module")
def case(shared_dir):
    def read(name, file="inputs.csv"):
        folder = shared_dir / "cases" / name
        if file.endswith(".json"):
            return json.loads((folder / file).read_text())
        return pd.read_csv(folder / file)

    return read


def near(value, rel=1e-7):
    return pytest.approx(value, rel=rel)


def test_stratified_total_and_t_interval_are_those_of_r_survey(ask, case):
    expected = case("rsurvey_stratified", "expected.json")
    sample = case("rsurvey_stratified")
    options = ("--method", "stratified", "--stratum", "stype", "--population", 6194)
    (row,) = ask(sample, "--y", "enroll", *options, "--fpc", strata=STRATA)
    assert row["total"] == near(expected["strat_total_enroll"]["est"]["enroll"])
    assert row["se_total"] == near(expected["strat_total_enroll"]["se"]["enroll"])
    (row,) = ask(sample, "--y", "enroll", *options, strata=STRATA)
    assert row["se_total"] == near(expected["strat_total_enroll_nofpc"]["se"]["enroll"])
    (row,) = ask(sample, "--y", "api00", *options, "--fpc", strata=STRATA)
    assert row["mean"] == near(expected["strat_mean_api00"]["est"]["api00"])
    assert row["se_mean"] == near(expected["strat_mean_api00"]["se"]["api00"])
    assert row["df"] == expected["strat_df"]
    assert row["domain"] is None
    assert row["ci_mean"] == near(expected["strat_confint_mean_api00_t"])
    normal = (*options, "--fpc", "--interval", "normal")
    (row,) = ask(sample, "--y", "api00", *normal, strata=STRATA)
    assert row["ci_mean"] == near(expected["strat_confint_mean_api00_normal"])


def test_simple_random_sampling_is_that_of_r_survey(ask, case):
    expected = case("rsurvey_stratified", "expected.json")["srs"]
    sample = case("rsurvey_stratified", "inputs_srs.csv")
    options = ("--method", "srs", "--population", 6194, "--fpc")
    (row,) = ask(sample, "--y", "enroll", *options)
    assert row["total"] == near(expected["srs_total_enroll"]["est"]["enroll"])
    assert row["se_total"] == near(expected["srs_total_enroll"]["se"]["enroll"])
    assert row["n"] == 200
    assert row["df"] == 199


def test_ratio_estimators_are_those_of_r_survey(ask, case):
    expected = case("rsurvey_ratio", "expected.json")
    means = f"variable,mean\napi99,{3914069 / 6194!r}\n"
    options = ("--y", "api00", "--method", "ratio", "--ratio-of", "api99", "--fpc")
    (row,) = ask(case("rsurvey_ratio"), *options, "--population", 6194, means=means)
    assert row["total"] == near(expected["srs_ratio_total_api00"]["est"])
    assert row["se_total"] == near(expected["srs_ratio_total_api00"]["se"])
    strat = case("rsurvey_ratio", "inputs_strat.csv")
    options = (*options, "--stratum", "stype")
    (row,) = ask(strat, *options, strata=STRATA, means=means)
    assert row["total"] == near(expected["strat_ratio_total_api00"]["est"])
    assert row["se_total"] == near(expected["strat_ratio_total_api00"]["se"])
    (row,) = ask(strat, *options, strata=STRATA)
    assert row["mean"] == near(expected["strat_ratio_api00_api99"]["est"])
    assert row["se_mean"] == near(expected["strat_ratio_api00_api99"]["se"])
    assert row["total"] is None


@pytest.mark.parametrize("key", ["stype", "stratum"])
def test_separate_ratio_is_that_of_r_survey(ask, case, key):
    # predict(svyratio(~api00, ~api99, dstrat, separate = TRUE), total = by stratum)
    means = (
        f"{key},api99\nE,{2799206 / 4421!r}\nH,{468895 / 755!r}\nM,{645968 / 1018!r}\n"
    )
    (row,) = ask(
        case("rsurvey_ratio", "inputs_strat.csv"),
        *("--y", "api00", "--method", "ratio", "--ratio-of", "api99", "--fpc"),
        *("--ratio", "separate", "--stratum", "stype"),
        strata=STRATA,
        means=means,
    )
    assert row["total"] == near(4118189.5566378)
    assert row["se_total"] == near(14413.1906778065)


def test_greg_with_g_weights_is_that_of_r_survey(ask, case):
    expected = case("rsurvey_greg", "expected.json")
    x = 3914069 / 6194
    means = f"stypeH,stypeM,api99\n{755 / 6194!r},{1018 / 6194!r},{x!r}\n"
    options = ("--y", "api00", "--method", "regression", "--population", 6194)
    (row,) = ask(
        case("rsurvey_greg"), *options, "--fpc", "--aux", "stype,api99", means=means
    )
    assert row["total"] == near(expected["srs_greg_total_api00"]["est"]["api00"])
    assert row["se_total"] == near(expected["srs_greg_total_api00"]["se"]["api00"])
    assert row["se_mean"] == near(expected["srs_greg_mean_api00"]["se"]["api00"])
    (row,) = ask(
        case("rsurvey_greg"), *options, "--fpc", "--aux", "api99", means=f"api99\n{x}\n"
    )
    found = expected["srs_greg_api99only_total_api00"]
    assert row["total"] == near(found["est"]["api00"])
    assert row["se_total"] == near(found["se"]["api00"])
    strat = case("rsurvey_greg", "inputs_strat.csv")
    strata = (*options, "--stratum", "stype", "--aux", "stype,api99")
    (row,) = ask(strat, *strata, "--fpc", strata=STRATA, means=means)
    assert row["total"] == near(expected["strat_greg_total_api00"]["est"]["api00"])
    assert row["se_total"] == near(expected["strat_greg_total_api00"]["se"]["api00"])
    (row,) = ask(strat, *strata, strata=STRATA, means=means)
    found = expected["strat_greg_total_api00_nofpc"]["se"]["api00"]
    assert row["se_total"] == near(found)


@pytest.fixture(scope="module")
def idaho(case):
    population = case("mase_idaho_greg", "inputs_pop.csv").iloc[0]
    return case("mase_idaho_greg"), population, case("mase_idaho_greg", "expected.json")


@pytest.mark.parametrize(
    ("method", "aux", "key"),
    [
        ("regression", "tcc,elev", "greg_tcc_elev_LinHTSRS"),
        ("ratio", "tcc", "ratio_tcc_LinHTSRS"),
    ],
)
def test_plain_residuals_are_those_of_mase(ask, idaho, method, aux, key):
    sample, population, expected = idaho
    names = aux.split(",")
    means = f"{aux}\n{','.join(repr(float(population[name])) for name in names)}\n"
    (row,) = ask(
        sample,
        *("--y", "BA_TPA_ADJ", "--method", method, "--aux", aux, "--fpc"),
        *("--population", population.npixels, "--residuals", "plain"),
        means=means,
    )
    found = expected["mase"][key]
    assert row["total"] == near(found["pop_total"])
    variance = np.ravel(found["pop_total_var"])[0]
    assert row["se_total"] ** 2 == near(variance)
    assert row["mean"] == near(found["pop_mean"])


def test_post_strata_follow_the_residual_convention_asked_for(ask, idaho):
    sample, population, expected = idaho
    strata = (
        f"stratum,units\n1,{float(population['tnt.1'] * population.npixels)!r}\n"
        f"2,{float(population['tnt.2'] * population.npixels)!r}\n"
    )
    options = ("--y", "BA_TPA_ADJ", "--method", "poststratified", "--stratum", "tnt")
    options = (*options, "--population", population.npixels, "--fpc")
    (row,) = ask(sample, *options, strata=strata)
    survey = expected.get("survey_poststrat_mean") or expected["mase"].get(
        "survey_poststrat_mean"
    )
    assert row["mean"] == near(survey["est"])
    assert row["se_mean"] == near(survey["se"])
    (row,) = ask(sample, *options, "--residuals", "plain", strata=strata)
    plain = expected["mase"]["postStrat_tnt_LinHTSRS"]
    assert row["se_total"] ** 2 == near(np.ravel(plain["pop_total_var"])[0])


def test_ht_without_joint_probabilities_is_hansen_hurwitz_or_hajek_berger(ask, idaho):
    sample, population, expected = idaho
    sample = sample.assign(w=population.npixels / 100)
    options = ("--y", "BA_TPA_ADJ", "--method", "ht", "--weight", "w")
    options = (*options, "--population", population.npixels)
    (row,) = ask(sample, *options)
    found = expected["mase"]["horvitzThompson_LinHH"]
    assert row["total"] == near(found["pop_total"])
    assert row["se_total"] ** 2 == near(np.ravel(found["pop_total_var"])[0])
    assert row["mean"] == near(found["pop_mean"])
    (row,) = ask(sample, *options, "--fpc")
    found = expected["mase"]["horvitzThompson_LinHB"]
    assert row["se_total"] ** 2 == near(np.ravel(found["pop_total_var"])[0])
    assert "Hajek-Berger" in row["method"]


@pytest.mark.parametrize("kind", ["simple", "systematic"])
def test_post_stratified_area_is_right_where_acatama_is_not(ask, case, kind):
    inputs = case("acatama_poststrat_negative_control", "inputs.json")
    expected = case("acatama_poststrat_negative_control", "expected.json")
    names = inputs["classes"]
    rows = [
        {"map": names[i], "y": int(j == target), "target": target}
        for target in range(3)
        for i in range(3)
        for j in range(3)
        for _ in range(inputs[kind]["counts_map_by_ref"][i][j])
    ]
    strata = "stratum,units\n" + "".join(
        f"{name},{area / 0.09!r}\n"
        for name, area in zip(names, inputs["map_area_ha"], strict=True)
    )
    for target in range(3):
        sample = pd.DataFrame([row for row in rows if row["target"] == target])
        (row,) = ask(
            sample,
            *("--y", "y", "--method", "poststratified", "--stratum", "map", "--fpc"),
            *("--population", inputs["N_pixels"]),
            strata=strata,
        )
        right = expected["se_ha_R_survey_postStratify"][kind][names[target]]
        wrong = expected["se_ha_DO_NOT_MATCH_acatama_printed"][kind][target]
        assert row["total"] * 0.09 == near(expected["area_ha"][kind][target], 1e-6)
        assert row["se_total"] * 0.09 == near(right)
        assert row["se_total"] * 0.09 != pytest.approx(wrong, rel=0.01)


# R survey's data(fpc): svydesign(id=~psuid, strata=~stratid, weights=~weight,
# nest=TRUE[, fpc=~Nh]); svytotal(~x), svymean(~x).
NESTED = """stratid,psuid,weight,x
1,1,3,2.79999995231628
1,2,3,4.09999990463257
1,3,3,6.80000019073486
1,4,3,6.80000019073486
1,5,3,9.19999980926514
2,1,4,3.70000004768372
2,2,4,6.59999990463257
2,3,4,4.19999980926514
"""


def test_clusters_nested_in_strata_are_those_of_r_survey(ask):
    options = ("--y", "x", "--method", "cluster", "--cluster", "psuid")
    strata = "stratum,units\n1,15\n2,12\n"
    options = (*options, "--stratum", "stratid", "--population", 27)
    for weight in (("--weight", "weight"), ()):
        (row,) = ask(NESTED, *options, *weight, strata=strata)
        assert row["total"] == near(147.099999189377)
        assert row["se_total"] == near(20.0142448227579)
        assert row["df"] == 6
        (row,) = ask(NESTED, *options, *weight, "--fpc", strata=strata)
        assert row["se_total"] == near(16.6330994348606)
        assert row["mean"] == near(5.44814811812507)
        assert row["se_mean"] == near(0.616040719809653)


def test_domains_of_a_simple_random_sample_are_zero_extended_as_in_r(ask, case):
    # svyby of enroll by stype, totals and means, on apisrs with fpc
    sample = case("rsurvey_stratified", "inputs_srs.csv")
    options = ("--y", "enroll", "--method", "srs", "--population", 6194, "--fpc")
    rows = {r["domain"]: r for r in ask(sample, *options, "--domain", "stype")}
    totals = {
        "E": (1849900.04, 99738.6152807275, 420.647887323944, 12.7634480937884),
        "H": (890666.23, 187717.6657107018, 1150.36, 117.2019034789447),
        "M": (880508.07, 151805.2268988412, 861.545454545455, 61.6165164077373),
    }
    assert list(rows) == ["E", "H", "M"]
    for name, (total, se, mean, se_mean) in totals.items():
        assert rows[name]["total"] == near(total)
        assert rows[name]["se_total"] == near(se)
        assert rows[name]["mean"] == near(mean)
        assert rows[name]["se_mean"] == near(se_mean)
    assert [rows[name]["n"] for name in rows] == [142, 25, 33]
    assert [rows[name]["df"] for name in rows] == [141, 24, 32]


def test_domains_across_strata_are_those_of_r_survey(ask, case):
    sample = case("rsurvey_stratified")
    options = ("--y", "enroll", "--method", "stratified", "--stratum", "stype")
    options = (*options, "--weight", "pw", "--fpc", "--domain", "awards")
    rows = {r["domain"]: r for r in ask(sample, *options, strata=STRATA)}
    assert rows["No"]["total"] == near(1627217.13229561)
    assert rows["No"]["se_total"] == near(144256.009860627)
    assert rows["Yes"]["mean"] == near(520.511431036884)
    assert rows["Yes"]["se_mean"] == near(22.7729782273583)
    assert rows["Yes"]["df"] == 110


def test_domains_of_calibrated_estimators_are_those_of_r_survey(ask, case):
    sample = case("rsurvey_stratified", "inputs_srs.csv")
    options = ("--fpc", "--domain", "awards", "--population", 6194)
    rows = ask(
        sample,
        *("--y", "enroll", "--method", "poststratified", "--stratum", "stype"),
        *options,
        strata=STRATA,
    )
    no, yes = rows
    assert no["total"] == near(1673103.45488690)
    assert no["se_total"] == near(167841.357979079)
    assert yes["mean"] == near(502.094357474764)
    assert yes["se_mean"] == near(20.9434458272560)
    no, yes = ask(
        sample,
        *("--y", "api00", "--method", "regression", "--aux", "api99", *options),
        means=f"api99\n{3914069 / 6194!r}\n",
    )
    assert no["total"] == near(1466639.66272333)
    assert no["se_total"] == near(136186.447625845)
    assert yes["total"] == near(2642768.76591401)
    assert yes["se_total"] == near(143488.947146415)


def test_post_strata_with_unequal_weights_are_those_of_r_survey(ask, case):
    # postStratify(svydesign(id=~1, weights=~pw, data=apistrat), ~awards, No 2027,
    # Yes 4167)
    (row,) = ask(
        case("rsurvey_stratified"),
        *("--y", "enroll", "--method", "poststratified", "--stratum", "awards"),
        *("--weight", "pw"),
        strata="stratum,units\nNo,2027\nYes,4167\n",
    )
    assert row["total"] == near(3643807.86894941)
    assert row["se_total"] == near(157832.607543745)
    (row,) = ask(
        case("rsurvey_stratified"),
        *("--y", "api00", "--method", "poststratified", "--stratum", "awards"),
        *("--weight", "pw"),
        strata="stratum,units\nNo,2027\nYes,4167\n",
    )
    assert row["mean"] == near(663.798325819986)
    assert row["se_mean"] == near(9.54292312178696)


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("logit", 0.568721098868047, 0.703675779368256),
        ("beta", 0.567218701479749, 0.706354783014459),
        # svyciprop(method = "mean"): df = degf(design)
        ("t", 0.571084874530262, 0.706787253570895),
    ],
)
def test_intervals_of_a_proportion_are_those_of_svyciprop(ask, case, kind, low, high):
    sample = case("rsurvey_stratified")
    sample["won"] = (sample.awards == "Yes").astype(int)
    (row,) = ask(
        sample,
        *("--y", "won", "--method", "stratified", "--stratum", "stype"),
        *("--weight", "pw", "--fpc", "--interval", kind),
        strata=STRATA,
    )
    assert row["mean"] == near(0.638936064050578)
    assert row["ci_mean"] == near([low, high])
    half_ratio = row["ci_total"][1] / row["ci_mean"][1]
    assert half_ratio == near(row["total"] / row["mean"])


@pytest.mark.parametrize(
    ("kind", "limits"),
    [
        ("beta", (0.309512945778, 0.499139035212)),
        ("logit", (0.313652309238, 0.496420709826)),
    ],
)
def test_a_proportion_in_a_domain_is_that_of_svyciprop_on_a_subset(
    ask, case, kind, limits
):
    # R survey: svyratio of api00 to api99 by awards, svyby on dstrat with fpc
    sample = case("rsurvey_stratified")
    sample["large"] = (sample.enroll > 500).astype(int)
    rows = ask(
        sample,
        *("--y", "large", "--method", "stratified", "--stratum", "stype"),
        *("--weight", "pw", "--fpc", "--domain", "awards", "--interval", kind),
        strata=STRATA,
    )
    yes = rows[1]
    assert yes["domain"] == "Yes"
    assert yes["mean"] == near(0.401622716351)
    assert yes["ci_mean"] == near(limits)


def test_ratios_by_domain_are_those_of_r_survey(ask, case):
    # svyby(~api00, ~awards, denominator = ~api99, dstrat, svyratio)
    rows = ask(
        case("rsurvey_ratio", "inputs_strat.csv"),
        *("--y", "api00", "--method", "ratio", "--ratio-of", "api99", "--fpc"),
        *("--weight", "pw", "--stratum", "stype", "--domain", "awards"),
        strata=STRATA,
    )
    assert [row["mean"] for row in rows] == near([1.01613559954, 1.07238577152])
    errors = [row["se_mean"] for row in rows]
    assert errors == near([0.00337692889839, 0.00471972157193])


def test_difference_estimator_by_hand(ask):
    # methodology D3
    sample = "y,map\n120,100\n80,90\n0,10\n60,55\n45,50\n150,130\n"
    options = ("--y", "y", "--method", "difference", "--aux", "map", "--fpc")
    (row,) = ask(sample, *options, "--population", 600, means="map\n72\n")
    assert row["mean"] == pytest.approx(75.3333, abs=5e-5)
    assert row["se_mean"] == pytest.approx(5.6965, abs=5e-5)
    assert row["total"] == near(row["mean"] * 600)
    (row,) = ask(sample, "--y", "y", "--method", "srs", "--population", 600, "--fpc")
    assert row["mean"] == pytest.approx(75.8333, abs=5e-5)
    assert row["se_mean"] == pytest.approx(21.8148, abs=5e-5)


def test_yates_grundy_of_a_simple_random_sample_is_its_textbook_variance(ask, tmp_path):
    # p_i = n/N, p_ij = n (n-1) / (N (N-1)) makes Yates-Grundy (1-f) N^2 s^2 / n.
    joint = tmp_path / "joint.csv"
    pair = 4 * 3 / (10 * 9)
    joint.write_text("\n".join(",".join([str(pair)] * 4) for _ in range(4)))
    sample = "y,p\n3,0.4\n7,0.4\n8,0.4\n2,0.4\n"
    options = ("--y", "y", "--population", 10)
    (row,) = ask(
        sample, *options, "--method", "ht", "--prob", "p", "--joint-prob", joint
    )
    (plain,) = ask(sample, *options, "--method", "srs", "--fpc")
    assert row["total"] == near(plain["total"])
    assert row["se_total"] == near(plain["se_total"])
    assert "Yates-Grundy" in row["method"]
    # mean 5, s^2 = (4 + 4 + 9 + 9) / 3, V = 100 * 0.6 * s^2 / 4
    assert row["se_total"] == near((100 * 0.6 * (26 / 3) / 4) ** 0.5)


def test_two_phase_stratification_is_that_of_r_survey(ask, case):
    # twophase(id=list(~1, ~1), strata=list(NULL, ~stype), fpc=list(~N, NULL),
    # method="full") on apisrs, of which every 5th E, 2nd H and 2nd M is measured.
    sample = case("rsurvey_stratified", "inputs_srs.csv")
    step = {"E": 5, "H": 2, "M": 2}
    rank = sample.groupby("stype").cumcount()
    kept = rank % sample.stype.map(step) == 0
    blank = sample.assign(enroll=sample.enroll.where(kept).astype("Int64"))
    options = ("--y", "enroll", "--method", "two-phase", "--stratum", "stype")
    options = (*options, "--population", 6194, "--fpc")
    (row,) = ask(blank, *options)
    assert row["total"] == near(3404042.29657201)
    assert row["se_total"] == near(224854.919686474)
    assert row["mean"] == near(549.570922920892)
    assert row["se_mean"] == near(36.3020535496406)
    assert row["df"] == 56
    strata = "stratum,units\nE,142\nH,25\nM,33\n"
    assert ask(sample[kept], *options, strata=strata)[0] == {
        **row,
        "total": near(row["total"]),
        "se_total": near(row["se_total"]),
        "mean": near(row["mean"]),
        "se_mean": near(row["se_mean"]),
        "ci_mean": near(row["ci_mean"]),
        "ci_total": near(row["ci_total"]),
    }


def test_two_phase_regression_by_hand(ask):
    # n = 5, n' = 50, xbar' = 4: b = Sxy / Sxx = 9.9 / 10; ybar = 5.22, xbar = 3.
    sample = "y,x\n3.1,1\n4.3,2\n5.2,3\n6.4,4\n7.1,5\n"
    options = ("--y", "y", "--method", "two-phase", "--aux", "x", "--population", 1000)
    (row,) = ask(sample, *options, "--first-phase", 50, means="x\n4\n")
    assert row["mean"] == near(5.22 + 1.01 * (4 - 3))
    spread = sum((v - 5.22) ** 2 for v in (3.1, 4.3, 5.2, 6.4, 7.1)) / 4
    left = (4 * spread - 1.01**2 * 10) / 3
    assert row["se_mean"] ** 2 == near(left / 5 + (spread - left) / 50)
    assert row["total"] == near(1000 * row["mean"])
    assert ask(sample, *options, means="x,n\n4,50\n") == [row]
    with pytest.raises(TableError, match="--first-phase"):
        ask(sample, *options, means="x\n4\n")


def test_domain_means_of_the_map_make_difference_estimates_that_add_up(ask):
    sample = "y,map,county\n5,4,a\n7,8,a\n6,6,b\n9,7,b\n3,3,b\n"
    means = "county,map,units\na,5.5,40\nb,6,60\n"
    options = ("--y", "y", "--method", "difference", "--aux", "map")
    parts = ask(
        sample, *options, "--population", 100, "--domain", "county", means=means
    )
    (whole,) = ask(sample, *options, "--population", 100, means="map\n5.8\n")
    assert sum(row["total"] for row in parts) == near(whole["total"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--y", "z", "--method", "srs", "--population", 9), "columns present: y, g"),
        (("--y", "g", "--method", "srs", "--population", 9), "line 2: 'a'"),
        (("--y", "y", "--method", "srs"), "--population"),
        (("--y", "y", "--method", "srs", "--population", 2, "--fpc"), "3 sampled of 2"),
        (("--y", "y", "--method", "stratified"), "--stratum, --strata"),
        (("--y", "y", "--method", "ht", "--population", 9), "--prob"),
        (("--y", "y", "--method", "srs", "--population", -9), "positive"),
        (("--y", "y", "--method", "cluster", "--cluster", "g"), "--population"),
        (("--y", "y", "--method", "srs", "--population", 9, "--aux", "y"), "cannot"),
        (
            ("--y", "y", "--method", "srs", "--population", 9, "--confidence", 95),
            "0.95",
        ),
        (
            ("--y", "y", "--method", "srs", "--population", 9, "--interval", "beta"),
            "proportion",
        ),
        (
            ("--y", "y", "--method", "ht", "--prob", "y", "--population", 9),
            "probability in (0, 1]",
        ),
    ],
)
def test_bad_input_is_named_in_one_line(ask, options, message):
    with pytest.raises(TableError) as caught:
        ask("y,g\n4,a\n5,b\n6,b\n", *options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("sample", "strata", "message"),
    [
        ("y,s\n4,a\n5,b\n6,b\n", "stratum,units\na,9\nb,9\n", "'a' has 1 sample unit"),
        ("y,s\n4,b\n6,b\n", "stratum,units\na,9\nb,9\n", "'a' has 0 sample units"),
        ("y,s\n4,c\n6,b\n", "stratum,units\nb,9\n", "stratum 'c'"),
        ("y,s\n4,b\n6,b\n", "stratum,units\nb,9\nb,8\n", "comes twice"),
        ("y,s\n4,b\n6,b\n", "stratum,units\nb,-9\n", "at least 0"),
        ("y,s\n4,b\n,b\n", "stratum,units\nb,9\n", "line 3: no value"),
        ("y,s\n4,b\nnan,b\n", "stratum,units\nb,9\n", "line 3: 'nan'"),
        ("y,s\n4,b\n5,\n", "stratum,units\nb,9\n", "line 3: no value"),
        ("y,s\n4,b\n5,b\n", "stratum,size\nb,9\n", "columns present: stratum, size"),
        ("y,s\n", "stratum,units\nb,9\n", "no rows"),
        ("", "stratum,units\nb,9\n", "CSV file"),
        ("y,y,s\n4,4,b\n", "stratum,units\nb,9\n", "more than once"),
    ],
)
def test_bad_strata_are_named_in_one_line(ask, sample, strata, message):
    with pytest.raises(TableError) as caught:
        ask(
            sample,
            *("--y", "y", "--method", "stratified", "--stratum", "s"),
            strata=strata,
        )
    assert message in str(caught.value)


def test_first_phase_rows_of_a_regression_have_an_empty_y(ask):
    sample = "y,x\n3.1,1\n4.3,2\n5.2,3\n6.4,4\n7.1,5\n,9\n,8\n,2\n,5\n"
    options = ("--y", "y", "--method", "two-phase", "--aux", "x", "--population", 1000)
    (row,) = ask(sample, *options)
    means = f"x,n\n{39 / 9!r},9\n"
    (same,) = ask("\n".join(sample.split("\n")[:6]), *options, means=means)
    assert row["mean"] == near(same["mean"])
    assert row["se_mean"] == near(same["se_mean"])


def test_joint_probabilities_hold_the_whole_design(ask, tmp_path):
    joint = tmp_path / "joint.csv"
    joint.write_text("0.5,0.2\n0.2,0.5\n")
    options = ("--y", "y", "--method", "ht", "--prob", "p", "--joint-prob", joint)
    assert ask("y,p,g\n4,0.5,a\n5,0.5,a\n", *options)[0]["se_total"] > 0
    with pytest.raises(TableError, match="--joint-prob"):
        ask("y,p,g\n4,0.5,a\n5,0.5,a\n", *options, "--stratum", "g")
    with pytest.raises(TableError, match="shape"):
        ask("y,p\n4,0.5\n5,0.5\n6,0.5\n", *options)


def test_weights_that_do_not_stand_for_the_population_are_refused(ask):
    options = ("--y", "y", "--method", "srs", "--weight", "w", "--population")
    assert ask("y,w\n4,5\n6,5\n", *options, 10)[0]["total"] == 50
    with pytest.raises(TableError, match="add to 10"):
        ask("y,w\n4,5\n6,5\n", *options, 100)


def test_numbers_beyond_the_machine_are_refused_not_printed_as_nan(ask):
    sample = "y,p\n1e308,0.001\n1e308,0.001\n-1e308,0.001\n"
    with pytest.raises(TableError, match="units of the columns"):
        ask(sample, "--y", "y", "--method", "ht", "--prob", "p")


def test_strata_that_do_not_make_up_the_population_are_refused(ask):
    with pytest.raises(TableError, match="adds to 9 units"):
        ask(
            "y,s\n4,b\n6,b\n",
            *("--y", "y", "--method", "stratified", "--stratum", "s"),
            *("--population", 12),
            strata="stratum,units\nb,9\n",
        )


def test_a_regression_through_every_point_has_no_error_to_show(ask):
    options = ["--y", "y", "--method", "regression", "--aux", "x", "--population", "10"]
    with pytest.raises(TableError, match="2 sample units for a regression with 2"):
        ask("y,x\n1,1\n2,5\n", *options, means="x\n2\n")


def test_joint_probabilities_in_another_order_are_caught(ask, tmp_path):
    sample = "y,p\n1,.5\n2,.25\n4,.5\n"
    options = ["--y", "y", "--method", "ht", "--prob", "p", "--joint-prob"]
    joint = np.array([[0.5, 0.1, 0.2], [0.1, 0.25, 0.1], [0.2, 0.1, 0.5]])
    path = tmp_path / "joint.csv"
    np.savetxt(path, joint, delimiter=",")
    expected = ask(sample, *options, path)[0]["se_total"]
    np.savetxt(path, joint - np.diag(np.diag(joint)), delimiter=",")
    assert ask(sample, *options, path)[0]["se_total"] == expected
    np.savetxt(path, joint[[1, 0, 2]][:, [1, 0, 2]], delimiter=",")
    with pytest.raises(TableError, match="in another order than the sample"):
        ask(sample, *options, path)


def test_a_class_never_found_still_has_an_upper_limit_of_its_total(ask):
    options = [
        "--y",
        "y",
        "--method",
        "srs",
        "--population",
        "100",
        "--interval",
        "beta",
    ]
    row = ask("y,d\n0,a\n0,a\n0,b\n0,b\n", *options)[0]
    # Clopper and Pearson: 1 - 0.025^(1/4) of 100 units.
    assert row["ci_mean"] == pytest.approx([0.0, 1 - 0.025**0.25])
    assert row["ci_total"] == pytest.approx([0.0, 100 * (1 - 0.025**0.25)])
    domain = ask("y,d\n0,a\n0,a\n0,b\n0,b\n", *options, "--domain", "d")[0]
    assert domain["ci_total"] == pytest.approx([0.0, 50 * (1 - 0.025**0.5)])


def trees(count):
    """Sixty plots of which ``count`` have trees."""
    y = np.zeros(60)
    y[:count] = np.linspace(20.0, 140.0, count) if count else 0.0
    return pd.DataFrame({"agb": y})


def test_rare_trees_are_flagged_under_student_and_lean_under_skewed(ask):
    options = ("--method", "srs", "--y", "agb", "--population", 22_500)
    (plain,) = ask(trees(5), *options)
    assert plain["flags"] == ["not calibrated: few units that are not zero"]
    (row,) = ask(trees(5), *options, "--interval", "skewed")
    assert row["flags"] == []
    assert row["se_mean"] == plain["se_mean"]
    (low, high), mean = row["ci_mean"], row["mean"]
    assert high - mean > 2 * (mean - low)
    assert row["ci_total"] == near([low * 22_500, high * 22_500])


def test_plots_that_met_no_tree_have_no_skewed_interval_and_a_flag(ask):
    options = ("--method", "srs", "--y", "agb", "--population", 22_500)
    for kind in ("t", "skewed"):
        (row,) = ask(trees(0), *options, "--interval", kind)
        assert row["flags"] == [
            "not calibrated: all values alike, their error is unknown"
        ]
    assert row["ci_mean"] is None


def test_a_method_without_third_cumulant_refuses_the_skewed_interval(ask):
    sample = pd.DataFrame({"y": np.arange(9.0), "p": 0.1})
    options = ("--method", "ht", "--y", "y", "--prob", "p", "--population", 90)
    assert ask(sample, *options, "--interval", "skewed")
    with pytest.raises(TableError, match="skewed interval"):
        ask(sample, *options, "--fpc", "--interval", "skewed")
