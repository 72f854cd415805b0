"""Refusals for Chinese readers: the kind of reason, and known ones in full."""

from __future__ import annotations

import pytest

from qhsink.domain.errors import Refusal
from qhsink.domain.indicator import Indicator
from qhsink.domain.period import parse_month
from qhsink.indicators.definitions import admit
from qhsink.reporting.reasons import reason_in_chinese, reason_kind


@pytest.mark.parametrize(
    ("refusal", "zh"),
    [
        ("fvc_peak for 2025-07; expected a month that ends on or", "不在计算时段内"),
        ("fvc_peak asked for 2025-01; expected months 7, 8", "不在计算时段内"),
        ("no scene of 2025-01 for qilian; expected at least", "时段内无影像"),
        ("2 of 6 tiles of qilian could not be read: x; expected", "影像无法读取"),
        ("41.0% of the land of q has enough clear observations; expected", "有效"),
        ("cvcg needs plots; expected inputs plots. Bring peak-season", "缺少必要输入"),
        ("something else; expected a window", "见原因说明"),
    ],
)
def test_the_kind_of_a_reason_is_what_was_found(refusal, zh):
    assert zh in reason_kind(refusal).zh


@pytest.mark.parametrize(
    ("refusal", "zh"),
    [
        (
            (
                "41.3% of the land of qilian has enough clear observations; "
                "expected at least 60%. Wait for more scenes."
            ),
            "陆地面积中仅 41.3% 有足够的有效（无云）观测，要求至少 60%。",
        ),
        (
            (
                "no scene of 2025-01 for qilian; expected at least one between "
                "2025-01-01 and 2025-01-31. Choose another month, or check the source."
            ),
            "2025-01 时段内（2025-01-01 至 2025-01-31）没有影像。",
        ),
        (
            (
                "2 of 6 tiles of qilian could not be read: x.tif; expected every "
                "tile of the region. Mend the source."
            ),
            "6 个图幅中有 2 个影像无法读取，该区域不给数值。",
        ),
        (
            (
                "fvc_peak for 2025-07; expected a month that ends on or after "
                "08-31, when the peak season is complete. Run that month."
            ),
            "2025-07 时生长盛期尚未结束，须选 08-31 当日或之后结束的月份。",
        ),
        ("of another kind; expected x. Do y.", ""),
    ],
)
def test_a_known_refusal_keeps_its_figures_in_chinese(refusal, zh):
    assert reason_in_chinese(refusal) == zh


@pytest.mark.parametrize(
    ("month", "zh"),
    [
        ("2025-08", "缺少必要输入：生长盛期地面样地、分县分类型的官方草原面积。"),
        ("2025-01", "2025-01 不在该指标的计算月份（7, 8 月）之内。"),
    ],
    ids=["inputs absent", "out of season"],
)
def test_what_the_indicators_really_say_is_understood(month, zh):
    inputs = ("plots", "grassland_type_areas")
    cvcg = Indicator(
        "cvcg", "盖度", "cover", "", "", "", "1", (7, 8), inputs, "", "verified"
    )
    with pytest.raises(Refusal) as caught:
        admit(cvcg, period=parse_month(month), available=())
    assert reason_in_chinese(str(caught.value)) == zh
