"""A run with further targets: ecosystem map, maps, rows of the ledger, totals."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pystac
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate

from qhsink.config import load_model_targets, load_run_config, load_settings
from qhsink.domain.errors import BadInput, ConfigError, ModelError
from qhsink.registry import load_model
from qhsink.registry.residual_fields import load_residual_fields
from qhsink.steps import target_estimates
from qhsink.steps.dry_run import foresee
from qhsink.steps.hybrid import hybrid_estimates
from qhsink.steps.hybrid_footprints import HybridRequest
from qhsink.steps.map_bands import cover_bands, target_bands
from qhsink.steps.map_indicators import TARGET_INDICATORS
from qhsink.steps.monitor import run_monitor
from qhsink.steps.request import RunRequest, set_up
from qhsink.steps.target_models import load_target_models
from qhsink.steps.twin_pixels import ECOSYSTEM_OF

pytestmark = pytest.mark.xdist_group("runs")

GRASSLAND = "632324"


@pytest.fixture(scope="module")
def config(tmp_path_factory, project_folder):
    """The demonstration with all its targets, on the coarse archive's pixels."""
    path = tmp_path_factory.mktemp("config") / "targets.toml"
    parent = (project_folder / "config" / "demo-targets.toml").as_posix()
    path.write_text(
        f'extends = "{parent}"\n[grid]\npixel_size_m = 480.0\n'
        "tile_px = 128\nblock_px = 128\n[masks]\ndilation_m = 240.0\n"
    )
    return path


@pytest.fixture(scope="module")
def archive(full_archive):
    """The models of the demonstration read relief and radar."""
    return full_archive


def asked(archive, config, out, **changes):
    request = RunRequest(
        month="2025-08",
        regions=(GRASSLAND,),
        source=str(archive),
        config=str(config),
        out=str(out),
    )
    return dataclasses.replace(request, **changes)


@pytest.fixture(scope="module")
def finished(archive, config, tmp_path_factory):
    """A run of one grassland county with all targets; not to be changed."""
    folder = tmp_path_factory.mktemp("targets")
    request = asked(archive, config, folder / "out")
    return request, folder, run_monitor(request, load_settings(store=folder / "store"))


def rows_of(published):
    return {row.indicator_id: row for row in published.rows}


def test_every_target_has_a_total_with_its_interval_and_its_flags(finished):
    _, _, published = finished
    for name in ("agb_grass_map", "shrub_cover_map"):
        estimate = rows_of(published)[name].estimate
        assert 0 < estimate.low < estimate.value < estimate.high
        assert estimate.mode == "model-based"
        flags = [flag for flag in estimate.flags if flag != target_estimates.CORRECTED]
        assert flags == ["not calibrated", "model trained on simulated data"]
        assert estimate.provenance == "simulated"
        assert 0 <= estimate.outside_share <= 1
        assert 0 <= estimate.stock_outside_share <= 1
    assert rows_of(published)["agb_grass_map"].estimate.unit == "t"


def test_the_total_of_grass_lies_near_the_simulated_truth(finished, archive):
    """Near, not within its interval: 480 m pixels, and errors of the ecosystem map."""
    _, _, published = finished
    truth = json.loads((archive.parent / "truth" / "truth.json").read_text())
    known = truth["regions"][GRASSLAND]["agb_grass_t"]
    found = rows_of(published)["agb_grass_map"].estimate.value
    assert found == pytest.approx(known, rel=0.35)


def pair_of(request, indicator):
    """Return the folder of models, and the ids of a target's and of the ecosystems'."""
    settings = load_settings()
    models = load_run_config(Path(request.config)).models
    target = TARGET_INDICATORS[indicator].target
    return settings.project / "models", models.of(target), models.of("ecosystem")


def test_a_pair_of_models_without_a_record_says_what_its_interval_lacks(
    finished, monkeypatch, tmp_path
):
    request, folder, first = finished
    monkeypatch.setattr(target_estimates, "load_residual_fields", lambda *_: {})
    request = dataclasses.replace(request, out=str(tmp_path / "out"))
    again = run_monitor(request, load_settings(store=folder / "store"))
    for name in ("agb_grass_map", "shrub_cover_map"):
        known, bare = (rows_of(run)[name].estimate for run in (first, again))
        fields = load_residual_fields(*pair_of(request, name))
        ratio = fields[TARGET_INDICATORS[name].rows].ratio
        assert known.value == pytest.approx(ratio * bare.value, rel=1e-12)
        assert (target_estimates.CORRECTED in known.flags) == (ratio != 1.0)
        assert ratio * bare.se < known.se
        assert bare.mode == "model"
        assert bare.flags == (
            "not calibrated",
            "ecosystem error left out",
            "model trained on simulated data",
        )


def test_no_total_is_judged_by_the_target_of_another_definition(finished):
    _, _, published = finished
    assert all(
        row.verdict is None
        for row in published.rows
        if row.indicator_id in TARGET_INDICATORS
    )


def test_ledger_rows_of_each_target_add_up_to_the_county(finished):
    _, _, published = finished
    ledger = pd.read_parquet(published.out / "ledger.parquet")
    peak = ledger[ledger["period"] == "2025-peak"]
    areas = peak.groupby("target")["area_ha"].sum()
    assert {"fvc", "agb_grass", "canopy_cover", "arbor_area"} <= set(areas.index)
    np.testing.assert_allclose(areas, areas["fvc"], rtol=1e-9)


def test_one_ecosystem_holds_per_pixel_and_targets_do_not_overlap(finished):
    _, _, published = finished
    table = load_model_targets(load_settings().project)
    for path in published.out.glob("maps/2025-peak/ecosystem_x*.tif"):
        with rasterio.open(path) as file:
            classes = file.read(1)
        mapped = np.zeros(classes.shape, int)
        for target in ("agb_grass", "agb_forest", "shrub_cover"):
            other = path.with_name(path.name.replace("ecosystem_", f"{target}_"))
            with rasterio.open(other) as file:
                known = file.read(1) != file.nodata
            codes = table.codes_of(table.get(target).ecosystems)
            assert (known == np.isin(classes, codes)).all()
            mapped += known
        assert mapped.max() == 1


def test_probabilities_of_the_classes_are_kept_and_sum_to_one(finished):
    _, _, published = finished
    path = next(published.out.glob("maps/2025-peak/ecosystem_probability_*.tif"))
    with rasterio.open(path) as file:
        stored = file.read().astype(float)
        known = stored[0] != file.nodata
        total = (stored * file.scales[0]).sum(axis=0)[known]
        assert "grassland" in file.descriptions
    assert np.abs(total - 1).max() < 0.0026 * len(stored)


def test_every_map_is_a_cog_whose_item_names_its_model_and_what_it_learnt(finished):
    _, _, published = finished
    catalogue = pystac.Catalog.from_file(str(published.out / "catalog.json"))
    learnt = {}
    for item in catalogue.get_items(recursive=True):
        learnt[item.id.split("_2025")[0]] = item.properties["qhsink:model_provenance"]
        valid, errors, _ = cog_validate(item.assets["map"].get_absolute_href())
        assert valid, errors
    assert learnt["fvc"] == "observed"
    assert learnt["agb_grass"] == learnt["ecosystem"] == "simulated"


def test_values_of_a_map_are_in_the_targets_unit_and_range(finished):
    _, _, published = finished
    path = next(published.out.glob("maps/2025-peak/agb_grass_x*.tif"))
    with rasterio.open(path) as file:
        assert file.units[0] == "g DM m-2"
        values = file.read(1, masked=True) * file.scales[0]
    assert 0 <= values.min() < values.max() <= 1500
    assert 30 < values.mean() < 300


def half_widths(path):
    """Value, spread and half width of a map's pixels, and its step."""
    with rasterio.open(path) as file:
        at = len(file.descriptions)
        target = file.descriptions[0]
        assert file.descriptions[-1] == f"{target}_half_width_90"
        assert file.units[-1] == file.units[0]
        assert file.scales[-1] == file.scales[0]
        layers = file.read([1, 2, at], masked=True)
        values = [layer.compressed() * file.scales[0] for layer in layers]
    assert len({len(layer) for layer in values}) == 1, "known wherever the value is"
    return *values, file.scales[0]


@pytest.mark.parametrize("target", ["fvc", "agb_grass", "shrub_cover"])
def test_the_last_band_of_a_map_is_the_half_width_that_the_card_gives(
    finished, config, project_folder, target
):
    """Within the rounding of value and spread, away from the edges of the rule."""
    _, _, published = finished
    model_id = load_run_config(config).models.of(target)
    rule = load_model(project_folder / "models", model_id).interval
    compared = 0
    for path in published.out.glob(f"maps/2025-peak/{target}_x*.tif"):
        value, spread, half, step = half_widths(path)
        if not value.size:
            continue  # a tile without land of the target's ecosystems
        edges = np.abs(value[:, None] - np.array(rule.edges)).min(axis=1)
        plain = edges > step
        assert plain.mean() > 0.9
        again = rule.half_width(value[plain], spread[plain])
        np.testing.assert_allclose(half[plain], again, atol=2.5 * step)
        compared += int(plain.sum())
    assert compared > 500


def true_grass(archive, x, y):
    """True biomass of herbs at grid places of the county, and where it is grassland."""
    place = archive.parent / "truth" / GRASSLAND
    layers = []
    for name in ("agb_grass", "ecosystem"):
        with rasterio.open(place / f"{name}.tif") as file:
            stored = np.array([v[0] for v in file.sample(zip(x, y, strict=True))])
            layers.append(np.where(stored == file.nodata, np.nan, stored))
            scale = file.scales[0] if name == "agb_grass" else 1.0
            layers[-1] = layers[-1] * scale
    value, ecosystem = layers
    codes = [c for c, name in ECOSYSTEM_OF.items() if name in ("grassland", "wetland")]
    return value, np.isin(ecosystem, codes) & np.isfinite(value)


def test_the_interval_of_a_pixel_holds_the_truth_of_an_unseen_world(finished, archive):
    """Every fifth mapped pixel that is truly grassland; the card promises 85 to 95 %
    of the folds, and pixels here are larger than those learnt from."""
    _, _, published = finished
    held = []
    for path in published.out.glob("maps/2025-peak/agb_grass_x*.tif"):
        with rasterio.open(path) as file:
            mapped = file.read(masked=True) * file.scales[0]
            row, col = (at[::5] for at in np.nonzero(~mapped.mask[0]))
            x, y = file.xy(row, col)
        truth, spoken = true_grass(archive, x, y)
        value, half = (mapped.data[band, row, col] for band in (0, -1))
        held.append((np.abs(truth - value) <= half)[spoken])
    share = np.concatenate(held)
    assert share.size > 3000
    assert 0.82 < share.mean() < 0.97


def test_the_interval_of_a_pixel_is_described_where_the_map_is_listed(finished):
    _, _, published = finished
    catalogue = pystac.Catalog.from_file(str(published.out / "catalog.json"))
    told = {}
    for item in catalogue.get_items(recursive=True):
        bands = item.assets["map"].extra_fields["bands"]
        told[item.id.split("_2025")[0]] = {b["name"]: b for b in bands}
    band = told["agb_grass"]["agb_grass_half_width_90"]
    assert "half width of the 90 % prediction interval" in band["description"]
    assert band["unit"] == "g DM m-2"
    assert band["raster:scale"] == told["agb_grass"]["agb_grass"]["raster:scale"]
    assert not [name for name in told["ecosystem_probability"] if "half" in name]
    page = (published.out / "report.html").read_text(encoding="utf-8")
    assert "fvc_half_width_90 波段为单个像元（或样地）90 % 预测区间的半宽" in page


def test_a_model_without_a_rule_has_no_band_of_half_widths(config, project_folder):
    models = load_run_config(config).models
    classifier = load_model(project_folder / "models", models.ecosystem)
    assert classifier.interval is None
    target = load_model_targets(project_folder).get("agb_grass")
    bands = target_bands(target, known=False, interval=classifier.interval)
    assert [band.name for band in bands] == ["agb_grass", "agb_grass_model_sd"]
    assert len(cover_bands(known=True, interval=None)) == 3


def test_page_and_tables_show_targets_and_simulated_models(finished):
    _, _, published = finished
    page = (published.out / "report.html").read_text(encoding="utf-8")
    assert "草地地上生物量总量" in page
    assert "模型以模拟数据训练" in page
    assert page.count("以模拟数据训练</span>") >= 6
    estimates = gpd.read_parquet(published.out / "estimates.parquet")
    grass = estimates.set_index("indicator").loc["agb_grass_map"]
    assert 0 <= grass["stock_outside_share"] <= 1
    record = json.loads((published.out / "run.json").read_text())
    further = record["further_models"]
    assert set(further) >= {"ecosystem", "agb_grass", "canopy_cover"}
    assert set(record["residual_records"]) == set(further) - {"ecosystem"}
    for target, told in record["residual_records"].items():
        pair = f"{further[target]['id']}+{further['ecosystem']['id']}"
        path = load_settings().project / "models" / "residuals" / f"{pair}.json"
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert told == {"id": pair, "digest": digest}
        assert pair in page


def test_a_second_run_computes_nothing(finished):
    request, folder, first = finished
    settings = load_settings(store=folder / "store")
    assert {e.state for e in foresee(request, settings)} == {"cached"}
    again = run_monitor(request, settings)
    assert again.made == 0
    assert [r.estimate for r in again.rows] == [r.estimate for r in first.rows]


def test_targets_are_computed_only_where_they_are_reported(config, tmp_path):
    plain = tmp_path / "plain.toml"
    plain.write_text(f'extends = "{config}"\n[indicators]\nreport = ["fvc_peak"]\n')
    settings = load_settings()
    assert load_target_models(load_run_config(plain), settings.project) is None
    every = load_target_models(load_run_config(config), settings.project)
    assert set(every.models) == {t.target for t in TARGET_INDICATORS.values()}


def test_a_model_named_for_one_run_is_mapped_and_reported(
    archive, config, coarse_config, tmp_path
):
    models = load_run_config(config).models
    named = tuple((t, models.of(t)) for t in ("ecosystem", "agb_grass"))
    request = asked(archive, coarse_config, tmp_path / "out", models=named)
    setup = set_up(request, load_settings(store=tmp_path / "store"))
    assert "agb_grass_map" in setup.config.indicators.report
    assert set(load_target_models(setup.config, load_settings().project).models) == {
        "agb_grass"
    }


def test_a_target_without_an_ecosystem_classifier_is_refused_in_a_line(
    archive, config, coarse_config, tmp_path
):
    named = (("agb_grass", load_run_config(config).models.agb_grass),)
    request = asked(archive, coarse_config, tmp_path / "out", models=named)
    with pytest.raises(ConfigError, match="and none for ecosystem"):
        run_monitor(request, load_settings(store=tmp_path / "store"))
    assert not (tmp_path / "out").exists()


def test_a_model_of_another_target_is_refused_by_name(
    archive, config, coarse_config, tmp_path
):
    models = load_run_config(config).models
    wrong = (("ecosystem", models.ecosystem), ("agb_grass", models.shrub_cover))
    request = asked(archive, coarse_config, tmp_path / "out", models=wrong)
    with pytest.raises(ModelError, match="gives shrub_cover in 1; expected agb_grass"):
        run_monitor(request, load_settings(store=tmp_path / "store"))


def test_an_unknown_target_is_refused_with_those_known(
    archive, coarse_config, tmp_path
):
    request = asked(
        archive, coarse_config, tmp_path / "out", models=(("agb", "agb-ffffffff"),)
    )
    with pytest.raises(BadInput, match="fvc, ecosystem, canopy_cover"):
        run_monitor(request, load_settings(store=tmp_path / "store"))


def test_every_shipped_model_is_small_and_says_what_it_learnt(config, project_folder):
    models = load_run_config(config).models.model_dump()
    for target, model_id in models.items():
        model = load_model(project_folder / "models", model_id)
        files = (project_folder / "models" / model_id).iterdir()
        assert sum(path.stat().st_size for path in files) < 2_000_000
        assert model.simulated == (target != "fvc")


def test_a_total_along_tracks_is_the_maps_where_every_pixel_is_a_footprint(finished):
    """Land of other ecosystems is zero on the map, and counts."""
    _, _, published = finished
    parts = []
    for path in sorted(published.out.glob("maps/2025-peak/ecosystem_x*.tif")):
        with rasterio.open(path) as file:
            rows, columns = np.nonzero(file.read(1))
            x, y = map(np.asarray, file.xy(rows, columns))
            crs = file.crs
        parts.append(
            gpd.GeoDataFrame({"t": y}, geometry=gpd.points_from_xy(x, y, crs=crs))
        )
    points = pd.concat(parts).to_crs("EPSG:4326")
    table = pd.DataFrame(
        {"lon": points.geometry.x, "lat": points.geometry.y, "track": points["t"]}
    ).astype(str)
    for indicator in ("agb_grass_map", "arbor_area_map"):
        asked = HybridRequest(published.out, (GRASSLAND,), indicator, "track")
        found = hybrid_estimates(asked, table, load_settings())
        row = found.estimates[0]
        total = rows_of(published)[indicator].estimate.value
        assert row.scale * row.map_mean == pytest.approx(total, rel=1e-9)
        assert row.mean.value == pytest.approx(row.map_mean, rel=0.05, abs=0.002)
        # Every pixel is a footprint: what is left is the error of the map's total.
        parts = row.mean.variance
        whole = row.scale * (parts.parameters + parts.residuals) ** 0.5
        known = rows_of(published)[indicator].estimate.se
        assert whole == pytest.approx(known, rel=1e-6)
        flags = rows_of(published)[indicator].estimate.flags
        assert row.flags == flags[: flags.index("model trained on simulated data")]
