"""The trial of the intervals as a page and as a Markdown table.

Numbers come in counted; nothing is estimated here. The Markdown is ``coverage_text``'s.
"""

from __future__ import annotations

from pathlib import Path

import jinja2
import pandas as pd

from qhsink.reporting.coverage_chinese import bilingual_notes, bilingual_remarks
from qhsink.reporting.coverage_names import MODES_ZH
from qhsink.reporting.coverage_text import coverage_markdown, indicator_tables
from qhsink.reporting.coverage_trial import Trial
from qhsink.reporting.coverage_verdicts import lie_lines, verdict_lines
from qhsink.reporting.coverage_words import (
    CLASS_READINGS,
    LIE_MODES,
    LIES,
    NAMES,
    READINGS,
)


def write_coverage_page(
    summary: pd.DataFrame,
    classes: pd.DataFrame,
    verdicts: pd.DataFrame,
    lies: pd.DataFrame,
    trial: Trial,
    folder: Path,
) -> None:
    """Write ``coverage.html`` and ``coverage.md`` into ``folder``.

    Parameters
    ----------
    summary, classes, verdicts, lies : DataFrame
        From ``twin.scoring``; all but ``summary`` may be empty.
    """
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("qhsink.reporting", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    told = ((name, verdict_lines(verdicts, name)) for name in NAMES)
    said = {name: sizes for name, sizes in told if sizes}
    modes = {*summary["mode"], *classes.get("mode", ())}
    text = templates.get_template("coverage.html.j2").render(
        trial=trial,
        tables=list(indicator_tables(summary, trial)),
        verdicts=said,
        distances=sorted({abs(d) for d in verdicts.get("distance", ())}),
        names=NAMES,
        readings=READINGS,
        class_readings=CLASS_READINGS,
        modes_zh=MODES_ZH,
        remarks=bilingual_remarks(modes),
        classes=classes.to_dict("records"),
        notes=bilingual_notes(),
        lies=lie_lines(lies),
        lie_names=LIES,
        lie_modes=LIE_MODES,
    )
    (folder / "coverage.html").write_text(text, encoding="utf-8")
    markdown = coverage_markdown(summary, classes, verdicts, lies, trial)
    (folder / "coverage.md").write_text(markdown, encoding="utf-8")
