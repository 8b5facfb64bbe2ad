"""No sid, token, digest or key of the registry is where others may look."""

from __future__ import annotations

import base64
import io
import logging
import pprint
import sys
from pathlib import Path

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.core.cache import cache
from django.core.management import call_command
from django.db import OperationalError, connection
from django.dispatch import Signal
from django.template.defaultfilters import pprint as pprint_filter
from django.views.debug import ExceptionReporter

import django_secure_session
from django_secure_session import (
    StoreUnavailable,
    conf,
    create_session,
    decode_session,
    encode_session,
    registry,
    signals,
)
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.exceptions import BadToken
from django_secure_session.registry import cached
from django_secure_session.registry.models import SessionRecord
from django_secure_session.registry.records import digest_of
from tests.http import SERVERS
from tests.registry.site import (
    ask_registry,
    copied,
    log_in,
    no_database,
    row,
    signed_in,
)
from tests.registry.site import people as people
from tests.visits import NAME

pytestmark = pytest.mark.django_db

PACKAGE = str(Path(django_secure_session.__file__).parent)
SECRET_DATA = "what-only-the-session-knows"


def spellings(sid: bytes, settings) -> list[str]:
    """Return what nobody may find: a sid and the key, in the ways they are written."""
    found = []
    for raw in (sid, settings.SECURE_SESSION["KEY"]):
        base64_text = base64.urlsafe_b64encode(raw)[:20].decode()
        found += [raw.hex(), repr(raw)[2:-1], base64_text]
    return found


def found_in(said: str, session, settings) -> list[str]:
    """Return what text tells of a session that it should not."""
    sid = session._sid
    token = str(session.session_key)
    secrets = [*spellings(sid, settings), digest_of(sid)[:20], token[20:50]]
    return [each for each in [*secrets, SECRET_DATA] if each in said]


def session_of(account_id="ada"):
    return create_session({"_auth_user_id": account_id, "secret": SECRET_DATA})


# Logs and signals


def live(server) -> list[str]:
    """Do with sessions all that is done with them; return the tokens there were."""
    visitor = signed_in(server)
    thief = copied(visitor)
    tokens = [visitor.named(NAME)[0].value]
    visitor.do(lambda on: on.session("cycle_key"))
    tokens.append(visitor.named(NAME)[0].value)
    other = signed_in(visitor)
    visitor.do(lambda on: ask_registry(on, "revoke_others", on.request))
    other.who()
    registry.account_changed("ada")
    visitor.who()
    with no_database():
        visitor.ask(lambda on: on.logout())
    visitor.do(lambda on: on.logout())
    thief.who()
    thief.do(log_in)
    registry.revoke_account("ada")
    thief.who()
    return tokens


@pytest.fixture
def sessions_of_life(settings, caplog):
    """Return what was logged and told while sessions lived, and their tokens."""
    told: list[object] = []

    def receive(**named):
        told.append({k: v for k, v in named.items() if k not in ("signal", "sender")})

    sent = [each for each in vars(signals).values() if isinstance(each, Signal)]
    for signal in sent:
        signal.connect(receive)
    try:
        with caplog.at_level(logging.DEBUG, logger="django_secure_session"):
            tokens = live(SERVERS[0])
    finally:
        for signal in sent:
            signal.disconnect(receive)
    return tokens, caplog.text + pprint.pformat(told)


def test_neither_logs_nor_signals_tell_a_secret(sessions_of_life, settings):
    tokens, said = sessions_of_life
    assert "revoked" in said
    assert "StoreUnavailable" in said or "database with the sessions" in said
    for token in tokens:
        store = SessionStore(token)
        metadata = store._codec.unseal(token)[0]
        store._sid = metadata.sid
        assert found_in(said, store, settings) == []


def test_what_was_logged_of_a_failing_cache_tells_no_secret(
    settings, caplog, monkeypatch
):
    def fail(self, *args, **kwargs):
        raise ConnectionError("the cache is down")

    session = session_of()
    for name in ("get_many", "add", "set_many"):
        monkeypatch.setattr(type(cache._connections["default"]), name, fail)
    decode_session(session.session_key)
    token, sid = session.session_key, session._sid
    session.flush()
    session._session_key, session._sid = token, sid

    assert "the cache is down" in caplog.text
    assert found_in(caplog.text, session, settings) == []


# What things say of themselves


def test_nothing_shows_a_secret_when_it_is_printed(settings):
    session = session_of()
    log_in = session._log_in(session._sealed, b"claims", session._loaded())
    opened = decode_session(session.session_key)
    shown = [
        *(log_in, session.registration, opened.registration, session, opened),
        *(row(), SessionRecord.objects.all(), registry.active_sessions("ada")),
        *(session._noting(log_in), session._itself(), session._told_by("x" * 128)),
        session._find(session._open(session.session_key)),
    ]
    for each in shown:
        for said in (repr(each), str(each), f"{each}", pprint.pformat(each)):
            assert found_in(said, session, settings) == [], type(each)


def test_what_is_raised_tells_no_secret(settings):
    session = session_of()
    late = decode_session(session.session_key)
    registry.revoke(session.registration.handle)
    errors = []
    for act in (late.save, lambda: late._find(late._open(session.session_key))):
        with pytest.raises((UpdateError, BadToken)) as caught:
            act()
        errors.append(caught.value)
    with no_database(), pytest.raises(StoreUnavailable) as caught:
        decode_session(session.session_key)
    errors.append(caught.value)

    for error in errors:
        assert found_in(f"{error} {error!r}", session, settings) == []


def failing(execute, sql, params, many, context):
    if "secure_session_registry" in sql:
        raise RuntimeError("it fails")
    return execute(sql, params, many, context)


@pytest.mark.parametrize(
    "name",
    [
        "load",
        "save",
        "cycle_key",
        "flush",
        "seal",
        "delete",
        "exists",
        "revoke_account",
    ],
)
def test_no_error_page_shows_a_secret_of_a_frame_of_the_registry(settings, name):
    session = session_of()
    registered, token, sid = session.registration, session.session_key, session._sid
    session.update({"cart": 1})
    acts = {
        "load": lambda: decode_session(token),
        "save": session.save,
        "cycle_key": session.cycle_key,
        "flush": session.flush,
        "seal": lambda: encode_session(session, purpose="ws"),
        "delete": lambda: session.delete(token),
        "exists": lambda: session.exists(token),
        "revoke_account": lambda: registry.revoke_account("ada"),
    }
    reporter = None
    with connection.execute_wrapper(failing):
        try:
            acts[name]()
        except RuntimeError:
            reporter = ExceptionReporter(None, *sys.exc_info())
    assert reporter is not None
    frames = [
        frame
        for frame in reporter.get_traceback_frames()
        if frame["filename"].startswith(PACKAGE)
    ]
    assert any("registry" in frame["filename"] for frame in frames)
    session._session_key, session._sid = token, sid

    digest = digest_of(sid)[:20]  # nobody can make a sid or a token of that
    for frame in frames:
        said = pprint_filter(frame["vars"])  # as the page does, which may not fail
        found = set(found_in(said, session, settings)) - {digest}
        assert not found, frame["function"]
    assert registered.handle


def test_an_error_of_the_database_shows_no_secret(settings, caplog):
    session = session_of()
    with no_database("SELECT"), pytest.raises(StoreUnavailable) as caught:
        decode_session(session.session_key)

    assert isinstance(caught.value.__cause__, OperationalError)
    assert found_in(caplog.text, session, settings) == []


# What is stored


def test_no_row_and_no_entry_has_a_secret(settings):
    session = session_of()
    decode_session(session.session_key)
    digest = digest_of(session._sid)
    with connection.cursor() as cursor:
        said = ""
        for table in connection.introspection.table_names(cursor):
            quoted = connection.ops.quote_name(table)
            cursor.execute(f"SELECT * FROM {quoted}")
            said += repr(cursor.fetchall())
    store = cache._connections["default"]._cache
    said += repr(store.keys()) + repr(store.values())

    assert digest in said
    assert set(found_in(said, session, settings)) <= {digest[:20]}


def test_a_digest_opens_nothing():
    session = session_of()
    digest = digest_of(session._sid)

    assert decode_session(digest * 2) is None
    assert cached.look(digest_of(digest.encode()), "ada") == (None, None)
    assert not registry.revoke(digest[:20])


def test_migrations_are_up_to_date_and_hold_no_secret(settings):
    said = io.StringIO()
    label = conf.REGISTRY_LABEL
    call_command("makemigrations", label, "--check", "--dry-run", stdout=said)
    folder = Path(PACKAGE) / "registry" / "migrations"
    said.write("".join(path.read_text() for path in folder.glob("*.py")))

    assert "No changes" in said.getvalue()
    assert settings.SECURE_SESSION["KEY"].hex() not in said.getvalue()
