"""Where a request shows a key: who counts, what the site asks, and who hears of it."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import ClassVar

import pytest
from asgiref.sync import AsyncToSync, SyncToAsync
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    connection,
    connections,
)
from django.http import HttpResponse, JsonResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import include, path
from django.utils import timezone
from django.views.decorators.cache import cache_page
from django.views.decorators.csrf import csrf_exempt

from django_secure_session import (
    NotAuthorized,
    StoreUnavailable,
    any_of,
    authenticated,
    authorized,
    public,
)
from django_secure_session.api_keys.managers import ApiKeyManager, ApiKeyQuerySet
from django_secure_session.api_keys.models import ApiKey
from django_secure_session.signals import api_key_rejected, api_key_used
from tests.api_keys import (
    ACME,
    ADA,
    BOB,
    ENTRIES,
    Owners,
    bearer,
    entry_urls,
    key_of,
    new_key,
    told,
)
from tests.api_keys import atold as atold
from tests.api_keys import key_site as key_site
from tests.http import SERVERS, asgi, both, wsgi
from tests.http_guards import (
    ACCOUNTS,
    FETCH,
    PAGE,
    REQUIRED,
    STACK,
    STOCK,
    csrf_cookie,
    new_secret,
    signed_in,
    together,
    urlconf,
)
from tests.visits import site

SERVER = pytest.mark.parametrize("server", SERVERS)
STACKED = pytest.mark.parametrize("stack", [STACK, STOCK], ids=["ours", "stock"])
VIEWS = {"sync": told, "async": atold}
ADAS = {"account": "ada", "org": None, "via": "api_key"}
BOBS = {"account": "bob", "org": None, "via": "session"}

pytestmark = pytest.mark.usefixtures("key_site")


def bobs_cookie(**more) -> bytes:
    return signed_in("reader", id="bob", **more)


# Where a key counts

either = any_of(authenticated(), authorized())
IGNORING = {
    "unguarded": told,
    "public": public(told),
    "authenticated": authenticated(told),
    "any_of sessions": any_of(authenticated(), authenticated(roles=["x"]))(told),
}


@STACKED
@pytest.mark.parametrize("name", IGNORING)
@pytest.mark.parametrize("required", [[], [REQUIRED]], ids=["", "required"])
def test_a_key_is_ignored_where_no_guard_takes_keys(settings, stack, name, required):
    settings.MIDDLEWARE = [*stack, *required]
    headers = bearer(key_of())
    answer = both(IGNORING[name], bobs_cookie(), headers=headers)
    assert answer.json() == BOBS


def who(request):
    return JsonResponse(
        [request.account and request.account.id, request.auth_via], safe=False
    )


def test_a_key_alone_makes_nobody_where_no_guard_takes_keys(settings):
    headers = {**FETCH, **bearer(key_of())}
    assert both(who, headers=headers).json() == [None, None]
    assert both(public(who), headers=headers).json() == [None, None]
    refused = both(authenticated(who), headers=headers)
    assert refused.status == 401
    assert refused.header("www-authenticate") == 'Cookie realm="session"'
    settings.MIDDLEWARE = [*STACK, REQUIRED]
    assert both(who, headers=headers).status == 401


def test_a_key_does_not_keep_people_from_the_log_in_page():
    answer = both(authenticated(told), headers={**PAGE, **bearer(key_of())})
    assert answer.status == 302


def test_an_ignored_key_is_not_even_looked_up(django_assert_num_queries):
    headers = bearer(key_of())
    with django_assert_num_queries(0):
        wsgi(authenticated(told), bobs_cookie(), headers=headers)
        wsgi(either(told), bobs_cookie(), headers={"Authorization": "Basic dss_"})


def test_any_of_takes_a_cookie_or_a_key_and_a_key_before_a_cookie():
    for view in (either(told), any_of(authorized(), authenticated())(told)):
        assert both(view, bobs_cookie()).json() == BOBS
        assert both(view, headers=bearer(key_of())).json() == ADAS
        assert both(view, bobs_cookie(), headers=bearer(key_of())).json() == ADAS
        assert both(view, headers=FETCH).status == 401


@pytest.mark.parametrize("options", [{"scopes": ["a"]}, {}])
def test_where_a_key_is_not_enough_the_cookie_does_not_make_up_for_it(options):
    view = any_of(authenticated(), authorized(scopes=["a", "b"]))(told)
    answer = both(
        view, bobs_cookie(), headers=bearer(key_of(*options.get("scopes", ())))
    )
    assert (answer.status, answer.json()["code"]) == (403, "insufficient_scope")


def test_a_cookie_with_the_right_role_is_asked_for_no_scope():
    view = any_of(authenticated(roles=["reader"]), authorized(scopes=["a"]))(told)
    assert both(view, bobs_cookie()).json() == BOBS
    assert both(view, signed_in("other"), headers=FETCH).status == 403


# Guards within guards


def tree_of(outer, view):
    return urlconf(path("tree/", outer(include([path("", view)]))))


def ask_tree(settings, outer, view, cookie=(), **headers):
    settings.ROOT_URLCONF = tree_of(outer, view)
    return both(cookie=cookie, path="/tree/", headers={**FETCH, **headers})


def test_a_key_within_a_session_needs_both(settings):
    ask = partial(ask_tree, settings, authenticated(), authorized(told))
    key = bearer(key_of())
    answer = ask(bobs_cookie(), **key)
    assert answer.json() == ADAS
    assert {"Cookie", "Authorization"} <= set(answer.header("vary").split(", "))
    assert ask(bobs_cookie()).header("www-authenticate") == 'Bearer realm="api"'
    assert ask(**key).header("www-authenticate") == 'Cookie realm="session"'


def test_no_session_counts_within_a_key(settings):
    ask = partial(ask_tree, settings, authorized(), authenticated(told))
    key = bearer(key_of())
    for answer in (ask(bobs_cookie(), **key), ask(**key)):
        assert answer.status == 401
        assert answer.header("www-authenticate") == 'Cookie realm="session"'
        assert answer.set_cookies == []
    assert ask(bobs_cookie()).status == 401


def test_nor_does_one_in_the_middle_of_a_view():
    def view(request):
        request.authenticated()
        return HttpResponse("in")

    headers = {**PAGE, **bearer(key_of())}
    answer = both(authorized(view), bobs_cookie(), headers=headers)
    assert (answer.status, answer.json()["code"]) == (401, "not_authenticated")


def test_a_key_that_either_guard_takes_passes_both(settings):
    headers = bearer(key_of("a"))
    answer = ask_tree(settings, either, authorized(scopes=["a"])(told), **headers)
    assert answer.json() == ADAS
    answer = ask_tree(settings, authorized(scopes=["a"]), either(told), **headers)
    assert answer.json() == ADAS


def test_a_second_guard_wants_its_own_scopes(settings):
    headers = bearer(key_of("a"))
    inner = authorized(scopes=["b"])(told)
    answer = ask_tree(settings, authorized(scopes=["a"]), inner, **headers)
    assert (answer.status, answer.json()["code"]) == (403, "insufficient_scope")
    assert 'scope="b"' in answer.header("www-authenticate")


def thrice(request):
    assert request.authorized() == request.authorized(scopes=["a"]) == request.account
    return told(request)


async def athrice(request):
    assert await request.aauthorized() == await request.aauthorized(scopes=["a"])
    return await atold(request)


@SERVER
@pytest.mark.parametrize("view", [thrice, athrice])
def test_a_key_is_looked_up_once_for_all_guards(heard, server, view):
    headers = bearer(key_of("a"))
    ApiKey.objects.update(last_used_at=timezone.now())
    with CaptureQueriesContext(connection) as queries:
        answer = server(either(authorized(view)), headers=headers)
    assert answer.json() == ADAS
    assert len(queries) == 1  # the provider answers from memory
    assert [name for name, _ in heard] == ["used"]


def test_a_view_may_try_again_with_another_wish(heard):
    def view(request):
        try:
            request.authorized(scopes=["b"])
        except NotAuthorized:
            request.authorized(scopes=["a"])
        return told(request)

    assert wsgi(view, headers=bearer(key_of("a"))).json() == ADAS
    assert [name for name, _ in heard] == ["rejected", "used"]


# Queries


class Queries:
    """What a request asks the database, on this server."""

    def __init__(self, server, headers) -> None:
        self.server, self.headers = server, headers

    def of(self, view=None, status=200) -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            answer = self.server(view or authorized(told), headers=self.headers)
        assert answer.status == status
        return [query["sql"].split()[0] for query in captured.captured_queries]


@pytest.fixture
def of_users(settings, transactional_db, django_user_model):
    """Let the site's accounts be Django's users; return the id of one."""
    settings.SECURE_SESSION = site(
        ACCOUNT_PROVIDER="django_secure_session.accounts.DjangoUserProvider"
    )
    return str(django_user_model.objects.create_user("carol").pk)


@SERVER
@pytest.mark.parametrize("view", [told, atold])
def test_a_key_costs_two_queries_and_a_note_a_minute(clock, server, view, of_users):
    key = new_key(account_id=of_users)
    queries = Queries(server, bearer(key.text))
    first = clock.datetime()
    assert queries.of(authorized(view)) == ["SELECT", "SELECT", "UPDATE"]
    assert queries.of(authorized(view)) == ["SELECT", "SELECT"]
    clock.tick(59.999)
    assert queries.of(authorized(view)) == ["SELECT", "SELECT"]
    key.api_key.refresh_from_db()
    assert key.api_key.last_used_at == first
    clock.tick(0.001)
    assert queries.of(authorized(view)) == ["SELECT", "SELECT", "UPDATE"]
    key.api_key.refresh_from_db()
    assert key.api_key.last_used_at == clock.datetime()


@SERVER
@pytest.mark.parametrize("view", [told, atold])
@pytest.mark.django_db(transaction=True)
def test_a_key_that_is_refused_is_not_noted(clock, server, view):
    revoked, orphan, stray = new_key(), new_key(account_id="eve"), new_key(org_id="x")
    expired = new_key(lifetime=timedelta(seconds=1))
    revoked.api_key.revoke()
    clock.tick(1)
    for key in (expired, revoked, orphan, stray):
        asked = Queries(server, bearer(key.text)).of(authorized(view), status=401)
        assert asked == ["SELECT"]
        key.api_key.refresh_from_db()
        assert key.api_key.last_used_at is None


@SERVER
def test_the_use_of_a_key_without_the_scope_is_noted(
    server, django_capture_on_commit_callbacks
):
    key = new_key()
    with django_capture_on_commit_callbacks(execute=True):
        answer = server(authorized(scopes=["a"])(told), headers=bearer(key.text))
    assert answer.status == 403
    key.api_key.refresh_from_db()
    assert key.api_key.last_used_at is not None


@SERVER
@pytest.mark.parametrize("text", ["", "x", "dss_live_x", "dss_live_" + "0" * 62])
def test_junk_costs_no_query(server, text):
    assert Queries(server, bearer(text)).of(status=401) == []


@SERVER
def test_an_unknown_key_costs_the_one_query_of_a_wrong_secret(server):
    unknown, wrong = new_key(), new_key()
    ApiKey.objects.filter(pk=unknown.api_key.pk).delete()
    ApiKey.objects.filter(pk=wrong.api_key.pk).update(digest="0" * 64)
    for key in (unknown, wrong):
        assert Queries(server, bearer(key.text)).of(status=401) == ["SELECT"]


@SERVER
@pytest.mark.parametrize("view", [told, atold])
def test_a_database_that_compares_loosely_lets_nobody_in(monkeypatch, server, view):
    key, other = new_key(), new_key()

    async def afind(self, digest):
        return other.api_key

    monkeypatch.setattr(ApiKeyManager, "find", lambda self, digest: other.api_key)
    monkeypatch.setattr(ApiKeyManager, "afind", afind)
    answer = server(authorized(view), headers=bearer(key.text))
    assert (answer.status, answer.json()["code"]) == (401, "invalid_key")


# Noting the use


@pytest.fixture
def hits(monkeypatch) -> list[int]:
    """How many rows each note of a use has changed."""
    hits: list[int] = []
    note_use = ApiKeyQuerySet.note_use

    def counted(self, *args):
        hits.append(note_use(self, *args))
        return hits[-1]

    monkeypatch.setattr(ApiKeyQuerySet, "note_use", counted)
    return hits


@pytest.mark.django_db(transaction=True)
def test_of_two_requests_at_once_one_notes_the_use(monkeypatch, hits):
    headers = bearer(key_of())
    get_account, other = Owners.get_account, []

    def meanwhile(self, *args):
        if not other:
            other.append(None)
            other.append(wsgi(authorized(told), headers=headers).status)
        return get_account(self, *args)

    monkeypatch.setattr(Owners, "get_account", meanwhile)
    assert wsgi(authorized(told), headers=headers).status == 200
    assert other == [None, 200]
    assert hits == [1, 0]


@pytest.fixture
def _atomic(monkeypatch, transactional_db):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)


@SERVER
@pytest.mark.usefixtures("_atomic")
def test_the_note_waits_for_the_end_of_the_views_transaction(server):
    key = new_key()

    def view(request):
        assert connection.in_atomic_block
        found = ApiKey.objects.get(pk=key.api_key.pk)
        return HttpResponse(str(found.last_used_at))

    assert server(authorized(view), headers=bearer(key.text)).body == b"None"
    key.api_key.refresh_from_db()
    assert key.api_key.last_used_at is not None


@SERVER
@pytest.mark.usefixtures("_atomic")
def test_the_use_by_a_view_that_is_rolled_back_is_noted(server):
    """A key that was leaked may meet nothing but errors."""
    key = new_key()

    def view(request):
        raise ZeroDivisionError

    assert server(authorized(view), headers=bearer(key.text)).status == 500
    key.api_key.refresh_from_db()
    assert key.api_key.last_used_at is not None


def failing(statement, error, table="secure_session_api_keys"):
    """Return a context in which such statements on a table fail."""

    def execute(run, sql, params, many, context):
        if sql.startswith(statement) and table in sql:
            raise error
        return run(sql, params, many, context)

    return connection.execute_wrapper(execute)


@SERVER
@pytest.mark.parametrize("view", [told, atold])
@pytest.mark.django_db(transaction=True)
def test_a_use_that_cannot_be_noted_breaks_nothing(server, view, caplog):
    read_only = OperationalError("attempt to write a readonly database")
    with failing("UPDATE", read_only):
        answer = server(authorized(view), headers=bearer(key_of()))
    assert answer.json() == ADAS
    assert "attempt to write a readonly database" in caplog.text


@SERVER
@pytest.mark.usefixtures("_atomic")
def test_nor_does_it_after_a_transaction(server, caplog):
    key = new_key()
    with failing("UPDATE", DatabaseError("read only")):
        answer = server(authorized(told), headers=bearer(key.text))
    assert answer.json() == ADAS
    assert "read only" in caplog.text


# The event loop


@pytest.fixture
def hops(monkeypatch) -> list[str]:
    """What is run in a thread, and across."""
    hops: list[str] = []

    def count(cls, name):
        original = getattr(cls, name)

        def counted(self, *args, **kwargs):
            asked = getattr(self, "func", None) or getattr(self, "awaitable", self)
            hops.append(getattr(asked, "__qualname__", type(asked).__name__))
            return original(self, *args, **kwargs)

        monkeypatch.setattr(cls, name, counted)

    count(SyncToAsync, "__call__")
    count(AsyncToSync, "__call__")
    return hops


@pytest.fixture
def hops_of(settings, hops):
    """Return what tells the hops of a request beyond those of the same view alone."""
    settings.MIDDLEWARE = [STACK[0], ACCOUNTS]

    def hops_of(view, headers, status=200):
        hops.clear()
        asgi(atold_alone)
        alone = list(hops)
        hops.clear()
        assert asgi(view, headers=headers).status == status
        more = list(hops)
        for hop in alone:
            more.remove(hop)
        return [hop for hop in more if hop != "log_response"]

    return hops_of


async def atold_alone(request):
    return HttpResponse("alone")


def test_a_key_makes_the_hops_of_its_look_ups(hops_of, of_users, clock):
    headers = bearer(key_of(account_id=of_users))
    first = hops_of(authorized(atold), headers)
    look_ups = ["ApiKeyManager.find", "QuerySet.get"]
    assert first == [*look_ups, "_note_use"]
    assert hops_of(authorized(atold), headers) == look_ups


@pytest.mark.parametrize("header", ["", "Bearer x", "Bearer dss_live_x", "Basic dss_"])
def test_junk_makes_no_hop(hops_of, header):
    headers = {"Authorization": header} if header else {}
    assert hops_of(authorized(atold), headers, status=401) == []


# A store that is down

DOWN = [OperationalError("no connection to db.internal"), InterfaceError("closed")]


def assert_503(answer):
    assert (answer.status, answer.header("retry-after")) == (503, "5")
    assert answer.header("cache-control") == "no-store"
    assert b"db.internal" not in answer.body
    assert answer.set_cookies == []


class Failing(Owners):
    """A provider that fails where a test says so."""

    errors: ClassVar[dict[str, Exception]] = {}

    def get_account(self, account_id, org_id):
        return self._answer("get_account", account_id, org_id)

    def get_org(self, account_id, org_id):
        return self._answer("get_org", account_id, org_id)

    def _answer(self, name, *args):
        if name in self.errors:
            raise self.errors[name]
        return getattr(super(), name)(*args)


class Noting(Owners):
    """A provider that notes what it is asked."""

    asked: ClassVar[list[tuple[str, ...]]] = []

    def get_account(self, *question):
        self.asked.append(("get_account", *question))
        return super().get_account(*question)

    def get_org(self, *question):
        self.asked.append(("get_org", *question))
        return super().get_org(*question)


@SERVER
@pytest.mark.parametrize("kind", VIEWS)
def test_the_provider_is_asked_of_the_owner_in_the_keys_organisation(
    settings, server, kind
):
    settings.SECURE_SESSION = with_provider("Noting")
    questions = {
        None: [("get_account", "ada", None)],
        "acme": [("get_org", "ada", "acme"), ("get_account", "ada", "acme")],
    }
    for org_id, expected in questions.items():
        Noting.asked.clear()
        headers = bearer(key_of(org_id=org_id))
        assert server(authorized(VIEWS[kind]), headers=headers).status == 200
        assert Noting.asked == expected


class Nonsense(Owners):
    """A provider that answers with texts."""

    def get_account(self, account_id, org_id):
        return account_id


class NonsenseOrg(Owners):
    def get_org(self, account_id, org_id):
        return org_id


def with_provider(provider):
    return site(ACCOUNT_PROVIDER=f"{__name__}.{provider}")


@pytest.fixture
def fails(settings):
    """Return what makes the provider fail."""
    settings.SECURE_SESSION = with_provider("Failing")
    Failing.errors = {}
    return Failing.errors


@STACKED
@SERVER
@pytest.mark.parametrize("kind", VIEWS)
@pytest.mark.parametrize("error", DOWN, ids=["operational", "interface"])
def test_a_key_is_answered_503_while_the_keys_are_down(
    settings, server, stack, kind, error
):
    settings.MIDDLEWARE = stack
    headers = bearer(key_of())
    with failing("SELECT", error):
        for guard in (authorized(), either):
            assert_503(server(guard(VIEWS[kind]), bobs_cookie(), headers=headers))


ANY_DOWN = [*DOWN, StoreUnavailable("The directory")]


@STACKED
@SERVER
@pytest.mark.parametrize("kind", VIEWS)
@pytest.mark.parametrize("asked", ["get_account", "get_org"])
def test_so_it_is_while_the_provider_is_down(
    settings, fails, server, stack, kind, asked
):
    settings.MIDDLEWARE = stack
    headers = bearer(key_of(org_id="acme"))
    for error in ANY_DOWN:
        fails[asked] = error
        assert_503(server(either(VIEWS[kind]), bobs_cookie(), headers=headers))


@SERVER
def test_no_entry_answers_otherwise_while_a_store_is_down(settings, fails, server):
    settings.ROOT_URLCONF = entry_urls()
    headers = bearer(key_of())
    fails["get_account"] = StoreUnavailable("The directory")
    for entry in ENTRIES:
        assert_503(server(path=entry, cookie=bobs_cookie(), headers=headers))


def test_the_log_tells_which_database_is_down(fails, caplog):
    headers = bearer(key_of())
    with failing("SELECT", DOWN[0]):
        wsgi(authorized(told), headers=headers)
    assert "The database with the API keys can't be reached" in caplog.text
    caplog.clear()
    fails["get_account"] = DOWN[0]
    wsgi(authorized(told), headers=headers)
    assert "The database with the accounts can't be reached" in caplog.text


@SERVER
def test_nobody_is_told_of_a_key_that_could_not_be_looked_up(heard, server):
    headers = bearer(key_of())
    with failing("SELECT", DOWN[0]):
        server(authorized(told), headers=headers)
    assert heard == []


@SERVER
@pytest.mark.parametrize("kind", VIEWS)
def test_another_error_of_the_provider_is_the_sites(fails, server, kind, caplog):
    fails["get_account"] = ZeroDivisionError()
    answer = server(authorized(VIEWS[kind]), headers=bearer(key_of()))
    assert answer.status == 500
    assert any(isinstance(r.exc_info[1], ZeroDivisionError) for r in caplog.records)


@SERVER
@pytest.mark.parametrize("kind", VIEWS)
@pytest.mark.parametrize("provider", ["Nonsense", "NonsenseOrg"])
def test_a_provider_that_answers_nonsense_is_the_sites_error(
    settings, server, kind, provider, caplog
):
    settings.SECURE_SESSION = with_provider(provider)
    answer = server(authorized(VIEWS[kind]), headers=bearer(key_of(org_id="acme")))
    assert answer.status == 500
    assert "ACCOUNT_PROVIDER has returned a str" in caplog.text


# Signals


@pytest.fixture
def heard():
    """What receivers are told, in its order."""
    heard: list[tuple[str, dict]] = []

    def used(sender, **named):
        heard.append(("used", {"sender": sender, **named}))

    def rejected(sender, **named):
        heard.append(("rejected", {"sender": sender, **named}))

    api_key_used.connect(used)
    api_key_rejected.connect(rejected)
    yield heard
    api_key_used.disconnect(used)
    api_key_rejected.disconnect(rejected)


def told_of(event) -> dict:
    return {name: value for name, value in event[1].items() if name != "signal"}


@SERVER
@pytest.mark.parametrize("kind", VIEWS)
def test_a_use_is_told_with_what_an_access_log_has(settings, heard, server, kind):
    view = authorized(scopes=["a"])(VIEWS[kind])
    inner = include(([path("<int:year>/", view, name="report")], "books"))
    settings.ROOT_URLCONF = urlconf(path("reports/", inner))
    key = new_key("a", "b", org_id="acme")
    url = "/reports/2026/?token=hidden"
    assert server(path=url, method="PUT", headers=bearer(key.text)).status == 200
    (event,) = heard
    assert event[0] == "used"
    assert told_of(event) == {
        "sender": ApiKey,
        "key_id": key.api_key.pk,
        "account": ADA,
        "org": ACME,
        "view": "books:report",
        "method": "PUT",
        "path": "/reports/2026/",
    }


def test_a_view_without_a_name_is_told_by_its_path(settings, heard):
    settings.ROOT_URLCONF = urlconf(path("", authorized(told)))
    wsgi(headers=bearer(key_of(account_id="bob")))
    ((_, event),) = heard
    assert (event["view"], event["account"], event["org"]) == (
        "tests.api_keys.told",
        BOB,
        None,
    )


@pytest.fixture
def rejected_keys(clock):
    """Return keys by why they are refused, with their id."""
    expired = new_key(lifetime=timedelta(seconds=5))
    clock.tick(5)
    revoked, unknown, lacking = new_key(), new_key(), new_key("b")
    revoked.api_key.revoke()
    ApiKey.objects.filter(pk=unknown.api_key.pk).update(digest="0" * 64)
    keys = {
        "expired": expired,
        "revoked": revoked,
        "unknown": unknown,
        "insufficient_scope": lacking,
        "no_account": new_key(account_id="eve"),
        "no_org": new_key(org_id="nowhere"),
    }
    found = {why: (key.text, key.api_key.pk) for why, key in keys.items()}
    return found | {"malformed": (expired.text[:-1], "")}


@SERVER
@pytest.mark.parametrize("kind", VIEWS)
def test_each_refusal_is_told_with_its_reason(
    settings, heard, server, kind, rejected_keys
):
    view = authorized(scopes=["a"])(VIEWS[kind])
    settings.ROOT_URLCONF = urlconf(path("x/", view, name="x"))
    for reason, (text, key_id) in rejected_keys.items():
        heard.clear()
        status = server(path="/x/?q=1", headers=bearer(text)).status
        assert (reason, status) == (reason, 403 if "scope" in reason else 401)
        (event,) = heard
        assert event[0] == "rejected"
        assert told_of(event) == {
            "sender": ApiKey,
            "reason": reason,
            "key_id": key_id,
            "view": "x",
            "method": "GET",
            "path": "/x/",
        }


def test_the_log_warns_of_nothing_but_an_unknown_secret(caplog, rejected_keys):
    view = authorized(scopes=["a"])(told)
    for reason, (text, key_id) in rejected_keys.items():
        caplog.clear()
        with caplog.at_level(logging.INFO, "django_secure_session"):
            wsgi(view, headers=bearer(text))
        (record,) = [r for r in caplog.records if r.name == "django_secure_session"]
        assert (
            record.getMessage() == f"Refused an API key ({key_id or 'no id'}): {reason}"
        )
        assert (record.levelname == "WARNING") == (reason == "unknown")


@SERVER
@pytest.mark.parametrize("header", [None, "", "Basic x", "Bearer", "Bearer "])
def test_nobody_is_told_where_nothing_was_shown(heard, server, header):
    headers = {} if header is None else {"Authorization": header}
    assert server(authorized(told), headers=headers).status == 401
    assert heard == []


@SERVER
@pytest.mark.parametrize("kind", VIEWS)
@pytest.mark.parametrize("signal", [api_key_used, api_key_rejected])
def test_a_receiver_that_raises_breaks_nothing(server, kind, signal, caplog):
    def receiver(**named):
        raise ZeroDivisionError("in a receiver")

    signal.connect(receiver)
    try:
        good = server(authorized(VIEWS[kind]), headers=bearer(key_of()))
        bad = server(authorized(VIEWS[kind]), headers=bearer("dss_live_x"))
    finally:
        signal.disconnect(receiver)
    assert (good.json(), bad.status) == (ADAS, 401)
    assert "in a receiver" in caplog.text


@SERVER
@pytest.mark.parametrize("kind", VIEWS)
def test_an_async_receiver_is_told_too(server, kind):
    names = []

    async def receiver(*, key_id, **named):
        names.append(key_id)

    key = new_key()
    api_key_used.connect(receiver)
    try:
        assert server(authorized(VIEWS[kind]), headers=bearer(key.text)).json() == ADAS
    finally:
        api_key_used.disconnect(receiver)
    assert names == [key.api_key.pk]


# Forgery


@SERVER
@STACKED
@pytest.mark.parametrize("kind", VIEWS)
def test_a_good_key_needs_no_token_against_forgery(settings, server, stack, kind):
    settings.MIDDLEWARE = stack
    for guard in (authorized(), either):
        for cookie in ((), bobs_cookie()):
            answer = server(
                guard(VIEWS[kind]), cookie, method="POST", headers=bearer(key_of())
            )
            assert answer.json() == ADAS


NOT_SHOWN = [
    *("{key}", "Basic {key}", "Token {key}", "Bearer  {key}", "Bearer\t{key}"),
    *("Bearer: {key}", "Bearer{key}", 'Bearer "{key}"', "Basic x, Bearer {key}"),
    *("Bearer x{key}", " Bearer {key}", "Bearer ds{key}", "Bearer _{key}"),
]


@SERVER
@STACKED
@pytest.mark.parametrize("kind", VIEWS)
def test_a_good_key_that_does_not_count_switches_no_check_off(
    settings, server, stack, kind
):
    settings.MIDDLEWARE = stack
    text, secret = key_of(), new_secret()
    cookie = together(bobs_cookie(), csrf_cookie(secret))
    view = either(VIEWS[kind])
    for header in NOT_SHOWN:
        headers = {**FETCH, "Authorization": header.format(key=text)}
        forged = server(view, cookie, method="POST", headers=headers)
        assert (header, forged.status) == (header, 403)
        assert b"CSRF verification failed" in forged.body
        headers["X-CSRFToken"] = secret
        assert server(view, cookie, method="POST", headers=headers).json() == BOBS


@SERVER
def test_what_begins_as_a_key_in_any_case_decides_alone(server):
    text = key_of()
    for header in (f"bearer {text}", f"BEARER {text}", f"bEaReR {text}"):
        headers = {**FETCH, "Authorization": header}
        assert server(either(told), bobs_cookie(), headers=headers).json() == ADAS
    for wrong in (text.upper(), "DSS" + text[3:], "Dss_"):
        answer = server(either(told), bobs_cookie(), headers=bearer(wrong))
        assert answer.json()["code"] == "invalid_key"


@SERVER
@pytest.mark.parametrize("name", ["X-Authorization", "Proxy-Authorization"])
def test_a_good_key_in_another_header_switches_no_check_off(server, name):
    headers = {**FETCH, name: bearer(key_of())["Authorization"]}
    forged = server(either(told), bobs_cookie(), method="POST", headers=headers)
    assert forged.status == 403


@SERVER
def test_a_good_key_switches_no_check_off_where_only_sessions_count(server):
    headers = {**FETCH, **bearer(key_of())}
    for view in (authenticated(told), csrf_exempt(authenticated(told))):
        forged = server(view, bobs_cookie(), method="POST", headers=headers)
        assert b"CSRF verification failed" in forged.body


def test_a_session_around_a_key_is_still_checked(settings):
    settings.ROOT_URLCONF = tree_of(authenticated(), authorized(told))
    headers = {**FETCH, **bearer(key_of())}
    forged = both(cookie=bobs_cookie(), path="/tree/", method="POST", headers=headers)
    assert b"CSRF verification failed" in forged.body


# Caches

UPDATE = "django.middleware.cache.UpdateCacheMiddleware"
FROM = "django.middleware.cache.FetchFromCacheMiddleware"


def in_view(request):
    request.authorized()
    return told(request)


async def ain_view(request):
    await request.aauthorized()
    return await atold(request)


def cached(view):
    return cache_page(60)(view)


CACHED = {
    "around": cached(authorized(told)),
    "around async": cached(authorized(atold)),
    "inside": authorized(cached(told)),
    "around any_of": cached(either(told)),
    "around a guard in the view": cached(in_view),
    "around an async guard in the view": cached(ain_view),
}
ALSO = {"on the view": authorized(told), "in it": in_view, "any_of": either(told)}


def assert_not_shared(headers, other, view):
    """Show that nobody is served what was for another."""
    cache.clear()
    for _ in range(2):
        assert wsgi(view, headers=headers).json()["account"] == "ada"
        assert wsgi(view, headers=other).json()["account"] == "bob"
        for rest in (FETCH, bearer("dss_live_x"), {**FETCH, "Authorization": "x"}):
            assert wsgi(view, headers=rest).status == 401
            answer = wsgi(view, signed_in(id="eve"), headers=rest)
            assert answer.status == 401 or answer.json()["account"] == "eve"


@pytest.mark.parametrize("name", CACHED)
@STACKED
def test_a_cached_page_is_for_the_key_it_was_made_for(settings, name, stack):
    settings.MIDDLEWARE = stack
    assert_not_shared(bearer(key_of()), bearer(key_of(account_id="bob")), CACHED[name])


@pytest.mark.parametrize("name", ALSO)
@STACKED
def test_so_is_one_in_the_cache_of_the_site(settings, name, stack):
    settings.MIDDLEWARE = [UPDATE, *stack, FROM]
    assert_not_shared(bearer(key_of()), bearer(key_of(account_id="bob")), ALSO[name])


def test_a_page_is_cached_for_its_key(settings):
    settings.MIDDLEWARE = [UPDATE, *STACK, FROM]
    calls = []

    def view(request):
        calls.append(request)
        return told(request)

    cache.clear()
    headers = bearer(key_of())
    for _ in range(2):
        assert wsgi(authorized(view), headers=headers).json() == ADAS
    assert len(calls) == 1


VARIES = {
    "authorized": (authorized(told), {"Authorization"}),
    "any_of": (either(told), {"Authorization", "Cookie"}),
    "in the view": (in_view, {"Authorization"}),
    "in an async view": (ain_view, {"Authorization"}),
}


@pytest.mark.parametrize("name", VARIES)
@STACKED
def test_each_answer_tells_caches_what_it_varies_with(settings, name, stack):
    settings.MIDDLEWARE = stack
    view, expected = VARIES[name]
    key = key_of()
    for text in (key, key[:-1], ""):
        answer = both(view, headers={**FETCH, **bearer(text)})
        assert set(answer.header("vary").split(", ")) == expected


def test_a_view_that_asks_for_no_key_does_not_vary_with_it():
    answer = both(lambda request: HttpResponse("ok"), headers=bearer(key_of()))
    assert answer.header("vary") is None
    answer = both(authenticated(told), bobs_cookie(), headers=bearer(key_of()))
    assert answer.header("vary") == "Cookie"


# Sites that lack something


@pytest.mark.parametrize("name", ["function/", "async_function/", "session_or_key/"])
def test_a_guard_without_its_middleware_says_so(settings, name):
    settings.MIDDLEWARE = [each for each in STACK if each != ACCOUNTS]
    settings.ROOT_URLCONF = entry_urls()
    with pytest.raises(ImproperlyConfigured, match="AccountMiddleware"):
        Client().get(f"/{name}", headers=bearer(key_of()))


def test_without_the_app_every_key_is_refused(settings, heard):
    headers = bearer(key_of())
    settings.ROOT_URLCONF = entry_urls()
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if "api_keys" not in app
    ]
    for entry in ENTRIES:
        for text in (headers, bearer("dss_live_x")):
            answer = both(path=entry, cookie=bobs_cookie(), headers={**FETCH, **text})
            assert (entry, answer.status) == (entry, 401)
            assert answer.header("www-authenticate")
    assert heard == []


# Named sessions


class Unasked(Owners):
    """The provider of a named session, which no key asks."""

    def get_account(self, account_id, org_id):
        raise AssertionError("it was asked")

    get_org = get_account


def test_below_a_url_prefix_the_sites_own_provider_is_asked(settings):
    area = {
        "COOKIE_NAME": "area",
        "URL_PREFIX": "/area/",
        "ACCOUNT_PROVIDER": f"{__name__}.Unasked",
    }
    settings.SECURE_SESSION = site(SESSIONS={"area": area})
    headers = bearer(key_of(org_id="acme"))
    for view in (told, atold):
        answer = both(authorized(view), path="/area/", headers=headers)
        assert answer.json() == {**ADAS, "org": "acme"}
