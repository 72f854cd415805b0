"""What stands around a verdict: baseline, yearly rise, further plots."""

from __future__ import annotations

import dataclasses

import pytest

from qhsink.config import load_targets
from qhsink.domain.estimate import Estimate
from qhsink.indicators.outlook import outlook
from qhsink.indicators.verdict import judge

COVER = Estimate(
    indicator="cvcg",
    region="630000",
    period="2023-peak",
    value=0.578,
    se=0.004,
    df=60.0,
    low=0.5713,
    high=0.5847,
    confidence=0.9,
    unit="1",
    mode="design",
    n=72,
    area_ha=4e7,
    valid_share=1.0,
    provenance="simulated",
)


@pytest.fixture(scope="module")
def targets(project_folder):
    return load_targets(project_folder)


def test_before_the_target_there_is_a_way_and_a_yearly_rise(targets):
    """57.8 % in 2023, 57.4 % in 2020, 58.5 % wanted in 2025."""
    found = outlook(COVER, None, targets)
    assert found.distance.change == pytest.approx(0.004)
    assert found.distance.years == 3
    assert found.distance.progress == pytest.approx(4 / 11)
    assert found.later.id == "cvcg_2025"
    assert found.yearly_rise == pytest.approx(0.0035)
    assert found.further_units is None


def test_in_its_year_plots_may_settle_it_and_no_number_lies_ahead(targets):
    due = dataclasses.replace(COVER, period="2025-peak", value=0.583, high=0.5897)
    target = next(t for t in targets if t.id == "cvcg_2025")
    found = outlook(due, judge(due, target, confidence=0.9), targets)
    # 2030 has no number: nothing to divide by.
    assert found.later is None
    assert found.yearly_rise is None
    assert found.distance.progress == pytest.approx(9 / 11)
    assert found.further_units > 72


def test_another_region_definition_or_unit_gives_nothing(targets):
    for change in ({"region": "632324"}, {"indicator": "fvc_peak"}, {"unit": "%"}):
        found = outlook(dataclasses.replace(COVER, **change), None, targets)
        assert found == type(found)(None, None, None, None)
