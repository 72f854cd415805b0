"""``models/``: regressors on disk, and the tables that they are trained on."""

from qhsink.registry.files import MAX_BYTES
from qhsink.registry.folders import (
    MODEL_ID,
    Model,
    check_model,
    list_models,
    load_model,
    save_model,
)
from qhsink.registry.tables import read_labels, read_table, table_digest

__all__ = [
    "MAX_BYTES",
    "MODEL_ID",
    "Model",
    "check_model",
    "list_models",
    "load_model",
    "read_labels",
    "read_table",
    "save_model",
    "table_digest",
]
