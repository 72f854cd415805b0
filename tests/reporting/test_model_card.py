"""The page of a model's card: whole, closed to the network, honest about simulation."""

from __future__ import annotations

import base64
import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from qhsink.reporting.model_card import CAPTIONS, TargetWords, render_model_page
from qhsink.reporting.model_figures import ModelEvidence, draw_evidence
from qhsink.reporting.wording import Words

TARGET = TargetWords(Words("草地地上生物量（干重）", "grass biomass"), "g DM m-2")


def evidence(count=50, **changes):
    rng = np.random.default_rng(0)
    observed = rng.uniform(0, 300, count)
    fields = {
        "observed": observed,
        "predicted": observed + rng.normal(0, 20, count),
        "unit": "g DM m-2",
        "importance": {"ndvi": 9.0, "nbr": -0.2},
        "dissimilarity": rng.uniform(0, 1, count),
        "threshold": 0.7,
        "curve": ((10, 40.0), (20, 30.0)),
        "points": rng.uniform(0, 1e5, (count, 2)),
        "variogram": (np.array([1e3, 2e3]), np.array([300.0, 400.0])),
    }
    return ModelEvidence(**fields | changes)


@pytest.fixture(scope="module")
def pictures():
    return draw_evidence(evidence())


def card(**science):
    scores = {"r2": 0.5, "rmse": 21.3, "bias": 0.4}
    runs = {
        "title": "sites",
        "models": {"ensemble": scores},
        "interval_coverage": 0.912,
        "by_predicted": [],
    }
    known = {
        "samples": 1234,
        "interval": {"confidence": 0.9},
        "validation": {"runs": runs},
    }
    run = {"cpu_ms_per_mpx": {"ensemble": 400.0}}
    return {"id": "agb_grass-0a1b2c3d", "science": known | science, "run": run}


def page(pictures, text="# title\n\nBody.", **science):
    return render_model_page(card(**science), text, pictures, TARGET)


def read(text):
    return ET.fromstring(text.split("\n", 1)[1])  # noqa: S314 - our own page


def test_the_page_is_well_formed_and_bilingual(pictures):
    said = " ".join("".join(read(page(pictures)).itertext()).split())
    for words in (
        "模型卡片：草地地上生物量",
        "Model card: grass biomass",
        "21.3 g DM m-2",
    ):
        assert words in said
    assert "1,234" in said
    assert "91.2 %" in said
    assert "title" not in said.split("Body.")[0].split("agb_grass-0a1b2c3d")[-1]


def test_the_page_loads_nothing_and_every_picture_is_inside(pictures):
    tree = read(page(pictures, "# t\n\n![x](validation.png) <script>a</script> [b](c)"))
    loaded = [e.get("src") for e in tree.iter() if e.get("src")]
    assert len(loaded) == len(CAPTIONS) == 6
    for source in loaded:
        kind, _, data = source.partition(",")
        assert kind == "data:image/png;base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert picture.width == 780
    assert not [e for e in tree.iter() if e.tag in {"script", "link", "a", "iframe"}]
    assert "<script>a</script>" in "".join(tree.itertext())


def test_promises_that_are_not_kept_stand_beside_the_scores(pictures):
    said = " ".join("".join(read(page(pictures)).itertext()).split())
    assert "未达到的要求" in said
    assert "It was compared with no ensemble of trees." in said


def test_what_gedi_predicted_is_not_called_measured(pictures):
    said = "".join(read(page(pictures, reference="gedi_l4a")).itertext())
    assert "GEDI predictions, not measured" in said
    assert "GEDI 预测值，非实测" in said


def test_tables_may_be_wider_than_a_telephone(pictures):
    tree = read(page(pictures, "# t\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"))
    (around,) = [e for e in tree.iter("div") if e.find("table") is not None]
    assert around.get("class") == "scroll"


@pytest.mark.parametrize("provenance", [None, "observed", "simulated"])
def test_only_a_simulated_model_wears_the_banner(pictures, provenance):
    science = {} if provenance is None else {"provenance": provenance}
    text = page(pictures, **science)
    simulated = provenance == "simulated"
    assert ("TRAINED ON SIMULATED DATA" in text) == simulated
    assert ("【模拟】" in text) == simulated
    banner = [e for e in read(text).iter("div") if e.get("role") == "alert"]
    assert len(banner) == simulated


def test_a_simulated_model_says_so_in_every_picture(pictures):
    marked = draw_evidence(evidence(simulated=True))
    assert marked.keys() == pictures.keys()
    assert all(marked[name] != pictures[name] for name in marked)


def test_pictures_are_drawn_of_what_is_known_and_always_alike():
    little = evidence(points=None, variogram=None, curve=())
    drawn = draw_evidence(little)
    assert set(drawn) == {"observed", "importance", "applicability"}
    assert draw_evidence(little) == drawn


@pytest.mark.parametrize("name", ["curve", "variogram"])
def test_the_highest_point_is_drawn_whole(name):
    # Nearly level points: cut at the top, a marker would touch the axes' first row.
    level = evidence(
        curve=((300, 15.2), (2_400, 15.0)),
        variogram=(np.array([1e3, 2e3]), np.array([399.0, 400.0])),
    )
    with Image.open(io.BytesIO(draw_evidence(level)[name])) as picture:
        red, green, blue = np.moveaxis(np.asarray(picture.convert("RGB"), int), -1, 0)
    painted = (green - red > 40) & (green - blue > 20)
    axis = (red < 60) & (green < 60) & (blue < 60)
    column = int(axis.sum(axis=0).argmax())
    top = int(np.flatnonzero(axis[:, column]).min())
    assert painted.any()
    assert np.flatnonzero(painted.any(axis=1)).min() > top + 3


def test_many_samples_are_gathered():
    many = draw_evidence(evidence(3000, points=None, variogram=None, curve=()))
    assert len(many["observed"]) < 150_000
