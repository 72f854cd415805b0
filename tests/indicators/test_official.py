"""Official figures and area shares: never across definitions."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from qhsink.config import load_official
from qhsink.domain.errors import BadInput, Refusal
from qhsink.domain.estimate import Estimate
from qhsink.domain.indicator import Measure, OfficialStatistic
from qhsink.indicators.official import rise_between, set_beside
from qhsink.indicators.ratio import area_share

FIGURE = OfficialStatistic("cvcg", "630000", 2025, 0.5856, "1", "press", "unverified")
OURS = Estimate(
    indicator="cvcg",
    region="630000",
    period="2025-peak",
    value=0.580,
    se=0.005,
    df=math.inf,
    low=0.5718,
    high=0.5882,
    confidence=0.9,
    unit="1",
    mode="design",
    n=800,
    area_ha=3.9e7,
    valid_share=1.0,
    provenance="observed",
)


def test_figure_beside_an_estimate_by_hand():
    beside = set_beside(OURS, FIGURE)
    assert beside.difference == pytest.approx(-0.0056)
    assert beside.inside
    assert beside.p_above == pytest.approx(0.1314, abs=1e-3)


@pytest.mark.parametrize(
    "changed",
    [
        {"definition": "fvc_peak"},
        {"region": "632222"},
        {"unit": "%"},
        {"year": 2023},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_another_definition_region_unit_or_year_is_refused(changed):
    with pytest.raises(Refusal, match=next(iter(changed))):
        set_beside(OURS, replace(FIGURE, **changed))


def test_two_survey_bases_are_no_growth_of_forest(project_folder):
    figures = {(f.definition, f.year): f for f in load_official(project_folder)}
    inventory = figures["forest_cover_nfci", 2018]
    bureau = figures["forest_cover_national", 2020]
    with pytest.raises(Refusal, match="change of definition"):
        rise_between(inventory, bureau)
    same_base = rise_between(figures["forest_cover_nfci", 2013], inventory)
    assert same_base == pytest.approx((0.0582 - 0.0563) / 5)


def test_share_by_hand_and_against_simulation():
    share = area_share(Measure(60.0, 3.0, "ha"), Measure(40.0, 4.0, "ha"))
    rng = np.random.default_rng(2)
    part, rest = rng.normal(60, 3, 200_000), rng.normal(40, 4, 200_000)
    assert share.value == 0.6
    assert share.se == pytest.approx((part / (part + rest)).std(), rel=0.01)


def test_share_of_nothing_units_and_covariance_are_guarded():
    with pytest.raises(Refusal):
        area_share(Measure(0, 0, "ha"), Measure(0, 0, "ha"))
    with pytest.raises(BadInput):
        area_share(Measure(1, 0, "ha"), Measure(1, 0, "km2"))
    with pytest.raises(BadInput):
        area_share(Measure(1, 0.1, "ha"), Measure(1, 0.1, "ha"), covariance=1.0)
