from __future__ import annotations

import base64
import io
import re
import secrets
import sys
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from django_secure_session import create_session, encode_session
from django_secure_session.codec.metadata import Metadata
from django_secure_session.conf import get_codec
from django_secure_session.keyring import RootKey
from django_secure_session.keyring.boxes import derive_subkey
from django_secure_session.signals import session_rejected
from tests.sealing import encode
from tests.test_keyring_forms import leaks
from tests.test_main import run_python

KEY = secrets.token_bytes(32)
OLD_KEY = secrets.token_bytes(32)
EMAIL = f"{secrets.token_hex(8)}@example.com"
DATA = {"user": 7, "email": EMAIL, "cart": [1, 2, 3]}
WEEK = 7 * 24 * 3600


class Report:
    """What the command printed, by line, and why it refused the token."""

    def __init__(self, text: str, refusal: str | None) -> None:
        self.text = text
        self.refusal = refusal
        lines = [line for line in text.splitlines() if not line.startswith(" ")]
        self.lines = {line[:9].strip(): line[9:] for line in lines}


def inspect(*arguments: str) -> Report:
    stdout, refusal = io.StringIO(), None
    try:
        call_command("inspectsession", *arguments, stdout=stdout)
    except CommandError as error:
        refusal = str(error)
    return Report(stdout.getvalue(), refusal)


@pytest.fixture(autouse=True)
def site(settings, clock):
    settings.SECURE_SESSION = {"KEY": KEY, "KEY_FALLBACKS": [OLD_KEY]}
    settings.SESSION_COOKIE_AGE = WEEK
    return settings


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch):
    """Return a function that puts bytes on standard input."""

    def put(content: bytes) -> None:
        stream = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")
        monkeypatch.setattr(sys, "stdin", stream)

    return put


def make_token() -> str:
    return create_session(DATA).session_key


def with_first_bytes(token: str, first: bytes) -> str:
    raw = base64.urlsafe_b64decode(token)
    return base64.urlsafe_b64encode(first + raw[len(first) :]).decode()


def seal_data(data: object, **times: int) -> str:
    """Seal anything under the site's key, as faulty software with that key would."""
    now = {"created": 1, "issued": 2, "expires": 3, **times}
    metadata = Metadata(sid=bytes(16), **now)
    return encode(get_codec("default", "session"), metadata, data)


# A token that is accepted


def test_an_accepted_token_is_explained(clock):
    session = create_session(DATA)
    clock.tick(hours=1)

    report = inspect(session.session_key)

    assert report.refusal is None
    assert report.lines == {
        "bytes": f"{len(session.session_key)} of at most 4087",
        "version": "1",
        "key id": report.lines["key id"],
        "sid": session.sid,
        "created": "2027-01-15 08:00:00 UTC",
        "issued": "2027-01-15 08:00:00 UTC",
        "expires": "2027-01-22 08:00:00 UTC",
        "data": report.lines["data"],
        "status": "accepted",
    }


def test_created_and_issued_are_told_apart(clock):
    session = create_session(DATA)
    clock.tick(days=1)
    session.save()

    report = inspect(session.session_key)

    assert report.lines["created"] == "2027-01-15 08:00:00 UTC"
    assert report.lines["issued"] == "2027-01-16 08:00:00 UTC"
    assert report.lines["expires"] == "2027-01-23 08:00:00 UTC"


def test_the_absolute_timeout_shows_in_expires(site):
    site.SECURE_SESSION = {"KEY": KEY, "ABSOLUTE_TIMEOUT": timedelta(days=1)}

    assert inspect(make_token()).lines["expires"] == "2027-01-16 08:00:00 UTC"


def test_a_session_that_ends_with_the_browser_is_said_to(site):
    site.SESSION_EXPIRE_AT_BROWSER_CLOSE = True

    expires = inspect(make_token()).lines["expires"]

    assert expires == "2027-01-22 08:00:00 UTC or with the browser"


def test_an_empty_session_is_explained():
    report = inspect(create_session({}).session_key)

    assert report.lines["data"] == "2 bytes, 0 keys"
    assert report.lines["status"] == "accepted"


@pytest.mark.parametrize(
    ("sealed_with", "label"),
    [
        (KEY, 'SECURE_SESSION["KEY"]'),
        (OLD_KEY, 'SECURE_SESSION["KEY_FALLBACKS"][0]'),
    ],
    ids=["KEY", "fallback"],
)
def test_it_says_which_key_sealed_the_token(sealed_with, label, site):
    configured = site.SECURE_SESSION
    site.SECURE_SESSION = {"KEY": sealed_with}
    token = make_token()
    key_id = get_codec("default", "session").box.current_id.hex()
    site.SECURE_SESSION = configured

    report = inspect(token)

    assert report.lines["key id"] == f"{key_id}, {label}"
    assert report.lines["status"] == "accepted"


def test_looking_at_a_refused_token_is_no_event(caplog, clock):
    caplog.set_level("DEBUG", logger="django_secure_session")
    heard = []

    def hear(**event):
        heard.append(event)

    session_rejected.connect(hear)
    token = make_token()
    clock.tick(days=8)

    inspect(token)
    inspect("junk")

    session_rejected.disconnect(hear)
    assert (caplog.records, heard) == ([], [])


# Values


def test_values_are_not_shown_but_their_keys_and_sizes_are():
    report = inspect(make_token())

    assert leaks([report.text], EMAIL) == set()
    assert f"'email' ({len(EMAIL) + 12} bytes)" in report.text
    assert "'cart' (16 bytes)" in report.text
    assert re.fullmatch(r"\d+ bytes, 3 keys", report.lines["data"])


def test_values_are_shown_with_reveal():
    report = inspect(make_token(), "--reveal")

    assert f"'email' '{EMAIL}'" in report.text
    assert "'cart' [1, 2, 3]" in report.text


def test_control_characters_of_a_value_do_not_reach_the_terminal():
    token = create_session({"a\x1b[2J": "\x1b]0;title\x07"}).session_key

    report = inspect(token, "--reveal")

    assert "\x1b" not in report.text
    assert "\x07" not in report.text


@pytest.mark.parametrize("reveal", [[], ["--reveal"]], ids=["plain", "reveal"])
def test_the_report_of_a_refused_token_shows_no_value_unasked(reveal, clock):
    token = make_token()
    clock.tick(days=8)

    report = inspect(token, *reveal)

    assert report.refusal.startswith("Refused as expired.")
    assert leaks([report.refusal], EMAIL) == set()
    assert (EMAIL in report.text) is bool(reveal)


# Why a token is refused


def unknown_key(site) -> str:
    configured = site.SECURE_SESSION
    site.SECURE_SESSION = {"KEY": secrets.token_bytes(32)}
    token = make_token()
    site.SECURE_SESSION = configured
    return token


def expired(site, clock) -> str:
    token = make_token()
    clock.tick(WEEK)
    return token


def future(site, clock) -> str:
    token = make_token()
    clock.tick(-61)
    return token


def another_audience(site) -> str:
    configured = site.SECURE_SESSION
    site.SECURE_SESSION = {"KEY": KEY, "AUDIENCE": "shop"}
    token = make_token()
    site.SECURE_SESSION = configured
    return token


REFUSALS = {
    "empty": ("malformed", lambda site, clock: ""),
    "junk": ("malformed", lambda site, clock: "not a token!"),
    "cut": ("malformed", lambda site, clock: make_token()[:-1]),
    "padded": ("malformed", lambda site, clock: make_token() + "="),
    "too long": ("malformed", lambda site, clock: make_token() + "A" * 7600),
    "version 0": (
        "unknown_version",
        lambda site, clock: with_first_bytes(make_token(), b"\x00"),
    ),
    "version 2": (
        "unknown_version",
        lambda site, clock: with_first_bytes(make_token(), b"\x02"),
    ),
    "another key": ("unknown_key", lambda site, clock: unknown_key(site)),
    "another audience": ("unknown_key", lambda site, clock: another_audience(site)),
    "another purpose": (
        "unknown_key",
        lambda site, clock: encode_session(DATA, purpose="ws"),
    ),
    "changed": ("tampered", lambda site, clock: make_token()[:-4] + "AAAA"),
    "list": ("undecodable", lambda site, clock: seal_data([1, 2])),
    "created after issue": ("undecodable", lambda site, clock: seal_data({}, issued=0)),
    "too old": ("expired", expired),
    "too new": ("future", future),
}


@pytest.mark.parametrize(("reason", "make"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refused_token_is_an_error_with_the_reason_and_advice(
    reason, make, site, clock
):
    token = make(site, clock)

    report = inspect("--", token)

    code, advice = report.refusal.split(". ", 1)
    assert code == f"Refused as {reason}"
    assert len(advice) > 40
    assert "status" not in report.lines
    assert report.lines["bytes"].startswith(f"{len(token)} of ")


def test_an_unknown_key_is_shown_by_its_id(site):
    token = unknown_key(site)
    key_id = base64.urlsafe_b64decode(token)[1:8].hex()

    assert inspect(token).lines["key id"] == f"{key_id}, unknown"


def test_another_version_is_shown():
    token = with_first_bytes(make_token(), b"\x07")

    assert inspect(token).lines["version"] == "7"


@pytest.mark.parametrize("make", [expired, future])
def test_the_times_of_an_expired_or_future_token_are_shown(make, site, clock):
    report = inspect(make(site, clock))

    assert report.lines["issued"] == "2027-01-15 08:00:00 UTC"
    assert report.lines["expires"] == "2027-01-22 08:00:00 UTC"


@pytest.mark.parametrize("times", [(0, 0, 0), (2**32 - 1,) * 3], ids=["1970", "2106"])
def test_the_extreme_times_are_shown(times):
    created, issued, expires = times

    report = inspect(seal_data(DATA, created=created, issued=issued, expires=expires))

    assert report.refusal is not None
    assert report.lines["created"][:4] in {"1970", "2106"}


# Where the token comes from


@pytest.mark.parametrize("arguments", [[], ["-"]], ids=["no argument", "dash"])
def test_a_token_is_read_from_standard_input(arguments, stdin):
    stdin(make_token().encode() + b"\n")

    assert inspect(*arguments).lines["status"] == "accepted"


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\x00", b"\x00" * 100])
def test_junk_on_standard_input_is_malformed(content, stdin):
    stdin(content)

    assert inspect().refusal.startswith("Refused as malformed.")


@pytest.mark.parametrize(
    "pattern",
    [
        " {}\n",
        '"{}"',
        "'{}'",
        "{};",
        "{} ;",
        "sessionid={}",
        "sessionid={}; ",
        'sessionid="{}"',
        'sessionid="{}";\n',
        '"sessionid={}"',
        "'sessionid={};'",
    ],
)
def test_what_people_copy_along_with_a_token_is_ignored(pattern, stdin):
    text = pattern.format(make_token())
    stdin(text.encode())

    assert inspect(text).lines["status"] == "accepted"
    assert inspect().lines["status"] == "accepted"


def test_the_name_before_a_token_is_that_of_the_sites_cookie(site):
    site.SESSION_COOKIE_NAME = "__Host-sid"
    site.SESSION_COOKIE_SECURE = True

    assert inspect(f"__Host-sid={make_token()}").lines["status"] == "accepted"
    assert inspect(f"sessionid={make_token()}").refusal.startswith("Refused as malf")


# Other tokens than the site's cookie


def test_a_token_of_another_purpose_opens_with_that_purpose():
    token = encode_session(DATA, purpose="ws")

    report = inspect(token, "--purpose", "ws")

    assert report.lines["status"] == "accepted"
    assert report.lines["bytes"] == f"{len(token)} of at most 65536"


def test_the_sites_session_is_the_default():
    token = make_token()

    arguments = ["--session", "default", "--purpose", "session"]

    assert inspect(token, *arguments).text == inspect(token).text


def test_a_session_that_is_not_configured_is_refused_by_name():
    with pytest.raises((CommandError, ImproperlyConfigured), match="session 'prefs'"):
        call_command("inspectsession", make_token(), "--session", "prefs")


# Nothing shows a secret


@pytest.mark.parametrize("reveal", [[], ["--reveal"]], ids=["plain", "reveal"])
@pytest.mark.parametrize("kind", ["accepted", *REFUSALS])
def test_the_report_never_shows_a_key(kind, reveal, site, clock):
    make = REFUSALS[kind][1] if kind in REFUSALS else lambda site, clock: make_token()
    token = make(site, clock)
    root = RootKey(KEY, "KEY")
    subkey = derive_subkey(root, "session", "default", "").secret

    report = inspect(*reveal, "--", token)

    # The key id is hexadecimal too and no secret.
    text = report.text.replace(report.lines.get("key id", "?"), "")
    assert leaks([text, report.refusal or ""], KEY, OLD_KEY, subkey) == set()


def test_the_report_never_repeats_the_token(clock):
    token = make_token()
    clock.tick(days=8)

    report = inspect(token)

    assert token[:12] not in report.text + report.refusal
    assert token[-12:] not in report.text + report.refusal


def test_a_wrong_key_is_reported_by_the_checks_and_no_traceback(tmp_path):
    (tmp_path / "broken.py").write_text(
        'SECRET_KEY = "x" * 50\n'
        'INSTALLED_APPS = ["django_secure_session"]\n'
        'SESSION_ENGINE = "django_secure_session.backends.encrypted_cookies"\n'
        'SECURE_SESSION = {"KEY": ""}\n'
    )
    done = run_python(
        "-m", "django", "inspectsession", "x", "--settings=broken", folder=tmp_path
    )

    assert done.returncode == 1
    assert "secure_session.E001" in done.stderr
    assert "Traceback" not in done.stderr
