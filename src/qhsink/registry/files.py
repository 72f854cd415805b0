"""The files of a model, read without trust: no pickle, sizes and types bounded.

Written so that the same arrays give the same bytes. What the arrays mean is
``qhsink.registry.folders``' business.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhsink.domain.errors import ModelError

AREA = "applicability.npz"
"""Optional: the training side of the dissimilarity index, in double precision."""
MAX_BYTES = 2_000_000
"""Greatest size of a file of a model, and of its arrays unpacked."""
UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError),
    *(MemoryError, NotImplementedError, RuntimeError, SyntaxError),
)
"""What numpy and zipfile raise on bytes that are no weights."""


def digest_of(
    arrays: Mapping[str, NDArray[Any]],
    area: Mapping[str, NDArray[Any]],
    science: Mapping[str, Any],
) -> str:
    """Return the digest; one of a model without an area is that of its other parts."""
    digest = hashlib.sha256()
    for part, prefix in ((arrays, ""), (area, f"{AREA}/")):
        for name in sorted(part):
            values = _little_endian(part[name])
            digest.update(f"{prefix}{name} {values.shape}\n".encode())
            digest.update(values.tobytes())
    text = json.dumps(
        science, sort_keys=True, ensure_ascii=False, separators=(",", ":")
    )
    digest.update(text.encode())
    return digest.hexdigest()


def _little_endian(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<"))


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the arrays as ``.npz``, byte for byte the same for the same arrays."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            part = io.BytesIO()
            values = _little_endian(arrays[name])
            np.lib.format.write_array(part, values, allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, part.getvalue())
    return out.getvalue()


def read_arrays(
    folder: Path, name: str, dtype: type[np.floating[Any]] = np.float32
) -> dict[str, NDArray[Any]]:
    """Return the arrays, sizes and types checked before any is unpacked.

    Raises
    ------
    ModelError
        When the file is damaged, too large, or not finite numbers of ``dtype``.
    """
    content = io.BytesIO(read_bounded(folder / name))
    try:
        with zipfile.ZipFile(content) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
            if unpacked > MAX_BYTES:
                raise damaged(folder.name, f"{name} unpacks to {unpacked} bytes")
        with np.load(content, allow_pickle=False) as arrays:
            found = {key: arrays[key] for key in arrays.files}
    except UNREADABLE as error:
        raise damaged(folder.name, f"{name}: {error}") from error
    for key, values in found.items():
        if values.dtype != dtype or not np.isfinite(values).all():
            kind = np.dtype(dtype).name
            raise damaged(folder.name, f"{name}: {key} is not finite {kind}")
    return found


def read_bounded(path: Path) -> bytes:
    """Return the bytes of a model's file, its size checked first.

    Raises
    ------
    ModelError
        When the file cannot be read or is too large.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise damaged(path.parent.name, f"{path.name} of {size} bytes")
        return path.read_bytes()
    except OSError as error:
        reason = f"{path.name}: {error.strerror}"
        raise damaged(path.parent.name, reason) from error


def damaged(model_id: str, reason: str) -> ModelError:
    """Return the error that names the model."""
    return ModelError(
        f"model {model_id} is damaged or foreign ({reason})",
        expected="the files that its digest was taken of",
        remedy="Restore the folder from version control, or train it again with "
        "`qhsink train fvc`.",
    )
