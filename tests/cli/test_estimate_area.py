"""`qhsink estimate area` against the papers, mapaccuracy and R survey."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner

from qhsink.cli.estimate import estimate
from qhsink.domain.errors import TableError
from qhsink.estimation.reliability import NO_VARIATION, UNSEEN

OLOFSSON_COUNTS = [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]]
OLOFSSON_UNITS = [200_000, 150_000, 3_200_000, 6_450_000]
OLOFSSON_NAMES = ["deforestation", "gain", "stable forest", "stable non-forest"]


def grouped(counts, names):
    """Sample table of an error matrix whose rows are strata and map classes."""
    lines = ["stratum,map,reference,count"]
    lines += [
        f"{names[i]},{names[i]},{names[j]},{counts[i][j]}"
        for i in range(len(names))
        for j in range(len(names))
    ]
    return "\n".join(lines) + "\n"


def frame(names, units, area=None):
    head = "stratum,units" + (",unit_area_ha" if area else "")
    tail = f",{area}" if area else ""
    rows = [f"{n},{u}{tail}" for n, u in zip(names, units, strict=True)]
    return "\n".join([head, *rows]) + "\n"


@pytest.fixture
def ask(tmp_path):
    def run(sample, strata, *options):
        (tmp_path / "s.csv").write_text(sample, encoding="utf-8")
        (tmp_path / "h.csv").write_text(strata, encoding="utf-8")
        words = ["area", "--sample", str(tmp_path / "s.csv")]
        words += ["--strata", str(tmp_path / "h.csv"), *options]
        result = CliRunner().invoke(
            estimate, [*words, "--json", str(tmp_path / "out.json")]
        )
        if result.exception:
            raise result.exception
        return json.loads((tmp_path / "out.json").read_text())

    return run


def test_olofsson_2014_table_8_comes_out_to_the_printed_digit(ask):
    found = ask(
        grouped(OLOFSSON_COUNTS, OLOFSSON_NAMES),
        frame(OLOFSSON_NAMES, OLOFSSON_UNITS, 0.09),
    )
    printed = [(21158, 6158), (11686, 3756), (285770, 15510), (581386, 16282)]
    for name, (area, half) in zip(OLOFSSON_NAMES, printed, strict=True):
        row = found["classes"][name]
        assert round(row["area_ha"]) == area
        assert round((row["ci_ha"][1] - row["ci_ha"][0]) / 2) == half
    users = [(0.88, 0.07), (0.73, 0.10), (0.93, 0.04), (0.96, 0.02)]
    producers = [(0.75, 0.21), (0.85, 0.25), (0.93, 0.03), (0.96, 0.02)]
    for i, name in enumerate(OLOFSSON_NAMES):
        row = found["classes"][name]
        assert round(row["users_accuracy"], 2) == users[i][0]
        assert round(1.96 * row["se_users"], 2) == users[i][1]
        assert round(row["producers_accuracy"], 2) == producers[i][0]
        # The paper prints 0.21, 0.25, 0.03, 0.02: the first three it cut, not rounded.
        assert abs(1.96 * row["se_producers"] - producers[i][1]) < 0.01
    assert round(found["overall_accuracy"], 2) == 0.95
    assert found["n"] == 640
    assert found["method"].startswith("Olofsson 2014")
    assert found["confidence"] == 0.95


@pytest.mark.parametrize(
    ("case", "options", "method"),
    [
        ("olofsson2014_table8", (), "Olofsson 2014"),
        ("stehman2014_example", ("--fpc",), "Stehman 2014"),
    ],
)
@pytest.mark.parametrize("software", ["software_mapaccuracy", "software_R_survey"])
def test_published_examples_agree_with_the_software(
    ask, shared_dir, case, options, method, software
):
    folder = shared_dir / "cases" / case
    sizes = json.loads((folder / "inputs.json").read_text())["Nh"]
    expected = json.loads((folder / "expected.json").read_text())[software]
    found = ask(
        (folder / "inputs.csv").read_text(), frame(sizes, sizes.values()), *options
    )
    assert found["method"].startswith(method)
    pairs = {
        "UA": "users_accuracy",
        "SEua": "se_users",
        "PA": "producers_accuracy",
        "SEpa": "se_producers",
        "area": "proportion",
        "SEa": "se_proportion",
    }
    for key, ours in pairs.items():
        for name, value in expected[key].items():
            assert found["classes"][name][ours] == pytest.approx(value, rel=1e-9)
    assert found["overall_accuracy"] == pytest.approx(expected["OA"], rel=1e-9)
    assert found["se_overall_accuracy"] == pytest.approx(expected["SEoa"], rel=1e-9)


def test_area_formulas_of_olofsson_written_out_agree(ask):
    counts = np.asarray(OLOFSSON_COUNTS, dtype=float)
    units = np.asarray(OLOFSSON_UNITS, dtype=float)
    share, size = units / units.sum(), counts.sum(axis=1)
    cell = share[:, None] * counts / size[:, None]
    found = ask(
        grouped(OLOFSSON_COUNTS, OLOFSSON_NAMES), frame(OLOFSSON_NAMES, OLOFSSON_UNITS)
    )
    for j, name in enumerate(OLOFSSON_NAMES):
        row = found["classes"][name]
        p = cell[:, j].sum()
        se = math.sqrt(sum((share * cell[:, j] - cell[:, j] ** 2) / (size - 1)))
        right = cell[j, j] / p
        users = counts[j, j] / size[j]
        rest = sum(
            units[i] ** 2
            * counts[i, j]
            / size[i]
            * (1 - counts[i, j] / size[i])
            / (size[i] - 1)
            for i in range(4)
            if i != j
        )
        own = units[j] ** 2 * (1 - right) ** 2 * users * (1 - users) / (size[j] - 1)
        total = p * units.sum()
        assert row["proportion"] == pytest.approx(p, rel=1e-12)
        assert row["se_proportion"] == pytest.approx(se, rel=1e-12)
        assert row["area_ha"] == pytest.approx(total, rel=1e-12)
        variance = (own + right**2 * rest) / total**2
        assert row["se_producers"] == pytest.approx(math.sqrt(variance), rel=1e-12)
    assert found["area_unit"] == "units"


def test_intervals_of_accuracies_are_on_the_logit_scale(ask):
    found = ask(
        grouped(OLOFSSON_COUNTS, OLOFSSON_NAMES), frame(OLOFSSON_NAMES, OLOFSSON_UNITS)
    )
    row = found["classes"]["gain"]
    told = (
        (row["users_accuracy"], row["se_users"], row["users"]),
        (row["producers_accuracy"], row["se_producers"], row["producers"]),
        (found["overall_accuracy"], found["se_overall_accuracy"], found["overall"]),
    )
    for p, se, one in told:
        half = 1.959963984540054 * se / (p * (1 - p))
        centre = math.log(p / (1 - p))
        expected = [1 / (1 + math.exp(-centre + sign * half)) for sign in (1, -1)]
        assert one["ci"] == pytest.approx(expected, rel=1e-9)
        assert one["flags"] == []


ALIKE = """stratum,map,reference,count
f,f,f,30
o,o,o,100
e,o,o,35
e,o,f,5
"""


def test_an_accuracy_without_a_miss_has_no_interval_and_says_why(ask):
    """All 30 mapped plots right: no error is not an error of zero."""
    found = ask(ALIKE, "stratum,units\nf,900\no,900\ne,900\n")
    row = found["classes"]["f"]
    assert row["users_accuracy"] == 1
    assert row["users"] == {"ci": None, "flags": [NO_VARIATION]}
    assert row["producers"]["ci"] is not None
    assert row["producers"]["flags"] == []


def test_an_omission_in_a_large_stratum_all_alike_would_outweigh_the_error(ask):
    """One of the 100 plots elsewhere, had it been forest, would stand for 9,000."""
    found = ask(ALIKE, "stratum,units\nf,900\no,900000\ne,900\n")
    row = found["classes"]["f"]
    assert row["producers"]["flags"] == [UNSEEN]
    assert found["overall"]["flags"] == [UNSEEN]
    assert row["flags"] == [UNSEEN]


def test_what_people_read_has_every_accuracy_with_its_interval_and_flags(tmp_path):
    (tmp_path / "s.csv").write_text(ALIKE, encoding="utf-8")
    (tmp_path / "h.csv").write_text("stratum,units\nf,900\no,900000\ne,900\n")
    words = ["area", "--sample", str(tmp_path / "s.csv")]
    said = CliRunner().invoke(estimate, [*words, "--strata", str(tmp_path / "h.csv")])
    lines = [line.strip() for line in said.output.splitlines()]
    assert f"f, user's: none; {NO_VARIATION}" in lines
    (line,) = [line for line in lines if line.startswith("f, producer's: 0.")]
    assert line.endswith(UNSEEN)


def test_a_class_only_in_the_reference_or_only_on_the_map_has_nulls_not_nan(ask):
    sample = """stratum,map,reference
a,a,a
a,a,new
a,a,a
b,b,a
b,b,a
b,b,a
"""
    found = ask(sample, "stratum,units\na,60\nb,40\n")
    new, b = found["classes"]["new"], found["classes"]["b"]
    assert new["users_accuracy"] is None
    assert new["se_users"] is None
    assert new["producers_accuracy"] == 0
    assert new["proportion"] == pytest.approx(0.2)
    assert b["producers_accuracy"] is None
    assert b["se_producers"] is None
    assert b["users_accuracy"] == 0
    assert b["area_ha"] == 0
    assert found["classes"]["a"]["proportion"] == pytest.approx(0.8)
    assert sum(row["proportion"] for row in found["classes"].values()) == 1


def test_a_map_class_other_than_the_stratum_makes_it_stehman(ask):
    sample = "stratum,map,reference\n1,f,f\n1,g,f\n2,g,g\n2,g,f\n"
    found = ask(sample, "stratum,units\n1,30\n2,70\n", "--fpc")
    assert found["method"].startswith("Stehman 2014")
    assert "with finite" in found["method"]
    # f: 30 * 1 + 70 * 0.5 = 65; s2 = 0 and 0.5; V = 70^2 (1 - 2/70) 0.5 / 2
    assert found["classes"]["f"]["area_ha"] == pytest.approx(65)
    half = 70**2 * (1 - 2 / 70) * 0.5 / 2
    assert found["classes"]["f"]["se_ha"] == pytest.approx(math.sqrt(half))


def test_confidence_sets_the_width(ask):
    table = grouped(OLOFSSON_COUNTS, OLOFSSON_NAMES)
    strata = frame(OLOFSSON_NAMES, OLOFSSON_UNITS, 0.09)
    found = ask(table, strata, "--confidence", "0.9")
    row = found["classes"]["gain"]
    half = (row["ci_ha"][1] - row["ci_ha"][0]) / 2
    assert half / row["se_ha"] == pytest.approx(1.6448536269514722)
    assert found["confidence"] == 0.9


def test_counts_and_single_rows_tell_the_same(ask):
    rows = "a,a,a\n" * 7 + "a,a,b\n" * 2 + "b,b,b\n" * 5 + "b,b,a\n"
    table = "stratum,map,reference,count\na,a,a,7\na,a,b,2\nb,b,b,5\nb,b,a,1\nb,b,b,0\n"
    strata = "stratum,units,unit_area_ha\na,600,0.01\nb,400,0.01\n"
    assert ask("stratum,map,reference\n" + rows, strata) == ask(table, strata)


def test_unit_areas_that_differ_by_stratum_weigh_the_strata(ask):
    sample = "stratum,map,reference\n1,a,a\n1,a,b\n2,b,b\n2,b,b\n"
    found = ask(sample, "stratum,units,unit_area_ha\n1,100,0.04\n2,100,0.01\n")
    assert found["total_area"] == pytest.approx(5)
    assert found["classes"]["b"]["area_ha"] == pytest.approx(100 * 0.04 / 2 + 1)


GOOD = "stratum,map,reference\na,a,a\na,a,b\nb,b,b\nb,b,b\n"


@pytest.mark.parametrize(
    ("sample", "strata", "message"),
    [
        (GOOD, "stratum,units\na,9\n", "stratum 'b'"),
        (GOOD, "stratum,units\na,9\nb,9\nc,9\n", "'c' has 0 sample units"),
        (GOOD[:-6], "stratum,units\na,9\nb,9\n", "'b' has 1 sample unit"),
        (GOOD, "stratum,n\na,9\nb,9\n", "columns present: stratum, n"),
        ("stratum,map\na,a\n", "stratum,units\na,9\n", "'reference'"),
        (GOOD + "b,,b\n", "stratum,units\na,9\nb,9\n", "line 6: no value"),
        (GOOD, "stratum,units\na,many\nb,9\n", "line 2: 'many'"),
        (GOOD, "stratum,units,unit_area_ha\na,9,\nb,9,1\n", "no value"),
        (GOOD, "stratum,units,unit_area_ha\na,9,-1\nb,9,1\n", "positive area"),
        (GOOD, "stratum,units\na,0\nb,9\n", "has units 0"),
    ],
)
def test_bad_tables_are_refused_by_name(ask, sample, strata, message):
    with pytest.raises(TableError) as caught:
        ask(sample, strata)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [(), ("--fpc",)], ids=["plain", "fpc"])
def test_more_sample_units_than_units_are_refused(ask, options):
    with pytest.raises(
        TableError, match=r"'a': 2 sample units of 1; .*not in hectares"
    ):
        ask(GOOD, "stratum,units\na,1\nb,9\n", *options)


def test_a_half_count_is_refused(ask):
    with pytest.raises(TableError, match="whole number"):
        ask("stratum,map,reference,count\na,a,a,2.5\n", "stratum,units\na,9\n")


def test_chinese_labels_and_excel_encodings_are_read(tmp_path):
    (tmp_path / "s.csv").write_bytes(
        "stratum,map,reference\n林地,林地,林地\n林地,林地,草地\n".encode("gb18030")
    )
    (tmp_path / "h.csv").write_text("stratum,units\n林地,90\n", encoding="utf-8-sig")
    words = ["area", "--sample", str(tmp_path / "s.csv")]
    words += ["--strata", str(tmp_path / "h.csv"), "--json", "-"]
    result = CliRunner().invoke(estimate, words)
    assert json.loads(result.output)["classes"]["草地"]["area_ha"] == 45
