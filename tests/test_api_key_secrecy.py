"""The text of a key is nowhere but where it was handed over, and in the request."""

from __future__ import annotations

import io
import logging
import pprint
import sys
from collections.abc import Iterator, Mapping
from types import FrameType, FunctionType, ModuleType, SimpleNamespace

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.signals import got_request_exception
from django.db import OperationalError, ProgrammingError, connection
from django.http import HttpRequest
from django.test import Client
from django.utils.log import AdminEmailHandler
from django.views.debug import ExceptionReporter

from django_secure_session import (
    NotAuthenticated,
    NotAuthorized,
    StoreUnavailable,
    any_of,
    authenticated,
    authorized,
)
from django_secure_session.api_keys import managers, models, tokens
from django_secure_session.api_keys.models import ApiKey
from django_secure_session.signals import api_key_rejected, api_key_used
from tests.api_keys import Owners, atold, bearer, new_key, told
from tests.api_keys import key_site as key_site
from tests.http import SERVERS, both, wsgi
from tests.http_guards import STACK, signed_in
from tests.visits import site

pytestmark = pytest.mark.usefixtures("key_site")

SERVER = pytest.mark.parametrize("server", SERVERS)
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"


def parts_of(text: str) -> list[str]:
    """Return what nobody may find: the secret of a key, in pieces and other spellings.

    The prefix and the id, which are no secret, are not among them.
    """
    secret = text.rpartition("_")[2]
    return [secret[:20], secret[20:40], secret.encode().hex()]


def shows(said: str, text: str) -> bool:
    return any(part in said for part in parts_of(text))


@pytest.fixture
def created():
    return new_key("a", org_id="acme", name="nightly")


# Whatever is stored


def rows() -> Iterator[str]:
    """Yield each row of each table, as text."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            quoted = connection.ops.quote_name(table)
            cursor.execute(f"SELECT * FROM {quoted}")
            yield from (f"{table}: {row!r}" for row in cursor.fetchall())


def use(created) -> None:
    """Do with a key all that is done with keys."""
    view = authorized(scopes=["a"])(told)
    lacking = authorized(scopes=["b"])(atold)
    for each in (view, lacking, any_of(authenticated(), authorized())(told)):
        for text in (created.text, created.text[:-1], created.text.swapcase()):
            both(each, signed_in(id="bob"), headers=bearer(text))


@pytest.fixture
def lived(settings, created):
    """Return the texts of keys that were used, rotated and revoked."""
    settings.MIDDLEWARE = [*STACK, MESSAGES]
    use(created)
    second = created.api_key.rotate()
    use(second)
    second.api_key.revoke()
    use(second)
    user = get_user_model().objects.create_superuser("root")
    LogEntry.objects.log_actions(user.pk, [second.api_key], 2, change_message="changed")
    client = Client()
    client.force_login(user)
    client.get("/admin/")
    return [created.text, second.text]


def test_no_row_of_any_table_has_a_key(lived):
    found = list(rows())
    assert any("secure_session_api_keys" in row for row in found)
    assert any("django_admin_log" in row for row in found)
    assert not [row for row in found for text in lived if shows(row, text)]


def test_no_fixture_has_a_key(lived):
    written = io.StringIO()
    call_command("dumpdata", stdout=written)
    assert "secure_session_api_keys.apikey" in written.getvalue()
    assert not [text for text in lived if shows(written.getvalue(), text)]


def test_what_is_stored_is_a_digest_that_opens_nothing(created):
    digest = ApiKey.objects.get().digest
    assert digest == tokens.digest(created.text)
    for text in (digest, f"dss_live_{created.api_key.pk}_{digest[:43]}aaaaaa"):
        assert wsgi(authorized(told), headers=bearer(text)).status == 401


# Whatever is logged


def test_no_record_of_any_logger_has_a_key(caplog, created):
    connection.force_debug_cursor = True  # else the database logs nothing
    for name in (None, "django"):
        caplog.set_level(logging.DEBUG, logger=name)
    try:
        second = created.api_key.rotate()
        for each in (created, second):
            use(each)
        second.api_key.revoke()
        use(second)
    finally:
        connection.force_debug_cursor = False
    said = [caplog.text, *(repr(vars(record)) for record in caplog.records)]
    loggers = {record.name for record in caplog.records}
    assert {"django_secure_session", "django.db.backends", "django.request"} <= loggers
    assert not [text for text in said for k in (created, second) if shows(text, k.text)]


# Whatever is told


def holders(value: object, text: str, seen: dict | None = None) -> list[object]:
    """Return what holds a key among a value and whatever it leads to.

    Requests are left out: they have the header.
    """
    seen = {} if seen is None else seen
    if id(value) in seen or isinstance(value, _BEYOND):
        return []
    seen[id(value)] = value  # kept, or another object would get its id
    if isinstance(value, (str, bytes)):
        said = value if isinstance(value, str) else value.decode("latin-1")
        return [value] if shows(said, text) else []
    found = [value] if shows(said_of(value), text) else []
    for each in _within(value):
        found += holders(each, text, seen)
    return found


def said_of(value: object) -> str:
    try:
        return repr(value)
    except AttributeError:  # Django's compiler of raw SQL has a repr that fails
        return ""


_BEYOND = (HttpRequest, ModuleType, FunctionType, FrameType, type)


def _within(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from value
    if isinstance(value, BaseException):
        yield from (value.args, value.__cause__, value.__context__)
    yield from getattr(value, "__dict__", {}).values()
    names = (getattr(each, "__slots__", ()) for each in type(value).__mro__)
    for name in [name for slots in names for name in slots]:
        yield getattr(value, name, None)


def test_the_search_finds_what_it_looks_for(created):
    text = created.text
    inner = ValueError(SimpleNamespace(a=[{"b": {(1, text)}}]))
    outer = KeyError("x")
    outer.__context__ = inner
    for value in (text, text.encode(), [text], {text: 1}, inner, outer, created):
        assert holders(value, text)
    assert not holders([1, "x", created.api_key, outer.args], text)


@SERVER
def test_no_signal_holds_a_key(server, created):
    told_of = []

    def receiver(**named):
        told_of.append(named)

    signals = (api_key_used, api_key_rejected)
    for signal in signals:
        signal.connect(receiver)
    try:
        for each in (told, atold):
            for scope in ("a", "b"):
                view = authorized(scopes=[scope])(each)
                headers = bearer(created.text)
                server(view, path=f"/?key={created.text}", headers=headers)
                server(view, headers=bearer(created.text.replace("_live_", "_test_")))
    finally:
        for signal in signals:
            signal.disconnect(receiver)
    assert len(told_of) == 8
    assert not holders(told_of, created.text)


def test_no_way_to_show_a_key_shows_its_text(created):
    minted = tokens.mint("dss", "live")
    for value, text in ((created, created.text), (minted, minted.text)):
        for said in (repr(value), str(value), f"{value}", f"{value!r}", repr([value])):
            assert not shows(said, text)
        assert not shows(pprint.pformat({"created": value}), text)
    assert not holders(created.api_key, created.text)


def raised_by(view, headers):
    """Return what a view raises for a request."""
    caught = []

    def raising(request):
        try:
            return view(request)
        except Exception as error:
            caught.append(error)
            raise

    wsgi(raising, headers=headers)
    (error,) = caught
    return error


def frames_of(error: BaseException) -> Iterator[Mapping[str, object]]:
    """Yield the variables of each frame that debug pages show, causes' too."""
    for each in (error, error.__cause__, error.__context__):
        trace = each.__traceback__ if each else None
        while trace is not None:
            found = trace.tb_frame.f_locals
            if "__traceback_hide__" not in found and _is_ours(trace.tb_frame):
                yield found
            trace = trace.tb_next


def _is_ours(frame: FrameType) -> bool:
    return "/tests/" not in frame.f_code.co_filename


ERRORS = {
    NotAuthenticated: lambda request: request.authorized(),
    NotAuthorized: lambda request: request.authorized(scopes=["b"]),
}


@pytest.mark.parametrize("error", ERRORS)
def test_no_refusal_holds_the_key(created, error):
    text = created.text
    headers = bearer(text[:-1] if error is NotAuthenticated else text)
    refused = raised_by(ERRORS[error], headers)
    assert type(refused) is error
    assert not holders(refused, text)
    assert not holders([dict(frame) for frame in frames_of(refused)], text)


def test_no_error_of_a_store_holds_the_key(created):
    def down(run, sql, params, many, context):
        raise OperationalError("no connection")

    with connection.execute_wrapper(down):
        error = raised_by(lambda r: r.authorized(), bearer(created.text))
    assert type(error) is StoreUnavailable
    assert not holders([error, error.__cause__], created.text)
    frames = [dict(frame) for frame in frames_of(error)]
    assert len(frames) > 5
    assert not holders(frames, created.text)


# Error pages


def fail(*args, **kwargs):
    raise MemoryError("out of memory")


def fail_in_c(*args):
    """Stand for what is written in C, which has no variables to show."""
    __traceback_hide__ = True
    raise MemoryError("out of memory")


def broken_view(request):
    key = request.account
    raise RuntimeError(f"a view failed for {key.id}")


class Broken(Owners):
    def get_account(self, account_id, org_id):
        raise RuntimeError("the provider failed")


def broken_provider(settings, monkeypatch):
    settings.SECURE_SESSION = site(ACCOUNT_PROVIDER=f"{__name__}.Broken")


def broken_digest(settings, monkeypatch):
    monkeypatch.setattr(tokens, "hashlib", SimpleNamespace(sha256=fail_in_c))


def broken_check(settings, monkeypatch):
    monkeypatch.setattr(tokens, "zlib", SimpleNamespace(crc32=fail_in_c))


def broken_find(settings, monkeypatch):
    monkeypatch.setattr(managers.ApiKeyManager, "find", fail)


def broken_judgement(settings, monkeypatch):
    monkeypatch.setattr(models.ApiKey, "end_reason", fail)


def broken_note(settings, monkeypatch):
    monkeypatch.setattr(models.ApiKey, "is_use_to_note", fail)


def nothing(settings, monkeypatch):
    pass


FAULTS = {
    "view": (nothing, "a view failed"),
    "provider": (broken_provider, "the provider failed"),
    "digest": (broken_digest, "out of memory"),
    "check": (broken_check, "out of memory"),
    "look-up": (broken_find, "out of memory"),
    "judgement": (broken_judgement, "out of memory"),
    "note": (broken_note, "out of memory"),
}
FAULT = pytest.mark.parametrize("name", FAULTS)
ACCEPT = {"html": "text/html", "text": "text/plain"}


@pytest.fixture
def errors():
    """What requests have raised, with the reports that sites make of it."""
    found = []

    def keep(sender, request, **_):
        found.append((request, sys.exc_info()))

    got_request_exception.connect(keep)
    yield found
    got_request_exception.disconnect(keep)
    found.clear()


# Under WSGI: a page shows queries, which under ASGI another thread makes.


@FAULT
@pytest.mark.parametrize("accept", ACCEPT)
def test_no_debug_page_shows_the_key(settings, monkeypatch, created, accept, name):
    break_it, text = FAULTS[name]
    break_it(settings, monkeypatch)
    settings.DEBUG = True
    headers = {**bearer(created.text), "Accept": ACCEPT[accept]}
    answer = wsgi(authorized(broken_view), headers=headers)
    page = answer.body.decode()
    assert answer.status == 500
    assert answer.header("content-type").startswith(ACCEPT[accept])
    assert "HTTP_AUTHORIZATION" in page
    assert text in page
    assert not shows(page, created.text)


@FAULT
@SERVER
def test_no_variable_that_a_report_may_have_holds_the_key(
    settings, monkeypatch, created, errors, server, name
):
    FAULTS[name][0](settings, monkeypatch)
    server(authorized(broken_view), headers=bearer(created.text))
    ((request, info),) = errors
    for frame in ExceptionReporter(request, *info).get_traceback_frames():
        assert not shows(str(frame["vars"]), created.text)
    assert not holders(info[1], created.text)
    for frame in frames_of(info[1]):
        assert not holders(dict(frame), created.text)


def test_no_mail_to_the_admins_shows_the_key(settings, monkeypatch, created):
    mails = []
    monkeypatch.setattr(
        AdminEmailHandler,
        "send_mail",
        lambda self, *texts, html_message=None, **kwargs: mails.append(
            f"{texts} {html_message}"
        ),
    )
    settings.ADMINS = ["root@example.com"]
    handler, logger = AdminEmailHandler(include_html=True), logging.getLogger("django")
    logger.addHandler(handler)
    try:
        wsgi(authorized(broken_view), headers=bearer(created.text))
    finally:
        logger.removeHandler(handler)
    assert len([mail for mail in mails if "<html" in mail]) == 1
    assert all("a view failed" in mail for mail in mails)
    assert not shows("".join(mails), created.text)


@pytest.mark.parametrize("accept", ACCEPT)
@pytest.mark.parametrize("call", ["create_key", "rotate"])
@pytest.mark.django_db(transaction=True)
def test_a_key_that_could_not_be_stored_is_on_no_page(
    settings, monkeypatch, accept, errors, call
):
    """Though it never was a key: somebody may store the row by hand."""
    minted = []
    mint = tokens.mint

    def kept(*args):
        minted.append(mint(*args))
        return minted[-1]

    def down(run, sql, params, many, context):
        if sql.startswith("INSERT"):
            raise ProgrammingError("no such table")
        return run(sql, params, many, context)

    def view(request):
        return created.rotate() if call == "rotate" else new_key()

    created = new_key().api_key
    settings.DEBUG = True
    monkeypatch.setattr(tokens, "mint", kept)
    with connection.execute_wrapper(down):
        answer = wsgi(view, headers={"Accept": ACCEPT[accept]})
    assert b"no such table" in answer.body
    assert not shows(answer.body.decode(), minted[0].text)
    ((_, info),) = errors
    frames = [dict(frame) for frame in frames_of(info[1])]
    assert frames
    assert not holders(frames, minted[0].text)


def test_a_key_that_a_failing_view_has_made_is_on_no_page(settings):
    made = []

    def view(request):
        created = new_key()
        made.append(created)
        raise RuntimeError(f"failed with {created}")

    settings.DEBUG = True
    for accept in ACCEPT.values():
        page = wsgi(view, headers={"Accept": accept}).body.decode()
        assert "CreatedKey" in page
        assert not [created for created in made if shows(page, created.text)]
