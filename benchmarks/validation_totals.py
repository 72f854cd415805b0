"""Cases of totals, means and ratios."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.validation_case import Case, Figure, read, sizes, total
from qhsink.domain.variogram import Variogram
from qhsink.estimation.assisted import assisted_mean
from qhsink.estimation.model_based import cluster_mean
from qhsink.estimation.spatial import large_area_correlation
from qhsink.estimation.survey import stratified_sample, weighted_mean

API = sizes({"E": 4421, "H": 755, "M": 1018})
STRATIFIED = ("--method", "stratified", "--stratum", "stype", "--weight", "pw")


def stratified() -> Case:
    """R survey's stratified and simple random examples."""
    name = "rsurvey_stratified"
    sample, expected = read(name, "inputs.csv"), read(name)
    enroll = total(sample, "--y", "enroll", *STRATIFIED, "--fpc", strata=API)
    open_ended = total(sample, "--y", "enroll", *STRATIFIED, strata=API)
    score = total(sample, "--y", "api00", *STRATIFIED, "--fpc", strata=API)
    srs = total(
        read(name, "inputs_srs.csv"),
        *("--y", "enroll", "--method", "srs", "--population", 6194, "--fpc"),
    )

    def figure(what: str, key: str, kind: str, ours: float, part: Any = None) -> Figure:
        values = (part or expected)[key][kind]
        return Figure(what, next(iter(values.values())), ours)

    interval = expected["strat_confint_mean_api00_t"]
    return Case(
        "Stratified and simple random samples",
        "R 4.2.2, survey 4.1-1: svytotal, svymean, confint on apistrat and apisrs",
        (
            figure("total enroll", "strat_total_enroll", "est", enroll["total"]),
            figure("its se, fpc", "strat_total_enroll", "se", enroll["se_total"]),
            figure(
                "its se, no fpc",
                "strat_total_enroll_nofpc",
                "se",
                open_ended["se_total"],
            ),
            figure("mean api00", "strat_mean_api00", "est", score["mean"]),
            figure("its se", "strat_mean_api00", "se", score["se_mean"]),
            Figure("its t limit, low", interval[0], score["ci_mean"][0]),
            Figure("its t limit, high", interval[1], score["ci_mean"][1]),
            Figure("degrees of freedom", expected["strat_df"], score["df"]),
            figure(
                "total enroll, srs",
                "srs_total_enroll",
                "est",
                srs["total"],
                expected["srs"],
            ),
            figure(
                "its se", "srs_total_enroll", "se", srs["se_total"], expected["srs"]
            ),
        ),
    )


def ratios() -> Case:
    """R survey's ratio estimators."""
    name = "rsurvey_ratio"
    expected = read(name)
    means = f"api99\n{3914069 / 6194!r}\n"
    options = ("--y", "api00", "--method", "ratio", "--ratio-of", "api99", "--fpc")
    srs = total(
        read(name, "inputs.csv"), *options, "--population", 6194, aux_means=means
    )
    strata = read(name, "inputs_strat.csv")
    both = (*options, "--stratum", "stype", "--weight", "pw")
    combined = total(strata, *both, strata=API, aux_means=means)
    plain = total(strata, *both, strata=API)
    keys = (
        ("srs_ratio_total_api00", "total", srs),
        ("strat_ratio_total_api00", "total", combined),
        ("strat_ratio_api00_api99", "mean", plain),
    )
    figures = [
        figure
        for key, ours, row in keys
        for figure in (
            Figure(key, expected[key]["est"], row[ours]),
            Figure(f"{key}, se", expected[key]["se"], row[f"se_{ours}"]),
        )
    ]
    return Case(
        "Ratio estimators",
        "R 4.2.2, survey 4.1-1: svyratio, predict",
        tuple(figures),
    )


def regression() -> Case:
    """GREG with g-weighted residuals."""
    name = "rsurvey_greg"
    expected = read(name)
    n = 6194
    means = f"stypeH,stypeM,api99\n{755 / n!r},{1018 / n!r},{3914069 / n!r}\n"
    options = ("--method", "regression", "--population", n, "--aux", "stype,api99")
    srs, strat = read(name, "inputs.csv"), read(name, "inputs_strat.csv")
    api, enroll = ("--y", "api00", *options), ("--y", "enroll", *options)
    both = ("--stratum", "stype", "--weight", "pw")
    rows = {
        "srs_greg_total_api00": total(srs, *api, "--fpc", aux_means=means),
        "strat_greg_total_api00": total(
            strat, *api, *both, "--fpc", strata=API, aux_means=means
        ),
        "strat_greg_total_enroll": total(
            strat, *enroll, *both, "--fpc", strata=API, aux_means=means
        ),
        "strat_greg_total_api00_nofpc": total(
            strat, *api, *both, strata=API, aux_means=means
        ),
    }
    figures = []
    for key, row in rows.items():
        (est,), (se,) = expected[key]["est"].values(), expected[key]["se"].values()
        figures.append(Figure(key, est, row["total"]))
        figures.append(Figure(f"{key}, se", se, row["se_total"]))
    return Case(
        "Regression (GREG), g-weighted residuals",
        "R 4.2.2, survey 4.1-1: calibrate(calfun = 'linear')",
        tuple(figures),
    )


def idaho() -> Case:
    """Plain residuals, ratio, post-strata and Horvitz-Thompson as in mase."""
    name = "mase_idaho_greg"
    sample, expected = read(name, "inputs.csv"), read(name)["mase"]
    population = read(name, "inputs_pop.csv").iloc[0]
    units = float(population["npixels"])
    base = ("--y", "BA_TPA_ADJ", "--population", units)
    plain = (*base, "--fpc", "--residuals", "plain")
    both = f"tcc,elev\n{float(population['tcc'])!r},{float(population['elev'])!r}\n"
    one = f"tcc\n{float(population['tcc'])!r}\n"
    strata = sizes({str(k): float(population[f"tnt.{k}"]) * units for k in (1, 2)})
    weighted = sample.assign(w=units / 100)
    rows = {
        "greg_tcc_elev_LinHTSRS": total(
            sample,
            *("--method", "regression", "--aux", "tcc,elev", *plain),
            aux_means=both,
        ),
        "ratio_tcc_LinHTSRS": total(
            sample, "--method", "ratio", "--aux", "tcc", *plain, aux_means=one
        ),
        "postStrat_tnt_LinHTSRS": total(
            sample,
            *("--method", "poststratified", "--stratum", "tnt", *plain),
            strata=strata,
        ),
        "horvitzThompson_LinHH": total(
            weighted, "--method", "ht", "--weight", "w", *base
        ),
        "horvitzThompson_LinHB": total(
            weighted, "--method", "ht", "--weight", "w", *base, "--fpc"
        ),
    }
    figures = []
    for key, row in rows.items():
        figures.append(Figure(key, expected[key]["pop_total"], row["total"]))
        variance = float(np.ravel(expected[key]["pop_total_var"])[0])
        figures.append(Figure(f"{key}, variance", variance, row["se_total"] ** 2))
    return Case(
        "Map-assisted basal area, plain residuals",
        "mase 0.1.5.2 on FIA plots of county 16055, Idaho",
        tuple(figures),
        "The same GREG with g-weighted residuals has a standard error of 6.370 per "
        "pixel against 6.080: a sample whose weights must move far says so only there.",
    )


def clusters_and_phases() -> Case:
    """Figures of R survey that are typed here, with the calls."""
    nested = pd.DataFrame(
        {
            "h": [1, 1, 1, 1, 1, 2, 2, 2],
            "psu": [1, 2, 3, 4, 5, 1, 2, 3],
            "w": [3, 3, 3, 3, 3, 4, 4, 4],
            "x": [
                *(2.79999995231628, 4.09999990463257, 6.80000019073486),
                *(6.80000019073486, 9.19999980926514),
                *(3.70000004768372, 6.59999990463257, 4.19999980926514),
            ],
        }
    )
    options = ("--y", "x", "--method", "cluster", "--cluster", "psu", "--stratum", "h")
    frame = sizes({"1": 15, "2": 12})
    found = total(nested, *options, "--weight", "w", "--fpc", strata=frame)
    srs = read("rsurvey_stratified", "inputs_srs.csv")
    step = srs["stype"].map({"E": 5, "H": 2, "M": 2})
    kept = srs.groupby("stype").cumcount() % step == 0
    phases = total(
        srs.assign(enroll=srs["enroll"].where(kept).astype("Int64")),
        *("--y", "enroll", "--method", "two-phase", "--stratum", "stype"),
        *("--population", 6194, "--fpc"),
    )
    unequal = total(
        read("rsurvey_stratified", "inputs.csv"),
        *("--y", "enroll", "--method", "poststratified", "--stratum", "awards"),
        *("--weight", "pw"),
        strata=sizes({"No": 2027, "Yes": 4167}),
    )
    return Case(
        "Clusters, two phases, post-strata with unequal weights",
        "R 4.2.2, survey 4.1-1: svydesign(nest = TRUE) on fpc; twophase(method = "
        "'full') on apisrs with every 5th E, 2nd H and 2nd M; postStratify on apistrat",
        (
            Figure("clusters: total x", 147.099999189377, found["total"]),
            Figure("clusters: its se", 16.6330994348606, found["se_total"]),
            Figure("clusters: se of the mean", 0.616040719809653, found["se_mean"]),
            Figure("two-phase: total enroll", 3404042.29657201, phases["total"]),
            Figure("two-phase: its se", 224854.919686474, phases["se_total"]),
            Figure("two-phase: se of the mean", 36.3020535496406, phases["se_mean"]),
            Figure("post-strata: total enroll", 3643807.86894941, unequal["total"]),
            Figure("post-strata: its se", 157832.607543745, unequal["se_total"]),
        ),
    )


def methodology() -> Case:
    """Fixtures of the methodology reference."""
    y = np.array([120.0, 80, 0, 60, 45, 150])
    prediction = np.array([100.0, 90, 10, 55, 50, 130])
    design = stratified_sample(6, sizes=[600], fpc=True)
    found = assisted_mean(design, y, prediction, map_mean=72)
    cover = weighted_mean((70.2, 45.0, 31.5), (1.5, 2.0, 1.8), (1.2, 2.5, 3.8))
    tracks = cluster_mean([180, 50, 340], [3, 2, 4])
    near = Variogram(0.0, 1.0, 2000.0, "exponential", 0)
    ball = Variogram(0.0, 1.0, 6000.0, "spherical", 0)
    return Case(
        "Fixtures of the methodology",
        "Methodology A2, D3, D4, D5, each re-computed there from its formula",
        (
            Figure("A2: grassland cover [%]", 42.192, cover.value, 0.0005),
            Figure("A2: its se", 1.1549, cover.se, 0.00005),
            Figure("D3: assisted mean", 75.3333, found.mean, 0.00005),
            Figure("D3: its se", 5.6965, found.se, 0.00005),
            Figure("D3: se of the sample alone", 21.8148, found.direct_se, 0.00005),
            Figure(
                "D3: relative efficiency",
                14.665,
                found.relative_efficiency or 0.0,
                0.0005,
            ),
            Figure("D4: mean over tracks", 63.333, tracks.value, 0.0005),
            Figure("D4: sampling variance", 249.794, tracks.variance, 0.0005),
            Figure(
                "D5: effective residuals, exponential",
                398,
                1 / large_area_correlation(1e10, near),
                0.5,
            ),
            Figure(
                "D5: effective residuals, spherical",
                442,
                1 / large_area_correlation(1e10, ball),
                0.5,
            ),
        ),
    )


def petition() -> Case:
    """Cochran 1977, table 2.1: signatures on 50 of 676 sheets."""
    signatures = (42, 41, 36, 32, 29, 27, 23, 19, 16, 15, 14, 11, 10, 9, 7, 6, 5, 4, 3)
    sheets = (23, 4, 1, 1, 1, 2, 1, 1, 2, 2, 1, 1, 1, 1, 1, 3, 2, 1, 1)
    y = np.repeat(signatures, sheets)
    ours = total(
        pd.DataFrame({"y": y.astype(str)}),
        *("--y", "y", "--method", "srs", "--population", 676, "--fpc"),
    )
    variance = ours["se_mean"] ** 2 * 50 / (1.0 - 50 / 676)
    return Case(
        "Simple random sample of sheets",
        "Cochran 1977, Sampling Techniques, 3rd ed., table 2.1, sections 2.6 and 2.8",
        (
            Figure("total of signatures", 19_888, ours["total"], 0.5),
            Figure("s squared", 229.0, variance, 0.05),
        ),
        "The printed 80 % limits, 18,107 and 21,669, take the quantile as 1.28.",
    )


BUILDERS = (
    petition,
    stratified,
    clusters_and_phases,
    ratios,
    regression,
    idaho,
    methodology,
)
