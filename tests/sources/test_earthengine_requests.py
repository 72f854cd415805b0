"""Requests within the limits, tried as long as it makes sense, by someone known."""

from __future__ import annotations

import json
import random

import httplib2
import pyproj
import pytest
from affine import Affine
from ee.ee_exception import EEException
from google.auth.exceptions import RefreshError, TransportError
from googleapiclient.errors import HttpError
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from qhsink.domain.errors import SourceError
from qhsink.grid import qinghai_albers
from qhsink.sources.earthengine_auth import (
    Identity,
    cloud_project,
    find_identity,
    redacted,
)
from qhsink.sources.earthengine_retry import BadAnswer, Retries, judge
from qhsink.sources.earthengine_windows import (
    MAX_BYTES,
    MAX_EDGE,
    pixel_bytes,
    pixel_grid,
    quarters,
    window_parts,
)


def http_error(code, message="said", **headers):
    answer = httplib2.Response({"status": code, **headers})
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    return HttpError(answer, body)


def as_the_client_raises(error):
    """The client drops the status: it is the context of what it raises."""
    try:
        try:
            raise error
        except HttpError as held:
            raise EEException(held._get_reason())  # noqa: B904 - as the client does
    except EEException as raised:
        return raised


class Clock:
    def __init__(self):
        self.now, self.waits = 0.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.now += seconds


def retries(clock, **options):
    rng = random.Random(3)  # noqa: S311 - jitter
    return Retries(sleep=clock.sleep, clock=clock, rng=rng, **options)


def failing(error, times):
    left = [times]
    calls = []

    def action():
        calls.append(1)
        if left[0]:
            left[0] -= 1
            raise error
        return "answer"

    return action, calls


def test_a_band_counts_with_its_mask_byte():
    assert pixel_bytes(7, 2) == 21
    side = int((MAX_BYTES / 21) ** 0.5)
    assert len(window_parts((side, side), bands=7, itemsize=2)) == 1
    assert len(window_parts((side + 1, side + 1), bands=7, itemsize=2)) == 4


@given(st.integers(1, 40_000), st.integers(1, 40_000), st.integers(1, 64))
def test_the_parts_cover_the_lattice_once_and_each_fits_a_request(rows, cols, bands):
    parts = window_parts((rows, cols), bands=bands, itemsize=2)
    sizes = [(r.stop - r.start, c.stop - c.start) for r, c in parts]
    assert sum(h * w for h, w in sizes) == rows * cols
    assert max(h * w for h, w in sizes) * pixel_bytes(bands, 2) <= MAX_BYTES
    assert max(max(size) for size in sizes) <= MAX_EDGE
    corners = {(r.start, c.start) for r, c in parts}
    assert len(corners) == len(parts)


def test_a_single_row_is_cut_in_two_and_too_many_bands_are_refused():
    assert quarters((slice(4, 5), slice(0, 3))) == [
        (slice(4, 5), slice(0, 2)),
        (slice(4, 5), slice(2, 3)),
    ]
    with pytest.raises(SourceError, match="1025 bands"):
        window_parts((2, 2), bands=1025, itemsize=2)


def test_a_part_of_a_tile_is_asked_for_on_the_analysis_grid_itself():
    crs = qinghai_albers()
    box = GeoBox((100, 200), Affine(20, 0, -60_000, 0, -20, 4_000_000), crs.to_wkt())
    grid = pixel_grid(box, (slice(10, 40), slice(50, 200)))
    assert grid["dimensions"] == {"width": 150, "height": 30}
    assert grid["affineTransform"]["translateX"] == -59_000
    assert grid["affineTransform"]["translateY"] == 3_999_800
    sent = pyproj.CRS.from_wkt(grid["crsWkt"])
    there = pyproj.Transformer.from_crs(4326, crs, always_xy=True).transform(98.2, 35.1)
    again = pyproj.Transformer.from_crs(4326, sent, always_xy=True).transform(
        98.2, 35.1
    )
    assert again == pytest.approx(there, abs=1e-6)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (http_error(429), "passing"),
        (http_error(503), "passing"),
        (http_error(500), "passing"),
        (http_error(400), "final"),
        (http_error(404), "final"),
        (http_error(400, "Total request size (9 bytes) must be"), "too big"),
        (http_error(400, "User memory limit exceeded."), "too big"),
        (http_error(403), "not allowed"),
        (http_error(401), "not allowed"),
        (ConnectionError("reset"), "passing"),
        (TimeoutError(), "passing"),
        (BadAnswer("a page"), "passing"),
        (TransportError("no route"), "passing"),
        (RefreshError("invalid_grant"), "not allowed"),
        (KeyError("a mistake of ours"), "final"),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value)[:60],
)
def test_a_failure_is_judged_by_its_status(error, verdict):
    assert judge(error) == verdict
    if isinstance(error, HttpError):
        assert judge(as_the_client_raises(error)) == verdict


def test_what_passes_is_tried_again_with_growing_uneven_waits():
    clock = Clock()
    action, calls = failing(http_error(503), 5)
    assert retries(clock).run(action) == "answer"
    assert len(calls) == 6
    tops = [1.0, 2.0, 4.0, 8.0, 16.0]
    assert all(
        top / 2 <= wait <= top for wait, top in zip(clock.waits, tops, strict=True)
    )


def test_a_wait_that_the_server_asks_for_is_kept_to():
    clock = Clock()
    action, _ = failing(
        as_the_client_raises(http_error(429, **{"retry-after": "45"})), 1
    )
    assert retries(clock).run(action) == "answer"
    assert clock.waits == [45.0]


@pytest.mark.parametrize("code", [400, 401, 403, 404])
def test_what_cannot_pass_is_asked_once(code):
    clock = Clock()
    action, calls = failing(http_error(code), 9)
    with pytest.raises(HttpError):
        retries(clock).run(action)
    assert (len(calls), clock.waits) == (1, [])


def test_tries_and_time_are_both_bounded():
    clock = Clock()
    action, calls = failing(ConnectionError("reset"), 99)
    with pytest.raises(ConnectionError) as told:
        retries(clock, tries=4).run(action)
    assert len(calls) == 4
    assert "after 4 tries" in told.value.__notes__[0]
    action, calls = failing(http_error(429, **{"retry-after": "200"}), 99)
    clock = Clock()
    with pytest.raises(HttpError):
        retries(clock, budget_s=300.0).run(action)
    assert (len(calls), clock.now) == (2, 200.0)


def test_without_any_credential_one_line_says_what_to_do(monkeypatch, tmp_path):
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "EARTHENGINE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(SourceError) as told:
        find_identity({})
    assert str(told.value).startswith("no credential for Earth Engine; expected")
    assert "EARTHENGINE_KEY_FILE" in str(told.value)
    assert "\n" not in str(told.value)


SECRET = "planted-secret-8d1f"  # noqa: S105 - planted to be looked for
TORN_KEY = json.dumps(
    {
        "type": "service_account",
        "private_key": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n"
        "-----END PRIVATE KEY-----\n",
        "client_email": "a@b",
        "token_uri": "http://127.0.0.1/",
    }
)


@pytest.mark.parametrize(
    "text",
    [
        f"{SECRET}",
        f'{{"type": "service_account", "private_key": "{SECRET}"}}',
        f'{{"type": "{SECRET}"}}',
        f'{{"type": "authorized_user", "refresh_token": "{SECRET}"}}',
        f'["{SECRET}"]',
        TORN_KEY,
    ],
    ids=[
        "no-json",
        "half-a-key",
        "unknown-type",
        "half-a-user",
        "a-list",
        "a-torn-key",
    ],
)
def test_a_wrong_credential_gives_one_line_that_does_not_quote_it(text, tmp_path):
    file = tmp_path / "key.json"
    file.write_text(text)
    for environ in ({"EARTHENGINE_TOKEN": text}, {"EARTHENGINE_KEY_FILE": str(file)}):
        with pytest.raises(SourceError) as told:
            find_identity(environ)
        assert SECRET not in str(told.value)
        assert "\n" not in str(told.value)
        assert next(iter(environ)) in str(told.value)


def test_a_key_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        find_identity({"EARTHENGINE_KEY_FILE": str(tmp_path / "none.json")})


def test_an_access_token_and_a_stored_users_credential_are_taken():
    found = find_identity({"EARTHENGINE_TOKEN": f'{{"access_token": "{SECRET}"}}'})
    assert found.credentials.token == SECRET
    assert SECRET not in repr(found)
    user = {"client_id": "a", "client_secret": "b", "refresh_token": SECRET}
    found = find_identity({"EARTHENGINE_TOKEN": json.dumps(user)})
    assert found.credentials.refresh_token == SECRET
    assert SECRET in found.secrets


def test_a_project_is_required_and_the_configured_one_wins():
    nobody = Identity(object(), "nobody")
    with pytest.raises(SourceError, match="no Google Cloud project"):
        cloud_project("", nobody, {})
    assert cloud_project("", nobody, {"EARTHENGINE_PROJECT": "theirs"}) == "theirs"
    given_ = cloud_project("ours", nobody, {"EARTHENGINE_PROJECT": "theirs"})
    assert given_ == "ours"


def test_what_is_secret_is_taken_out_of_a_message():
    text = f"bad\n{SECRET} Bearer abc.def ya29.A0-x_y " + "z" * 400
    clean = redacted(text, [SECRET])
    assert clean.startswith("bad *** *** *** zzz")
    assert len(clean) == 300
