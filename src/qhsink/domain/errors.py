"""The one error tree: what was found, what was expected, what to do.

Nothing but exceptions belongs here. A ``BadInput`` is the caller's to mend and
ends a command with status 2; a ``Refusal`` withholds one number for one region
and lets the others go on (status 3); a ``StoreFault`` is the disk's.
"""

from __future__ import annotations


class QhsinkError(Exception):
    """Base of every error that qhsink raises on purpose.

    Parameters
    ----------
    found : str
        What was found, naming the thing (file, item, key, region).
    expected : str
        What would have been right.
    remedy : str
        What the reader can do now.
    """

    def __init__(self, found: str, *, expected: str, remedy: str) -> None:
        found = " ".join(found.split())  # what a library says may have many lines
        self.found = found
        self.expected = expected
        self.remedy = remedy
        super().__init__(f"{found}; expected {expected}. {remedy}")

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the three parts, so that errors cross process borders."""
        return (_rebuild, (type(self), self.found, self.expected, self.remedy))


def _rebuild(
    kind: type[QhsinkError], found: str, expected: str, remedy: str
) -> QhsinkError:
    return kind(found, expected=expected, remedy=remedy)


class BadInput(QhsinkError):  # noqa: N818 - reads as what it is: input to mend
    """The caller's input cannot be used; nothing was written."""


class ConfigError(BadInput):
    """A configuration file or key is wrong."""


class RegionError(BadInput):
    """A region is unknown, or its geometry or datum cannot be used."""


class GridError(BadInput):
    """A grid or CRS cannot carry true areas."""


class SourceError(BadInput):
    """A catalogue, a scene's metadata or its pixels cannot be used."""


class ModelError(BadInput):
    """A model folder is missing, tampered with, or does not fit the features."""


class TableError(BadInput):
    """A table (sample, strata, plots, factors) breaks its schema."""


class Refusal(QhsinkError):  # noqa: N818 - a refusal is a result, not a failure
    """A number is withheld for one region or indicator, with its reason."""


class StoreFault(QhsinkError):  # noqa: N818 - the disk's fault, not the caller's
    """The artifact store could not keep or return an artifact."""
