"""Multihash checksums of catalogues, as the STAC file extension writes them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

KINDS = {
    "d50110": "md5",
    "1114": "sha1",
    "1220": "sha256",
    "1340": "sha512",
    "1440": "sha3_512",
    "1620": "sha3_256",
}
"""Prefix (code and length, hexadecimal) to the hash; multicodec table of multiformats.

Earth Search and the demonstration archive use SHA-256, CDSE SHA3-256.
"""


def agrees(checksum: str, parts: Iterable[bytes]) -> bool | None:
    """Whether ``parts``, put together, have this checksum.

    Returns
    -------
    bool or None
        None when the multihash is of a kind not known here: nothing was checked.
    """
    found = [(p, kind) for p, kind in KINDS.items() if checksum.lower().startswith(p)]
    if not found:
        return None
    prefix, kind = found[0]
    digest = hashlib.new(kind, usedforsecurity=False)
    for part in parts:
        digest.update(part)
    return digest.hexdigest() == checksum.lower().removeprefix(prefix)


def file_agrees(path: Path, checksum: str) -> bool | None:
    """Whether a file on disk has this checksum; read once per version and process."""
    stat = path.stat()
    return _file_agrees(path, checksum, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=65536)
def _file_agrees(path: Path, checksum: str, size: int, mtime: int) -> bool | None:
    del size, mtime  # part of the cache's key: a changed file is read again
    with path.open("rb") as file:
        return agrees(checksum, iter(lambda: file.read(1 << 20), b""))
