"""Who asks Earth Engine: credentials found, checked and never shown.

Four places in a fixed order. Nothing here is logged or stored; ``redacted`` takes
what is secret out of any text that is.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import google.auth
import google.auth.exceptions
from google.oauth2 import credentials as oauth

from qhsink.domain.errors import SourceError

TOKEN = "EARTHENGINE_TOKEN"  # noqa: S105 - the name of a variable, not a token
"""Environment variable with a credential as JSON, as on build servers."""

KEY_FILE = "EARTHENGINE_KEY_FILE"
"""Environment variable with the path of a service account's key."""

PROJECT = "EARTHENGINE_PROJECT"
"""Environment variable with the Cloud project."""

SCOPES = (
    "https://www.googleapis.com/auth/earthengine",
    "https://www.googleapis.com/auth/cloud-platform",
)

HOW = (
    f"Set {KEY_FILE} to a service account's key, or {TOKEN} to a credential's JSON, "
    "or run `gcloud auth application-default login` (docs/earthengine.md)."
)

_SECRET_FIELDS = (
    "private_key",
    "private_key_id",
    "refresh_token",
    "client_secret",
    "access_token",
    "token",
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A credential, and where it came from."""

    credentials: Any = field(repr=False)
    """Of google-auth."""
    origin: str
    """Where it was found, in words that may be printed."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Strings that must never be printed."""


def find_identity(environ: Mapping[str, str] = os.environ) -> Identity:
    """Return the first credential among token, key file and application default.

    Raises
    ------
    SourceError
        When there is none, or the first one found cannot be used. The message never
        holds what the credential holds.
    """
    if environ.get(TOKEN):
        return _from_json(environ[TOKEN], origin=TOKEN)
    if environ.get(KEY_FILE):
        path = Path(environ[KEY_FILE])
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise _refused(f"{KEY_FILE} names {path}, which cannot be read") from error
        return _from_json(text, origin=f"{KEY_FILE} {path.name}")
    return _application_default()


def cloud_project(
    configured: str, identity: Identity, environ: Mapping[str, str] = os.environ
) -> str:
    """Return the Cloud project that requests are counted for.

    Raises
    ------
    SourceError
        When none is named: the client would fall back to a legacy one that fails.
    """
    named = configured or environ.get(PROJECT) or environ.get("GOOGLE_CLOUD_PROJECT")
    own = getattr(identity.credentials, "quota_project_id", None) or getattr(
        identity.credentials, "project_id", None
    )
    if not (named or own):
        raise SourceError(
            "no Google Cloud project for Earth Engine",
            expected="a project registered for Earth Engine",
            remedy=f"Set cloud_project in config/sources.toml, or {PROJECT}.",
        )
    return str(named or own)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` on one line, bounded, without any secret or bearer token."""
    line = " ".join(text.split())
    for secret in secrets:
        line = line.replace(secret, "***").replace(" ".join(secret.split()), "***")
    return re.sub(r"\bya29\.[\w.-]+|Bearer \S+", "***", line)[:300]


def _from_json(text: str, *, origin: str) -> Identity:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        # Without the cause: it quotes what it could not read.
        raise _refused(f"{origin} is not JSON (position {error.pos})") from None
    if not isinstance(content, dict):
        raise _refused(f"{origin} holds no JSON object")
    kind = content.get("type")
    secrets = tuple(str(content[name]) for name in _SECRET_FIELDS if content.get(name))
    if kind is None and "access_token" in content:
        found = oauth.Credentials(content["access_token"])
        return Identity(found, f"{origin} (access token)", secrets)
    if kind is None and "refresh_token" in content:
        # What `earthengine authenticate` stores lacks the type.
        content = {**content, "type": "authorized_user"}
    try:
        with warnings.catch_warnings():
            # google-auth warns of users' own credentials; here they are meant.
            warnings.simplefilter("ignore")
            found, _ = google.auth.load_credentials_from_dict(content, scopes=SCOPES)
    except (google.auth.exceptions.GoogleAuthError, ValueError, TypeError) as error:
        said = redacted(str(error), secrets).split(". ")[0]
        raise _refused(f"{origin} holds no usable credential ({said})") from None
    return Identity(found, f"{origin} ({content.get('type')})", secrets)


def _application_default() -> Identity:
    try:
        with warnings.catch_warnings():
            # It warns that no quota project is set; `cloud_project` sees to that.
            warnings.simplefilter("ignore")
            found, _ = google.auth.default(scopes=SCOPES)
    except google.auth.exceptions.DefaultCredentialsError:
        raise _refused("no credential for Earth Engine") from None
    names = ("token", "refresh_token", "client_secret")
    secrets = (getattr(found, name, None) for name in names)
    return Identity(
        found, "application default credentials", tuple(str(s) for s in secrets if s)
    )


def _refused(found: str) -> SourceError:
    return SourceError(
        found,
        expected="a service account's key, application default credentials or a token",
        remedy=HOW,
    )
