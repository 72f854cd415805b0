"""A plot table to train on: what is refused, and what is only reported."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qhsink.config import load_model_targets
from qhsink.domain.errors import TableError
from qhsink.estimation.training_plots import (
    Defaults,
    measured_columns,
    read_training_plots,
    refuse_outside,
)
from qhsink.mapping.screening import linear_copies

COUNT = 40
TARGETS = load_model_targets(Path(__file__).resolve().parents[2])


def table(**changes):
    rng = np.random.default_rng(0)
    columns = {
        "id": [f"p{k}" for k in range(COUNT)],
        "lon": np.linspace(100, 101, COUNT),
        "lat": np.linspace(35, 36, COUNT),
        "date": ["2025-08-01"] * COUNT,
        "value": rng.uniform(0.1, 0.9, COUNT),
        "plot_m": [30] * COUNT,
    }
    frame = pd.DataFrame(columns | changes).astype(str)
    return frame.drop(columns=[name for name, v in changes.items() if v is None])


def read(frame, target="fvc", defaults=None):
    return read_training_plots(
        frame,
        target=TARGETS.get(target),
        value="value",
        defaults=defaults or Defaults(),
    )


def first(value, then):
    return [value, *[then] * (COUNT - 1)]


@pytest.mark.parametrize(
    ("changes", "target", "words"),
    [
        ({"value": np.linspace(5, 95, COUNT)}, "fvc", "Divide percentages by 100"),
        ({"unit": ["%"] * COUNT}, "fvc", "in unit '%'; expected unit '1'"),
        ({"unit": ["kg ha-1"] * COUNT}, "agb_grass", "expected unit 'g DM m-2'"),
        ({"value": np.linspace(0.1, 0.9, COUNT)}, "agb_grass", "look like shares"),
        ({"value": np.linspace(-9, 400, COUNT)}, "agb_grass", "-9 at p0"),
        ({"value": [0.5] * COUNT}, "fvc", "of different values"),
        ({"lon": first("", 100.5)}, "fvc", "column 'lon', line 2: no value"),
        ({"lat": None}, "fvc", "no column 'lat'"),
        ({"date": None}, "fvc", "no column 'date'"),
        ({"date": first("2025", "2025-08-01")}, "fvc", "'2025' at p0"),
        ({"date": first("2025-02-30", "2025-08-01")}, "fvc", "'2025-02-30' at p0"),
        (
            {"date": first("2025-05-20", "2025-08-01"), "value": range(10, 50)},
            "agb_grass",
            "1 of 40 plots measured out of season (p0 on 2025-05-20); expected dates",
        ),
        (
            {"lon": [100.0] * 2 + list(range(60, 98)), "lat": [35.0] * COUNT},
            "fvc",
            "1 plots with the place and the date of another (p1)",
        ),
        ({"id": ["a"] * COUNT}, "fvc", "39 plots with the id and the date of another"),
        ({"plot_m": None}, "fvc", "give --plot-size"),
        ({"plot_m": [0] * COUNT}, "fvc", "plots of 0 to 0 m"),
        ({"shape": ["star"] * COUNT}, "fvc", "'star'; expected square or circle"),
        ({"se": [-0.1] * COUNT}, "fvc", "column 'se', line 2: -0.1"),
        ({"provenance": ["made up"] * COUNT}, "fvc", "expected observed or simulated"),
        ({"inclusion_prob": [0] * COUNT}, "fvc", "a probability in (0, 1]"),
    ],
    ids=[
        "per cent for a share", "another unit", "kilograms per hectare",
        "shares for biomass", "a code for missing", "no variation",
        "a missing longitude", "no latitude", "no date", "a year alone",
        "a day that is none", "out of season", "a place twice on a date",
        "an id twice on a date", "no plot size", "plots of no size",
        "an unknown shape", "a negative error", "an unknown provenance",
        "a probability of zero",
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_learnt_from_is_refused(changes, target, words):
    with pytest.raises(TableError) as caught:
        read(table(**changes), target)
    assert words in str(caught.value)


def test_too_few_plots_are_refused():
    with pytest.raises(TableError, match="29 plots"):
        read(table().iloc[:29])


def test_one_place_may_be_visited_in_two_years():
    frame = table()
    again = frame.assign(date="2024-08-01")
    plots = read(pd.concat([frame, again], ignore_index=True))
    assert sorted(set(plots.years.tolist())) == [2024, 2025]
    assert len(plots.plots.y) == 2 * COUNT


@pytest.mark.parametrize(
    "text", ["2025-08-01", "2025/8/1", "2025-08-01 00:00:00", "2025-08-01T10:30"]
)
def test_dates_are_read_as_spreadsheets_write_them(text):
    assert read(table(date=[text] * COUNT)).dates[0] == date(2025, 8, 1)


def test_what_the_table_says_wins_over_the_options():
    options = Defaults(size_m=10.0, shape="circle", position_sd_m=3.0)
    said = read(
        table(shape=["square"] * COUNT, position_sd_m=[5] * COUNT), defaults=options
    )
    assert said.size_m[0] == 30.0
    assert not said.is_round.any()
    assert said.position_sd_m[0] == 5.0
    silent = read(table(plot_m=None), defaults=options)
    assert silent.size_m[0] == 10.0
    assert silent.is_round.all()
    assert silent.position_sd_m[0] == 3.0
    assert silent.se is None
    assert silent.provenance == "observed"


def test_one_simulated_row_makes_the_table_simulated():
    rows = ["simulated", *["observed"] * (COUNT - 1)]
    assert read(table(provenance=rows)).provenance == "simulated"


def test_plots_outside_the_province_are_named_with_their_place():
    plots = read(table()).plots
    inside = np.ones(COUNT, bool)
    refuse_outside(plots, inside, where="Qinghai")
    inside[3] = False
    with pytest.raises(TableError, match=r"1 of 40 plots outside Qinghai \(p3; the"):
        refuse_outside(plots, inside, where="Qinghai")


def test_a_value_computed_from_another_column_is_reported():
    height = np.random.default_rng(1).uniform(5, 60, COUNT)
    frame = table(height_cm=height, value=0.02 + 0.01 * height, se=0.1 * height)
    (copy,) = linear_copies(measured_columns(frame))
    assert {copy.column, copy.of} == {"value", "height_cm"}
    assert "looks computed, not measured" in str(copy)


def test_places_and_sizes_are_no_measurements():
    frame = table(note=["near the road"] * COUNT)
    assert list(measured_columns(frame)) == ["value"]


def test_a_table_with_a_header_alone_is_refused_in_a_line():
    with pytest.raises(TableError, match="has no rows"):
        read(table().iloc[:0])
