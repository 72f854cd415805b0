"""Cases of areas, accuracies and sample sizes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.validation_case import Case, Figure, ask, read, sizes, total
from qhsink.estimation.design import (
    binomial_spread,
    size_for_half_width,
    size_for_standard_error,
)

ACCURACY = {
    "UA": "users_accuracy",
    "SEua": "se_users",
    "PA": "producers_accuracy",
    "SEpa": "se_producers",
    "area": "proportion",
    "SEa": "se_proportion",
}


def software_rows(found: Any, expected: Any) -> Iterable[Figure]:
    """Yield every accuracy and share of an area case."""
    for key, ours in ACCURACY.items():
        for name, value in expected[key].items():
            yield Figure(f"{key}, {name}", value, found["classes"][name][ours])
    yield Figure("OA", expected["OA"], found["overall_accuracy"])
    yield Figure("SEoa", expected["SEoa"], found["se_overall_accuracy"])


def olofsson() -> Case:
    """Olofsson et al. (2014), Table 8."""
    name = "olofsson2014_table8"
    inputs, expected = read(name, "inputs.json"), read(name)
    found = ask("area", read(name, "inputs.csv"), strata=sizes(inputs["Nh"], area=0.09))
    figures = []
    for label, (area, half) in expected["published"]["area_ha"].items():
        row = found["classes"][label]
        width = (row["ci_ha"][1] - row["ci_ha"][0]) / 2
        figures += [
            Figure(f"area, {label} [ha]", area, row["area_ha"], 0.5),
            Figure(f"95 % half-width, {label} [ha]", half, width, 0.5),
        ]
    figures += software_rows(found, expected["software_mapaccuracy"])
    return Case(
        "Area and accuracy, strata are the map classes",
        "Olofsson et al. 2014 Table 8 and p. 54 (areas); mapaccuracy 0.1.2 (the rest)",
        tuple(figures),
        "The half-widths use the paper's rounded 1.96.",
    )


def stehman() -> Case:
    """Stehman (2014), the worked example."""
    name = "stehman2014_example"
    inputs, expected = read(name, "inputs.json"), read(name)
    found = ask("area", read(name, "inputs.csv"), "--fpc", strata=sizes(inputs["Nh"]))
    printed, classes = expected["published"], found["classes"]
    pairs = {
        "area_A": classes["A"]["proportion"],
        "area_C": classes["C"]["proportion"],
        "OA": found["overall_accuracy"],
        "UA_B": classes["B"]["users_accuracy"],
        "PA_B": classes["B"]["producers_accuracy"],
        "P_BC": found["matrix"]["B"]["C"],
        "SE_area_A": classes["A"]["se_proportion"],
        "SE_area_C": classes["C"]["se_proportion"],
        "SE_OA": found["se_overall_accuracy"],
        "SE_UA_B": classes["B"]["se_users"],
        "SE_PA_B": classes["B"]["se_producers"],
    }
    figures = [Figure(key, printed[key], ours, 0.0005) for key, ours in pairs.items()]
    figures += software_rows(found, expected["software_R_survey"])
    return Case(
        "Area and accuracy, strata are not the map classes",
        "Stehman 2014 p. 4932-4936 (first eleven); R survey 4.1-1 (the rest)",
        tuple(figures),
    )


def negative_control() -> Case:
    """Post-strata whose standard error was published wrong."""
    name = "acatama_poststrat_negative_control"
    inputs, expected = read(name, "inputs.json"), read(name)
    names, figures, wrong = inputs["classes"], [], []
    units = dict(zip(names, np.array(inputs["map_area_ha"]) / 0.09, strict=True))
    for kind in ("simple", "systematic"):
        counts = np.array(inputs[kind]["counts_map_by_ref"])
        rows = [
            (names[i], names[j])
            for i in range(3)
            for j in range(3)
            for _ in range(counts[i, j])
        ]
        sample = pd.DataFrame(rows, columns=["map", "reference"])
        for index, label in enumerate(names):
            row = total(
                sample.assign(y=(sample["reference"] == label).astype(int)),
                *("--y", "y", "--method", "poststratified", "--stratum", "map"),
                *("--population", inputs["N_pixels"], "--fpc"),
                strata=sizes(units),
            )
            right = expected["se_ha_R_survey_postStratify"][kind][label]
            ours = row["se_total"] * 0.09
            figures.append(Figure(f"se of area, {kind}, {label} [ha]", right, ours))
            printed = expected["se_ha_DO_NOT_MATCH_acatama_printed"][kind][index]
            wrong.append(f"{printed:.0f}")
    return Case(
        "Post-stratified area: a negative control",
        "R 4.2.2, survey 4.1-1: postStratify",
        tuple(figures),
        f"AcATaMa (23a4ba5) prints {', '.join(wrong)} ha: it leaves out the units that "
        "are not of the class. Those figures must not come out, and do not.",
    )


def sizes_of_samples() -> Case:
    """Sample sizes."""
    name = "sample_size_stratified"
    inputs, expected = read(name, "inputs.json"), read(name)
    paper = inputs["olofsson2014"]
    found = size_for_standard_error(
        paper["W"], binomial_spread(paper["U"]), paper["target_SE_OA"]
    )
    sepal = inputs["sepal_sbae_methodology"]
    other = size_for_standard_error(
        sepal["map_area"], binomial_spread(sepal["U"]), sepal["target_SE_OA"]
    )
    two = inputs["sepal_2class"]
    pair = size_for_standard_error(
        two["map_area"], binomial_spread(two["U"]), two["target_SE_OA"]
    )
    cdm = size_for_half_width((0.5, 0.3, 0.2), (20, 30, 10), 5, population=5000)
    unrounded = expected["olofsson2014"]["n_unrounded"]
    return Case(
        "Sample sizes",
        "Olofsson et al. 2014 p. 52; SEPAL sbae-design tests; CDM formula (D9)",
        (
            Figure("n, Olofsson Table 5, unrounded", unrounded, found),
            Figure("n, Olofsson Table 5", 641, float(np.ceil(found))),
            Figure(
                "n, SEPAL", expected["sepal_sbae_methodology"]["n"], other, digits=2.0
            ),
            Figure(
                "n, SEPAL, two classes",
                expected["sepal_2class"]["n_unrounded"],
                pair,
                digits=1.0,
            ),
            Figure("n, methodology D9", 48, float(np.ceil(cdm))),
        ),
        "SEPAL's figures are compared within the tolerance of its own tests.",
    )


BUILDERS = (olofsson, stehman, negative_control, sizes_of_samples)
