"""Measurement, reporting and verification of ecological carbon sinks in Qinghai."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

__version__ = "0.1.0"


def _keep_compiled_code_fresh() -> None:
    """Give compiled code a folder named after the sources it came from.

    numba notices an edit of a compiled function but not of one that it calls in
    another module, and would go on using the old machine code while content keys
    already name the new source. So all sources that compile share one digest. An
    environment that names ``NUMBA_CACHE_DIR`` is left as it is; so is a folder that
    cannot be written, where numba finds a place of its own.
    """
    here = Path(__file__).parent
    if "NUMBA_CACHE_DIR" in os.environ or not os.access(here, os.W_OK):
        return
    digest = hashlib.sha256()
    for path in sorted(here.rglob("*.py")):
        text = path.read_bytes()
        if b"numba" in text:
            digest.update(text)
    folder = here / "__pycache__" / f"compiled-{digest.hexdigest()[:12]}"
    os.environ["NUMBA_CACHE_DIR"] = str(folder)


_keep_compiled_code_fresh()
