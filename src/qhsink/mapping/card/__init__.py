"""A model's card: what it learnt from, how it was judged, what it is not for.

Folders and digests are ``qhsink.registry``'s business.
"""

from qhsink.mapping.card.describe import (
    CONFIDENCE,
    TOLERANCE,
    describe_training,
    interval_rule,
    measured_cost,
)
from qhsink.mapping.card.figures import draw_validation
from qhsink.mapping.card.text import render_card

__all__ = [
    "CONFIDENCE",
    "TOLERANCE",
    "describe_training",
    "draw_validation",
    "interval_rule",
    "measured_cost",
    "render_card",
]
