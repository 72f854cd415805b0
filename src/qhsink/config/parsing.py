"""TOML to frozen nouns; a wrong key is named, with the nearest known one.

Knows no table of its own: which keys there are is said by the classes.
"""

from __future__ import annotations

import copy
import dataclasses
import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Protocol,
    TypeVar,
    get_args,
    get_type_hints,
)

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from qhsink.domain.errors import BadInput, ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Share = Annotated[float, Field(ge=0.0, le=1.0)]
_Model = TypeVar("_Model", bound=BaseModel)


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


_Noun = TypeVar("_Noun", bound="DataclassInstance")
_Named = TypeVar("_Named", bound=_HasId)


class Section(BaseModel):
    """A frozen table that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_toml(path: Path) -> dict[str, Any]:
    """Return the parsed file, with ``extends = "other.toml"`` merged beneath it.

    Raises
    ------
    ConfigError
        When the file is absent, cannot be read, is not TOML, or extends itself.
    """
    return _read_chain(path, ())


def _read_chain(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """Return a file that those ``above`` extend, each the next, merged with its own."""
    here = (*above, path.resolve())
    if here[-1] in above:
        raise ConfigError(
            f"{path.name} extends itself: {' -> '.join(p.name for p in here)}",
            expected="files that extend each other in one direction",
            remedy="Remove one `extends`.",
        )
    table = _parsed(path)
    parent = table.pop("extends", None)
    if parent is None:
        return table
    if not isinstance(parent, str):
        raise ConfigError(
            f"{path.name}: extends = {parent!r}",
            expected="the name of another file",
            remedy='Write it as extends = "monitor.toml".',
        )
    return _merge(_read_chain(path.parent / parent, here), table)


@lru_cache(maxsize=64)
def _loads(text: str) -> dict[str, Any]:
    """Return the parsed text: a trial reads the same tables hundreds of times."""
    return tomllib.loads(text)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return copy.deepcopy(_loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ConfigError(
            f"no file {path}",
            expected="a TOML configuration",
            remedy="Name an existing file with --config.",
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror})",
            expected="a TOML configuration",
            remedy="Name a readable file with --config.",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path.name}: byte {error.start} is not UTF-8",
            expected="valid TOML, which is UTF-8",
            remedy="Save the file as UTF-8.",
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{path.name}: {error}",
            expected="valid TOML",
            remedy="Correct the line named.",
        ) from error


def parse_section(
    kind: type[_Model], table: Mapping[str, Any], *, where: str
) -> _Model:
    """Return ``table`` as ``kind``; ConfigError names the first wrong key."""
    try:
        return kind.model_validate(table)
    except pydantic.ValidationError as error:
        known = tuple(_field_names(kind))
        raise _config_error(error, where=where, known=known) from error


def parse_nouns(
    kind: type[_Noun], table: Mapping[str, Any], key: str, *, where: str
) -> tuple[_Noun, ...]:
    """Return the entries of ``[[key]]`` in ``table`` as nouns, in file order."""
    return tuple(
        parse_noun(
            kind, entry, where=f"{where} [[{key}]] {entry.get('id', f'no. {number}')}"
        )
        for number, entry in enumerate(table.get(key, []), start=1)
    )


def parse_noun(kind: type[_Noun], entry: Mapping[str, Any], *, where: str) -> _Noun:
    """Return one entry as a noun; ConfigError names the first wrong key."""
    _reject_unknown_keys(kind, entry, where=where)
    known = tuple(field.name for field in dataclasses.fields(kind))
    try:
        noun: _Noun = _adapter(kind).validate_python(dict(entry))
    except pydantic.ValidationError as error:
        raise _config_error(error, where=where, known=known) from error
    except BadInput as error:
        raise ConfigError(
            f"{where}: {error.found}", expected=error.expected, remedy=error.remedy
        ) from error
    return noun


@cache
def _adapter(kind: type) -> pydantic.TypeAdapter[Any]:
    """Return the validator of a class: building one takes 7 ms."""
    return pydantic.TypeAdapter(kind)


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Return the fields of a class and their types: 1 ms to find out."""
    return get_type_hints(kind)


def _reject_unknown_keys(kind: type, entry: Mapping[str, Any], *, where: str) -> None:
    hints = _hints(kind)
    for key, value in entry.items():
        if key not in hints:
            near = difflib.get_close_matches(key, hints, n=1)
            raise ConfigError(
                f"{where}: unknown key {key!r}",
                expected="a known key",
                remedy=f"Did you mean {near[0]!r}?" if near else "Remove it.",
            )
        inner = [
            part
            for part in get_args(hints[key])
            if isinstance(part, type) and dataclasses.is_dataclass(part)
        ]
        for row in value if inner and isinstance(value, list) else ():
            _reject_unknown_keys(inner[0], row, where=f"{where}, {key}")


def by_id(nouns: Iterable[_Named], *, where: str) -> dict[str, _Named]:
    """Return nouns by id; ConfigError when an id stands twice."""
    table: dict[str, _Named] = {}
    for noun in nouns:
        if noun.id in table:
            raise ConfigError(
                f"{where}: id {noun.id!r} twice",
                expected="every id once",
                remedy="Rename or remove one of the two.",
            )
        table[noun.id] = noun
    return table


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _field_names(kind: type[BaseModel]) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        yield name
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _field_names(inner)


def _config_error(
    error: pydantic.ValidationError, *, where: str, known: tuple[str, ...]
) -> ConfigError:
    # A misspelt key is also a missing one: the word that was written says more.
    unknown = ("extra_forbidden", "unexpected_keyword_argument")
    found = sorted(error.errors(), key=lambda e: e["type"] not in unknown)
    first = found[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] in unknown:
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else "Remove it."
        return ConfigError(
            f"{where}: unknown key {path!r}", expected="a known key", remedy=hint
        )
    if first["type"] in ("missing", "missing_argument"):
        return ConfigError(
            f"{where}: key {path!r} is missing",
            expected="every key to be given",
            remedy="Add it; config/monitor.toml shows each with its meaning.",
        )
    return ConfigError(
        f"{where}: {path} = {first['input']!r}",
        expected=first["msg"][0].lower() + first["msg"][1:],
        remedy="Correct that value.",
    )
