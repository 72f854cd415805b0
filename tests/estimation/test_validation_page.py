"""docs/validation.md is what the code gives today, and every figure agrees."""

from __future__ import annotations

from benchmarks import validation
from benchmarks.validation_case import Case, Figure


def test_the_page_in_the_project_is_the_one_the_code_makes(shared_dir):
    cases = [build() for build in validation.BUILDERS]
    assert validation.PAGE.read_text(encoding="utf-8") == validation.page(cases)
    wrong = [f for case in cases for f in case.figures if not f.agrees]
    assert wrong == []
    assert sum(len(case.figures) for case in cases) > 100


def test_a_figure_beyond_its_tolerance_is_marked():
    printed = Figure("a", 0.63, 0.6349, 0.005)
    assert printed.agrees
    assert not Figure("a", 0.63, 0.6351, 0.005).agrees
    assert Figure("b", 1e6, 1e6 + 0.09).agrees
    late = Figure("b", 1e6, 1e6 + 0.2)
    assert not late.agrees
    assert "beyond tolerance" in validation.page([Case("t", "s", (late,))])
