"""``qhsink indicators`` over tables: grades, wetland, forage, sink units; by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from qhsink.cli import cli
from qhsink.domain.errors import BadInput, Refusal, TableError
from qhsink.estimation.reliability import UNSEEN


@pytest.fixture
def ask(tmp_path):
    """Run a command on named tables; return its text and its JSON."""

    def run(command, *options, **tables):
        words = ["indicators", command, *map(str, options)]
        for name, text in tables.items():
            path = tmp_path / f"{name}.csv"
            path.write_text(text, encoding="utf-8")
            words += [f"--{name}", str(path)]
        words += ["--json", str(tmp_path / "o.json")]
        done = CliRunner().invoke(cli, words, standalone_mode=False)
        if done.exception is not None:
            raise done.exception
        return done.stdout, json.loads((tmp_path / "o.json").read_text("utf-8"))

    return run


STRATA = "stratum,units,unit_area_ha\na,1000,0.5\nb,4000,0.5\n"
AUGUST = ("--month", "2025-08")
# Reference 0.8 and 0.4: reductions of 0, 25, 50 %; 5, 15 %; a type without reference.
DEGRADED = """stratum,type,cover,grassland
a,meadow,0.80,1
a,meadow,0.60,1
a,meadow,0.40,1
a,steppe,0.38,1
b,steppe,0.34,1
b,steppe,0.34,1
b,desert,0.10,1
b,steppe,0.30,0
"""
REFERENCE = "type,cover\nmeadow,0.8\nsteppe,0.4\n"


def by_grade(found, scale):
    return {r["name_zh"]: r for r in found["grades"] if r["scale"] == scale}


def test_degraded_grassland_by_grade_by_hand(ask):
    text, found = ask(
        "grades", "degraded_grassland", *AUGUST,
        plots=DEGRADED, strata=STRATA, reference=REFERENCE,
    )  # fmt: skip
    rows = by_grade(found, "degradation_cover")
    # 500 ha and 2000 ha in four plots each: 125 ha and 500 ha a plot.
    areas = {name: row["area_ha"] for name, row in rows.items()}
    assert areas == pytest.approx(
        {
            "未退化": 250, "轻度退化": 1000, "中度退化": 125, "重度退化": 125,
            "未定级": 500, "域外": 500,
        }
    )  # fmt: skip
    assert sum(areas.values()) == pytest.approx(found["frame_ha"])
    # Two of four plots: s^2 = 1/3, so se = 2000 sqrt(1/12).
    light = rows["轻度退化"]
    assert light["se_ha"] == pytest.approx(2000 * math.sqrt(1 / 12))
    assert light["df"] == 6
    reach = stats.t.ppf(0.95, 6) * light["se_ha"]
    assert light["ci_ha"] == pytest.approx([1000 - reach, 1000 + reach])
    assert "退化草地面积" in text
    assert "unverified" in text


def test_a_reduction_within_its_error_is_no_degradation(ask):
    noisy = DEGRADED.replace("grassland\n", "grassland,cover_se\n", 1)
    head, *rows = noisy.strip().split("\n")
    plots = "\n".join([head, *(f"{row},0.05" for row in rows)]) + "\n"
    _, found = ask(
        "grades", "degraded_grassland", *AUGUST,
        plots=plots, strata=STRATA, reference=REFERENCE,
    )  # fmt: skip
    rows = by_grade(found, "degradation_cover")
    # 15 % of 0.4 with an error of 12.5 % is nothing; 25 % of 0.8 with 6.25 % is.
    assert rows["轻度退化"]["n"] == 0
    assert rows["未退化"]["n"] == 4
    assert rows["中度退化"]["n"] == 1


def test_the_worse_of_cover_and_yield_and_reference_plots_decide(ask):
    many = "".join(f"meadow,{0.5 + k / 100:.2f},{100 + k}\n" for k in range(31))
    plots = "type,cover,yield\nmeadow,0.77,60\nmeadow,0.77,126\nmeadow,0.50,127\n"
    _, found = ask(
        "grades", "degraded_grassland", *AUGUST, plots=plots,
        strata="stratum,units,unit_area_ha\nall,300,1\n",
        reference=f"type,cover,yield\n{many}",
    )  # fmt: skip
    rows = by_grade(found, "degradation_cover")
    # 90 % quantiles 0.77 and 127: yield 60 is down by 53 %, cover 0.50 by 35 %.
    assert rows["重度退化"]["n"] == 2
    assert rows["未退化"]["n"] == 1


def test_a_handful_of_reference_plots_makes_no_reference(ask):
    with pytest.raises(Refusal, match="too few reference plots of meadow"):
        ask(
            "grades", "degraded_grassland", *AUGUST, plots=DEGRADED, strata=STRATA,
            reference="type,cover\nmeadow,0.8\nmeadow,0.7\nsteppe,0.4\n",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "month", "change", "error", "words"),
    [
        ("degraded_grassland", "2025-05", {}, Refusal, "months 7, 8"),
        ("degraded_grassland", "2025-08", {}, Refusal, "grassland_reference"),
        ("black_soil", "2025-08", {}, Refusal, "bald_share"),
        ("sandy_land", "2025-08", {}, Refusal, "sandy_surface"),
        (
            "degraded_grassland",
            "2025-08",
            {"reference": REFERENCE, "plots": DEGRADED.replace("0.80", "80")},
            TableError,
            "percentages",
        ),
        (
            "degraded_grassland",
            "2025-08",
            {"reference": REFERENCE, "plots": DEGRADED + "a,"},
            TableError,
            "line",
        ),
        (
            "degraded_grassland",
            "2025-08",
            {"reference": REFERENCE, "strata": "stratum,units\na,1\nb,2\n"},
            TableError,
            "unit_area_ha",
        ),
    ],
    ids=[
        "spring", "no reference", "no bald share", "no sand map", "per cent",
        "a ragged row", "no unit area",
    ],
)  # fmt: skip
def test_grades_refuse_what_they_cannot_stand_for(
    ask, kind, month, change, error, words
):
    tables = {"plots": DEGRADED, "strata": STRATA} | change
    with pytest.raises(error, match=words):
        ask("grades", kind, "--month", month, **tables)


def test_black_soil_by_bald_share_and_slope_by_hand(ask):
    plots = (
        "bald_share,slope_deg,alpine_meadow\n"
        "0.30,3,1\n0.50,3,1\n0.60,7,1\n0.70,30,1\n0.90,3,0\n"
    )
    _, found = ask(
        "grades", "black_soil", *AUGUST, plots=plots,
        strata="stratum,units,unit_area_ha\nall,500,1\n",
    )  # fmt: skip
    bald = by_grade(found, "black_soil_bald")
    assert {name: row["n"] for name, row in bald.items()} == {
        "域外": 1, "非黑土滩": 1, "轻度黑土滩": 2, "中度黑土滩": 1, "重度黑土滩": 0,
    }  # fmt: skip
    slope = by_grade(found, "black_soil_slope")
    assert {name: row["n"] for name, row in slope.items()} == {
        "域外": 2, "滩地": 1, "缓坡地": 1, "陡坡地": 1,
    }  # fmt: skip
    assert bald["轻度黑土滩"]["area_ha"] == pytest.approx(200)


def test_sandy_land_by_cover_by_hand(ask):
    plots = "cover,sandy\n0.05,1\n0.10,1\n0.30,1\n0.80,0\n"
    _, found = ask(
        "grades", "sandy_land", *AUGUST, plots=plots,
        strata="stratum,units,unit_area_ha\nall,400,1\n",
    )  # fmt: skip
    rows = by_grade(found, "sandy_cover")
    assert {name: row["n"] for name, row in rows.items()} == {
        "域外": 1, "流动沙地": 1, "半固定沙地": 1, "固定沙地": 1,
    }  # fmt: skip
    # One of four: s^2 = 1/4, se = 400 sqrt(1/16).
    assert rows["流动沙地"]["se_ha"] == pytest.approx(100)


WETLAND = "wetland,protected\n" + "1,1\n" * 3 + "1,0\n" * 2 + "0,0\n" * 5


def test_wetland_area_and_protection_rate_by_hand(ask):
    text, found = ask(
        "wetland", "--region", "632324", *AUGUST, plots=WETLAND,
        strata="stratum,units,unit_area_ha\nall,1000,2\n",
    )  # fmt: skip
    area, rate = found["wetland_area"], found["wetland_protection_rate"]
    assert area["value"] == pytest.approx(1000)
    # s^2 = 10/9 / 4
    assert area["se"] == pytest.approx(2000 * math.sqrt(10 / 36 / 10))
    assert rate["value"] == pytest.approx(0.6)
    # The ratio's residuals z = protected - 0.6 wetland over the mean of wetland.
    z = np.array([0.4] * 3 + [-0.6] * 2 + [0.0] * 5)
    assert rate["se"] == pytest.approx(math.sqrt(z.var(ddof=1) / 10) / 0.5)
    assert rate["n"] == 5
    assert area["verdict"] is None
    assert "湿地保护率" in text


def test_a_rate_is_flagged_where_a_large_stratum_met_no_wetland(ask):
    """40 plots in mapped wetland each side; none of 20 elsewhere, 50,000 ha of it."""
    plots = "stratum,wetland,protected\n" + "in,1,1\n" * 38 + "in,0,1\n" * 2
    plots += "out,1,0\n" * 37 + "out,0,0\n" * 3 + "else,0,0\n" * 20
    flags = {}
    for rest in (50, 50_000):
        _, found = ask(
            "wetland", "--region", "632324", *AUGUST, plots=plots,
            strata=f"stratum,units,unit_area_ha\nin,500,1\nout,500,1\nelse,{rest},1\n",
        )  # fmt: skip
        flags[rest] = found["wetland_protection_rate"]["flags"]
    assert flags == {50: [], 50_000: [UNSEEN]}


def test_the_provinces_wetland_is_judged_by_its_target(ask):
    _, found = ask(
        "wetland", "--region", "630000", *AUGUST, plots=WETLAND,
        strata="stratum,units,unit_area_ha\nall,100000000,0.7\n",
    )  # fmt: skip
    assert found["wetland_area"]["verdict"]["target"] == "wetland_area_2025"
    assert found["wetland_area"]["verdict"]["outcome"] == "met"


def test_wetland_is_refused_in_winter_and_without_any(ask):
    strata = "stratum,units,unit_area_ha\nall,1000,2\n"
    with pytest.raises(Refusal, match="months 5"):
        ask(
            "wetland", "--region", "1", "--month", "2025-01", plots=WETLAND,
            strata=strata,
        )  # fmt: skip
    with pytest.raises(Refusal, match="no wetland among 5 plots"):
        ask(
            "wetland", "--region", "1", *AUGUST, plots="wetland\n" + "0\n" * 5,
            strata=strata,
        )  # fmt: skip
    with pytest.raises(TableError, match="1 for yes"):
        ask(
            "wetland", "--region", "1", *AUGUST, plots="wetland\nyes\nno\n",
            strata=strata,
        )  # fmt: skip


CLIPPED = """county,type,yield,unit
x,meadow,1000,kg d.m. ha-1
x,meadow,2000,kg d.m. ha-1
y,meadow,400,kg d.m. ha-1
y,meadow,600,kg d.m. ha-1
"""
PASTURE = "county,type,area_ha\nx,meadow,10000\ny,meadow,20000\n"


def test_forage_and_carrying_capacity_by_hand(ask):
    text, found = ask(
        "forage", *AUGUST, "--utilisation", "0.5,0.05", "--edible", "0.8",
        "--intake-kg", "1.8,0.09", plots=CLIPPED, areas=PASTURE,
        stocking="county,sheep_units\nx,10000\ny,9000\n",
    )  # fmt: skip
    x, y = found["counties"]
    assert x["forage_t"] == pytest.approx(15_000)
    assert x["forage_se_t"] == pytest.approx(5_000)
    assert y["forage_se_t"] == pytest.approx(2_000)
    need = 1.8 * 365 / 1000
    assert x["capacity_sheep_units"] == pytest.approx(15_000 * 0.4 / need)
    assert x["overstocking"] == pytest.approx(10_000 / (15_000 * 0.4 / need) - 1)
    whole = found["whole"]
    assert whole["forage_se_t"] == pytest.approx(math.hypot(5_000, 2_000))
    # The rates are one for all counties: their error does not average out.
    relative = math.hypot(whole["forage_se_t"] / 25_000, 0.1, 0.05)
    assert whole["capacity_se"] == pytest.approx(
        25_000 * 0.4 / need * relative, rel=1e-9
    )
    assert whole["actual_sheep_units"] == 19_000
    assert "合理载畜量" in text
    assert "超载率" in text


def test_forage_alone_needs_no_rates_and_stocking_does(ask):
    _, found = ask("forage", *AUGUST, plots=CLIPPED, areas=PASTURE)
    assert found["whole"]["capacity_sheep_units"] is None
    with pytest.raises(Refusal, match="utilisation_rate and daily_intake"):
        ask(
            "forage", *AUGUST, plots=CLIPPED, areas=PASTURE,
            stocking="county,sheep_units\nx,10000\n",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("plots", "error", "words"),
    [
        (CLIPPED.replace("kg d.m. ha-1", "kg ha-1"), BadInput, "names its substance"),
        (CLIPPED.replace("kg d.m. ha-1", "t C ha-1"), TableError, "dry matter"),
        (CLIPPED.replace("kg d.m.", "t d.m.", 1), TableError, "one unit"),
        (CLIPPED.replace("\ny,", "\nz,"), TableError, "the same counties"),
        (CLIPPED.replace("400", "-400"), TableError, "at least 0"),
    ],
    ids=["no substance", "carbon", "two units", "another county", "negative"],
)
def test_forage_refuses_wrong_yields(ask, plots, error, words):
    with pytest.raises(error, match=words):
        ask("forage", *AUGUST, plots=plots, areas=PASTURE)
    with pytest.raises(Refusal, match="months 7, 8, 9"):
        ask("forage", "--month", "2025-03", plots=CLIPPED, areas=PASTURE)


SOILS = "type,density\n" + "".join(f"meadow,{k}\n" for k in range(1, 101))


def test_sink_grades_by_density_by_hand(ask):
    units = "unit,type,density,density_se\nA,meadow,90,2\nB,meadow,40.6,5\n"
    text, found = ask("sink-grade", *AUGUST, units=units, reference=SOILS)
    first, second = found["units"]
    limits = np.quantile(np.arange(1.0, 101.0), (0.2, 0.4, 0.6, 0.8))
    chance = 1 - stats.norm.cdf((limits[3] - 90) / 2)
    assert first["probabilities"][4] == pytest.approx(chance)
    assert (first["grade"], first["name_zh"]) == (5, "强")
    # On a limit: half in either grade, so neither is likely enough.
    assert second["grade"] is None
    assert second["name_zh"] == "不定级"
    assert sum(second["probabilities"]) == pytest.approx(1)
    assert "无官方规定" in text
    # The reference's standard deviation is 29.0: 2 and 5 are known well against it.
    assert first["flags"] == second["flags"] == []
    few = "unit,type,density,density_se,density_df\nA,meadow,90,2,4\n"
    _, found = ask("sink-grade", *AUGUST, units=few, reference=SOILS)
    chance = 1 - stats.t(4).cdf((limits[3] - 90) / 2)
    assert found["units"][0]["probabilities"][4] == pytest.approx(chance)
    poor = "unit,type,density,density_se\nA,meadow,90,8.8\n"
    text, found = ask("sink-grade", *AUGUST, units=poor, reference=SOILS)
    said = "not calibrated: error wide against the reference"
    assert found["units"][0]["flags"] == [said]
    assert f"未校准 {said}" in text


def test_sink_grades_by_three_components_say_how_the_weights_matter(ask):
    units = (
        "unit,type,density,density_se,rate,rate_se,stability,stability_se\n"
        "A,meadow,95,1,0.95,0.01,0.95,0.01\nB,meadow,95,1,0.05,0.01,0.05,0.01\n"
    )
    rows = "".join(f"meadow,{k},{k / 100},{k / 100}\n" for k in range(1, 101))
    reference = f"type,density,rate,stability\n{rows}"
    _, found = ask("sink-grade", *AUGUST, units=units, reference=reference)
    strong, mixed = found["units"]
    assert strong["grade"] == 5
    assert strong["same_under_other_weights"] == 1.0
    assert mixed["grade"] == 3
    assert mixed["same_under_other_weights"] < 0.7
    _, other = ask(
        "sink-grade", *AUGUST, "--weights", "0,1,0", units=units, reference=reference
    )
    assert [row["grade"] for row in other["units"]] == [5, 1]


def test_sink_grades_refuse_thin_references_and_winter(ask):
    units = "unit,type,density,density_se\nA,steppe,90,2\n"
    with pytest.raises(Refusal, match="steppe: 0 reference units"):
        ask("sink-grade", *AUGUST, units=units, reference=SOILS)
    with pytest.raises(Refusal, match="months 7, 8, 9"):
        ask("sink-grade", "--month", "2025-01", units=units, reference=SOILS)


def test_sink_states_control_false_discoveries_by_hand(ask):
    """Four units, p = 0.01, 0.04, 0.03 and 0.6: adjusted 0.04, 0.0533, 0.0533, 0.6."""
    z = stats.norm.isf(np.array([0.01, 0.04, 0.03, 0.6]) / 2)
    rows = [f"u{k},{-v if k == 2 else v},1" for k, v in enumerate(z)]
    changes = "unit,change,se\n" + "\n".join(rows) + "\n"
    text, found = ask("sink-state", "--fdr", "0.05", changes=changes)
    assert [row["state"] for row in found["units"]] == ["增强", "稳定", "稳定", "稳定"]
    adjusted = [row["p_adjusted"] for row in found["units"]]
    assert adjusted == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.6])
    _, wide = ask("sink-state", "--fdr", "0.10", changes=changes)
    assert [row["state"] for row in wide["units"]] == ["增强", "增强", "减弱", "稳定"]
    assert "no change was shown" in text


def test_a_shared_error_of_two_dates_makes_a_change_visible(ask):
    head = "unit,first,first_se,second,second_se,covariance\n"
    _, apart = ask("sink-state", changes=f"{head}A,100,10,110,10,0\n")
    _, paired = ask("sink-state", changes=f"{head}A,100,10,110,10,95\n")
    assert apart["units"][0]["state"] == "稳定"
    assert paired["units"][0]["state"] == "增强"
    assert paired["units"][0]["z"] == pytest.approx(10 / math.sqrt(10))
    with pytest.raises(TableError, match="covariance that they allow"):
        ask("sink-state", changes=f"{head}A,100,10,110,10,150\n")
    with pytest.raises(Refusal, match="standard error 0"):
        ask("sink-state", changes="unit,change,se\nA,5,0\n")


TREES = (
    "forest,height_m,arbor,volume_m3_ha\n1,8,1,120\n1,6,1,80\n1,2,0,0\n"
    + "0,0,0,0\n" * 7
)
LAND = "stratum,units,unit_area_ha\nall,1000,2\n"


def test_forest_cover_and_growing_stock_by_hand(ask):
    text, found = ask("forest", "--region", "632324", *AUGUST, plots=TREES, strata=LAND)
    rate, stock = found["forest_cover"], found["growing_stock"]
    assert found["forest_area"]["value"] == pytest.approx(600)
    assert rate["value"] == pytest.approx(0.3)
    # s^2 = 10/9 * 0.21
    assert rate["se"] == pytest.approx(math.sqrt(0.21 / 9))
    # 200 m3/ha over ten plots of 2000 ha.
    assert stock["value"] == pytest.approx(40_000)
    volume = np.array([120.0, 80.0] + [0.0] * 8)
    assert stock["se"] == pytest.approx(2000 * volume.std(ddof=1) / math.sqrt(10))
    assert stock["n"] == 2
    assert "森林蓄积量" in text


def test_the_two_forest_definitions_differ_and_keep_their_inputs(ask):
    _, fao = ask(
        "forest", "--region", "632324", "--definition", "fao", *AUGUST, plots=TREES,
        strata=LAND,
    )  # fmt: skip
    assert fao["indicator"] == "forest_cover_fao"
    assert fao["forest_cover"]["value"] == pytest.approx(0.2)
    with pytest.raises(Refusal, match="tree_height"):
        ask(
            "forest", "--region", "1", "--definition", "fao", *AUGUST,
            plots="forest\n1\n0\n", strata=LAND,
        )  # fmt: skip
    with pytest.raises(TableError, match="volume outside arbor forest"):
        ask(
            "forest", "--region", "1", *AUGUST,
            plots=TREES.replace("1,2,0,0", "1,2,0,30"), strata=LAND,
        )  # fmt: skip
    with pytest.raises(BadInput, match="land_area_third_survey"):
        ask(
            "forest", "--region", "1", "--land", "nothing", *AUGUST, plots=TREES,
            strata=LAND,
        )  # fmt: skip


def test_the_provinces_forest_cover_is_judged_by_its_target(ask):
    strata = "stratum,units,unit_area_ha\nall,72911965,1\n"
    _, found = ask(
        "forest", "--region", "630000", "--land", "land_area_geographic_census",
        *AUGUST, plots=TREES, strata=strata,
    )  # fmt: skip
    verdict = found["forest_cover"]["verdict"]
    assert verdict["target"] == "forest_cover_2025"
    assert verdict["outcome"] == "not distinguishable"
    assert found["growing_stock"]["verdict"]["target"] == "growing_stock_2025"


def labels_of(name, shown, missed):
    return f"{name}\n" + "1\n" * shown + "0\n" * missed


@pytest.mark.parametrize("name", ["forest", "wetland"])
@pytest.mark.parametrize(
    ("shown", "missed", "flagged"),
    [
        pytest.param(29, 71, True, id="29 of 100 plots show it: few"),
        pytest.param(30, 70, False, id="30 of 100 plots show it: enough"),
        pytest.param(80, 20, True, id="all but 20 show it: as badly known"),
        pytest.param(11, 11, False, id="half of few plots: not skewed"),
    ],
)
def test_an_area_that_few_plots_show_is_flagged(ask, name, shown, missed, flagged):
    """A t interval of a share: see config/intervals.toml and docs/coverage.md."""
    text, found = ask(
        name, "--region", "632324", *AUGUST, plots=labels_of(name, shown, missed),
        strata=LAND,
    )  # fmt: skip
    few = ["not calibrated: few units that are not zero"] if flagged else []
    assert found[f"{name}_area"]["flags"] == few
    assert ("flag: not calibrated" in text) is flagged


def test_no_forest_on_any_plot_is_refused_not_zero(ask):
    with pytest.raises(Refusal, match="no forest among 9 plots"):
        ask(
            "forest", "--region", "1", *AUGUST, plots=labels_of("forest", 0, 9),
            strata=LAND,
        )  # fmt: skip


def test_every_grade_says_that_reading_errors_are_not_in_its_interval(ask):
    text, found = ask(
        "grades", "degraded_grassland", *AUGUST,
        plots=DEGRADED, strata=STRATA, reference=REFERENCE,
    )  # fmt: skip
    rows = by_grade(found, "degradation_cover")
    said = "not calibrated: reading errors move plots across limits of grades"
    assert {n for n, r in rows.items() if said not in r["flags"]} == {"域外"}
    assert said in text


def test_a_large_stratum_without_a_hit_is_flagged(ask):
    """0 of 50 on 90 % of the land: one hit would add 1.8 %, the error is 0.7 %."""
    strata = "stratum,units,unit_area_ha\nmapped,100,1\nrest,900,1\n"
    rows = ["mapped,1"] * 35 + ["mapped,0"] * 15 + ["rest,0"] * 50
    _, found = ask(
        "forest", "--region", "632324", *AUGUST,
        plots="stratum,forest\n" + "\n".join(rows) + "\n", strata=strata,
    )  # fmt: skip
    unseen = (
        "not calibrated: plots of a stratum are all alike, and it outweighs the error"
    )
    assert found["forest_cover"]["se"] == pytest.approx(0.1 * math.sqrt(0.21 / 49))
    assert found["forest_cover"]["flags"] == [unseen]
    rows[-1] = "rest,1"
    _, found = ask(
        "forest", "--region", "632324", *AUGUST,
        plots="stratum,forest\n" + "\n".join(rows) + "\n", strata=strata,
    )  # fmt: skip
    assert found["forest_cover"]["flags"] == []
