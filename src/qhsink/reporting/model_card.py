"""A model's card -> one self-contained bilingual HTML page with pictures.

The words are those of ``card.md``, set in HTML, so that the two never differ. The
page loads nothing and runs nothing; what the card says is decided in ``mapping``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup

from qhsink.mapping.card.promises import broken_promises
from qhsink.mapping.training import ENSEMBLE
from qhsink.reporting.figures import data_uri
from qhsink.reporting.templating import page_environment, page_style
from qhsink.reporting.translations import domain_in_chinese
from qhsink.reporting.wording import Words

CAPTIONS: Mapping[str, tuple[Words, Words]] = {
    "observed": (
        Words("实测与预测", "Observed against predicted"),
        Words(
            "横轴为交叉验证预测值：预测某一样地时，该样地所在的组未参与训练。"
            "斜线为 1:1。",
            "Out-of-fold predictions: the model had not seen the group of the plot. "
            "The line is 1:1.",
        ),
    ),
    "residual_map": (
        Words("残差分布图", "Map of residuals"),
        Words(
            "实测减预测。相邻样地同为蓝色或同为红色，说明该处存在系统偏差。",
            "Observed minus predicted. Neighbours of one colour mean a bias there.",
        ),
    ),
    "variogram": (
        Words("残差半变异函数", "Variogram of the residuals"),
        Words(
            "虚线为残差方差。近距离处的点明显低于虚线，说明残差空间相关，"
            "随机划分的检验会高估精度。",
            "The dashed line is the variance of the residuals. Points well below it "
            "at short distances mean that residuals are alike nearby, and that a "
            "random split would flatter the model.",
        ),
    ),
    "importance": (
        Words("特征重要性（置换法）", "Permutation importance"),
        Words(
            "随机打乱某一特征后均方根误差的增量（在训练数据上计算）。",
            "By how much the RMSE grows when a feature is shuffled, on the training "
            "data.",
        ),
    ),
    "applicability": (
        Words("适用域：相异度分布", "Applicability: dissimilarity of the samples"),
        Words(
            "各训练样本与其他折中最近样本的相异度；像元相异度超过红线即位于模型适用域之外。",
            "Of each sample to the nearest of other folds. A pixel beyond the red "
            "line lies outside the area of applicability.",
        ),
    ),
    "curve": (
        Words("学习曲线", "Learning curve"),
        Words(
            "仅用部分样本训练时的交叉验证误差。曲线右端仍在下降，说明增加样地可进一步提高精度。",
            "Out-of-fold error when fewer samples are learnt from. A curve that still "
            "falls at its right end says that more plots would help.",
        ),
    ),
}
"""Title and caption of each picture, in reading order."""


@dataclass(frozen=True, slots=True)
class TargetWords:
    """How a page names a model's target."""

    name: Words
    """Name of the target."""
    unit: str
    """Its unit; ``1`` for a proportion."""


def render_model_page(
    card: Mapping[str, Any],
    text: str,
    pictures: Mapping[str, bytes],
    target: TargetWords,
) -> str:
    """Return the HTML page of a card.

    Parameters
    ----------
    card : mapping
        The full card, as in ``card.json``.
    text : str
        The card in Markdown; pictures in it are left out.
    pictures : mapping of str to bytes
        PNG by name, of ``CAPTIONS``.
    target : TargetWords
        Name and unit of what is predicted.
    """
    environment = page_environment()
    science = card["science"]
    page: str = environment.get_template("model.html.j2").render(
        card=card,
        science=science,
        scores=science["validation"]["runs"]["models"][ENSEMBLE],
        simulated=science.get("provenance") == "simulated",
        domain_zh=domain_in_chinese(science.get("domain", "")),
        broken=broken_promises(science, card["run"]["cpu_ms_per_mpx"]),
        target=target,
        unit="" if target.unit == "1" else target.unit,
        body=Markup(_as_html(text)),  # noqa: S704 - markup in the text is escaped
        style=page_style(),
        figures=[
            (*CAPTIONS[name], Markup(data_uri(pictures[name])))  # noqa: S704 - base64
            for name in CAPTIONS
            if name in pictures
        ],
    )
    return page


def _as_html(text: str) -> str:
    """Return Markdown as HTML without links, pictures, foreign markup or the title."""
    rules = MarkdownIt("commonmark", {"html": False, "xhtmlOut": True})
    rules.enable("table").disable(["link", "autolink", "html_inline", "html_block"])
    rules.add_render_rule("image", lambda *_: "")
    body = text.partition("\n")[2] if text.startswith("# ") else text
    set_text: str = rules.render(body)
    wide = set_text.replace("<table>", '<div class="scroll"><table class="small">')
    return wide.replace("</table>", "</table></div>").replace("<p></p>\n", "")
