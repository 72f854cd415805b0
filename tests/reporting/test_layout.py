"""Nested provenance is laid out by its shape."""

from __future__ import annotations

import math

import pytest

from qhsink.reporting.layout import card_scores, form_of, scalar_text


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ({"a": 1}, "table"),
        ({}, "scalar"),
        ({"zh": "甲", "en": "a"}, "texts"),
        ({"m": {"r2": 0.8, "n": 1}, "k": {"r2": 0.7, "n": 2}}, "matrix"),
        ({"m": {"r2": 0.8}, "k": {"rmse": 0.7}}, "table"),
        ([{"a": 1}, {"a": 2}], "rows"),
        ([{"a": 1}, {"b": 2}], "list"),
        ([{"a": [1, 2]}], "list"),
        ([1, 2], "inline"),
        ([[1], [2]], "list"),
        ([], "scalar"),
        ("text", "scalar"),
    ],
    ids=str,
)
def test_a_value_is_laid_out_by_its_shape(value, form):
    assert form_of(value) == form


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "—"),
        (math.nan, "—"),
        (math.inf, "—"),
        ({}, "—"),
        (0, "0"),
        (False, "否 no"),
        (0.123456789, "0.123457"),
        (20250815, "20250815"),
    ],
    ids=str,
)
def test_a_scalar_reads_well(value, text):
    assert scalar_text(value) == text


def test_the_scores_of_a_card_are_those_of_its_own_model():
    models = {"ensemble": {"r2": 0.8, "rmse": 0.1}, "random forest": {"r2": 0.7}}
    card = {"id": "a", "science": {"validation": {"runs": {"models": models}}}}
    assert card_scores(card) == {"r2": 0.8, "rmse": 0.1}
    assert card_scores({"science": {"accuracy": 0.9}}) == {"accuracy": 0.9}
    assert card_scores({"id": "a"}) == {}
