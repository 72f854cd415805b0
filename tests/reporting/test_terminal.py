"""What a run prints: one line per number, what repeats said once, plain in a file."""

from __future__ import annotations

import dataclasses
import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from qhsink.domain.estimate import Verdict
from qhsink.reporting.grouping import by_region, refusals
from qhsink.reporting.terminal import PLAIN_WIDTH, run_lines

WANDERED = "no clear scene; expected at least one. Wait."


def shown(rows, *, width, refused=None):
    """The lines as a file gets them."""
    return [line.plain for line in run_lines(rows, refused or {}, width=width)]


def table(lines):
    """The lines above the notes."""
    return lines[: next(n for n, line in enumerate(lines) if line[:1] in set("S1o"))]


def test_every_number_of_a_run_stands_on_one_line_with_target_and_verdict(
    simulated_report,
):
    lines = shown(simulated_report.rows, width=160)
    assert "value ± half-width at 90 %" in lines[0]
    (line,) = [x for x in lines if "56.3 ± 1.8 %" in x]
    assert re.search(r"58\.5 % ref\.  below reference, P = 0\.023\s+1$", line)
    given = [row for row in simulated_report.rows if row.estimate]
    assert sum("±" in line for line in lines[1:]) == len(given)


def test_numbers_stand_below_their_region(simulated_report):
    lines = shown(simulated_report.rows, width=160)
    xinghai = next(n for n, line in enumerate(lines) if line.endswith("(632524)"))
    assert "61.9 ± 2.1 %" in lines[xinghai + 1]
    assert "59.0 ± 2.2 %" in lines[xinghai + 2]
    assert re.search(r"composite vegetation .* refused: b$", lines[xinghai + 3])


def test_what_repeats_is_said_once(simulated_report):
    text = "\n".join(shown(simulated_report.rows, width=120))
    assert text.count("SIMULATED") == 1
    assert text.count("not calibrated with local field plots") == 1
    assert text.count("Bring peak-season ground plots") == 1
    assert text.count("all 3 regions") == 1
    assert "—" not in text


def test_an_observed_run_says_nothing_of_simulation(observed_report):
    assert "SIMULATED" not in "\n".join(shown(observed_report.rows, width=120))


def test_where_some_numbers_are_simulated_they_are_named(observed_report):
    rows = list(observed_report.rows)
    one = dataclasses.replace(rows[3].estimate, provenance="simulated")
    rows[3] = dataclasses.replace(rows[3], estimate=one)
    (line,) = [x for x in shown(rows, width=160) if "SIMULATED" in x]
    assert "mean map cover, month comes from" in line


@pytest.mark.parametrize("width", [76, 80, 100, 120, 200])
def test_no_line_of_the_table_is_wider_than_the_terminal(simulated_report, width):
    rows = [
        dataclasses.replace(
            r, short_zh="盛期植被盖度", short_en=f"cover {r.indicator_id}"
        )
        for r in simulated_report.rows
    ]
    lines = shown(rows, width=width)
    inside = [line for line in table(lines) if line.startswith((" ", "region,"))]
    assert max(cell_len(line) for line in inside) <= width


def test_a_narrow_terminal_gets_every_number_and_verdict_on_two_lines(
    simulated_report,
):
    lines = shown(simulated_report.rows, width=60)
    at = next(n for n, line in enumerate(lines) if "56.3 ± 1.8 %" in line)
    assert lines[at + 1] == "    58.5 % ref.; below reference, P = 0.023; notes 1"


def test_both_names_are_shown_where_they_fit(simulated_report):
    row = dataclasses.replace(
        simulated_report.rows[0], short_zh="盛期植被盖度", short_en="cover, peak"
    )
    assert "  盛期植被盖度 cover, peak" in "\n".join(shown([row], width=160))
    assert "盛期植被盖度" not in "\n".join(shown([row], width=90))


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.25, "25.0 %"), (0.25001, "25.1 %"), (1e-6, "0.1 %"), (1e-4, "0.1 %")],
)
def test_the_share_outside_is_said_and_never_rounded_down(observed_report, share, said):
    row = observed_report.rows[0]
    estimate = dataclasses.replace(row.estimate, outside_share=share)
    (line,) = [
        x
        for x in shown([dataclasses.replace(row, estimate=estimate)], width=120)
        if "56.3" in x
    ]
    assert said in line


@pytest.mark.parametrize(
    ("p_met", "said"), [(0.92, "P = 0.920"), (0.99999, "P > 0.999"), (0.0, "P < 0.001")]
)
def test_a_probability_is_said_with_one_sign(simulated_report, p_met, said):
    row = simulated_report.rows[0]
    verdict = dataclasses.replace(row.verdict, p_met=p_met)
    lines = shown([dataclasses.replace(row, verdict=verdict)], width=120)
    assert said in "\n".join(lines)


def test_a_policy_target_is_met_and_a_reference_line_never(observed_report):
    row = observed_report.rows[1]
    target = dataclasses.replace(row.verdict.target, kind="policy")
    judged = dataclasses.replace(row, verdict=Verdict(target, "met", 0.996, 0.90))
    assert "≥ 58.5 %  met, P = 0.996" in "\n".join(shown([judged], width=120))
    assert not re.search(r"\bmet\b", "\n".join(shown([row], width=120)))


def test_a_region_without_any_number_is_named_with_its_reason_once(observed_report):
    row = observed_report.rows[4]
    asked = {row.region.id: row.refusal, "qilain": WANDERED}
    lines = shown([row], width=120, refused=asked)
    assert f"refused {row.region.id}: no number from any map, see a" in lines
    assert f"refused qilain: {WANDERED}" in lines
    assert "\n".join(lines).count("41.0% of the land") == 1


def test_a_run_of_unknown_regions_alone_has_no_table():
    assert shown([], width=80, refused={"qilain": WANDERED})[0] == (
        f"refused qilain: {WANDERED}"
    )


def test_indicators_refused_for_one_reason_share_a_line_and_a_letter(observed_report):
    row = observed_report.rows[-1]
    other = dataclasses.replace(
        row,
        indicator_id="agb",
        indicator_en="biomass",
        refusal=row.refusal.replace("cvcg ", "agb "),
    )
    (group,) = refusals([row, other])
    assert group.letter == "a"
    assert [r.indicator_id for r in group.indicators] == ["cvcg", "agb"]
    assert "  2 indicators" in "\n".join(shown([row, other], width=120))


def test_judged_numbers_come_first_in_their_region(observed_report):
    rows = [observed_report.rows[3], observed_report.rows[1]]
    (group,) = by_region(rows)
    assert [row.indicator_id for row in group.given] == ["fvc_peak", "fvc_month"]


def test_what_goes_to_a_file_holds_no_colour(simulated_report):
    stream = io.StringIO()
    console = Console(file=stream, width=PLAIN_WIDTH)
    for line in run_lines(simulated_report.rows, {}, width=PLAIN_WIDTH):
        console.print(line, soft_wrap=True)
    assert "\x1b" not in stream.getvalue()
    lines = stream.getvalue().splitlines()
    assert lines == [
        line.plain for line in run_lines(simulated_report.rows, {}, width=160)
    ]
