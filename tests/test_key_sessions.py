"""The session and the user of a request that an API key has let in.

No response to one brings or deletes a cookie of any session, whatever a view does.
"""

from __future__ import annotations

import contextlib
import json

import pytest
from asgiref.sync import iscoroutinefunction
from django.apps import apps
from django.contrib import auth, messages
from django.contrib.auth import get_user_model
from django.contrib.auth.context_processors import auth as auth_context
from django.contrib.auth.middleware import get_user as middleware_get_user
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.middleware.csrf import get_token
from django.test import Client
from django.utils.decorators import sync_and_async_middleware
from django.utils.functional import SimpleLazyObject

import django_secure_session
from django_secure_session import (
    Account,
    Org,
    any_of,
    authenticated,
    authorized,
    create_session,
    decode_session,
)
from django_secure_session.accounts.claims import parse
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.conf import get_configs
from django_secure_session.context_processors import account as account_context
from django_secure_session.exceptions import SessionReadOnly
from tests import members
from tests.api_keys import ACME, ADA, bearer, key_of
from tests.api_keys import key_site as key_site
from tests.http import asgi, both, wsgi
from tests.http_guards import STACK, STOCK, signed_in, together
from tests.visits import DELETED, LEFT_ALONE, refused_cookie, site

OURS, DJANGOS = STACK, STOCK
STACKED = pytest.mark.parametrize("stack", [OURS, DJANGOS], ids=["ours", "stock"])
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"
BACKEND = "django.contrib.auth.backends.ModelBackend"
#: What drops the claims, because it drops all there is.
ENDING = {
    *("clear", "delete", "flush", "regenerate", "renew", "replace_claims"),
    *("adelete", "aflush", "aregenerate"),
}


@pytest.fixture(autouse=True)
def _site(key_site):
    """Take keys, and let those who have none do the same."""
    cache.clear()


@pytest.fixture
def key() -> dict[str, str]:
    """Return the headers of a key that is good for what is asked here."""
    return bearer(key_of(org_id="acme"))


@pytest.fixture
def ask(key):
    """Return what asks a view with the key, on both servers."""

    def ask(view, cookie=(), server=both, **options):
        headers = {**key, **options.pop("headers", {})}
        return server(authorized(view), cookie, headers=headers, **options)

    return ask


def done(action):
    """Return a view that does something with its request."""

    def view(request):
        return HttpResponse(repr(action(request)))

    return view


def adone(action):
    async def view(request):
        return HttpResponse(repr(await action(request)))

    return view


# What the session is


def look(session):
    found = parse(session.claims)
    return {
        "account": found.account.id,
        "org": found.org.id,
        "proved": [found.authenticated_at, *found.methods],
        "data": dict(session.items()),
        "modified": session.modified,
        "accessed": session.accessed,
        "is_empty": session.is_empty(),
        "key": session.session_key,
        "ours": isinstance(session, SessionStore),
    }


FRESH = {
    "account": "ada",
    "org": "acme",
    "proved": [0],
    "data": {},
    "modified": False,
    "accessed": False,
    "is_empty": False,
    "key": None,
    "ours": True,
}


@STACKED
def test_the_session_is_one_in_memory_with_the_claims_of_the_key(settings, ask, stack):
    settings.MIDDLEWARE = stack
    view = lambda request: JsonResponse(look(request.session))  # noqa: E731
    cookie = signed_in(id="bob", data={"a": 1})
    assert ask(view, cookie).json() == FRESH


def test_the_claims_are_of_now_and_no_log_in(ask, clock):
    seen = []
    ask(done(lambda request: seen.append(parse(request.session.claims))), server=wsgi)
    (claims,) = seen
    assert (claims.account, claims.org, claims.log_in) == (ADA, ACME, "")
    assert claims.read_at == int(clock.now)


def test_a_session_lasts_for_its_request_only(ask):
    def view(request):
        before = dict(request.session.items())
        request.session["a"] = 1
        return JsonResponse([before, dict(request.session.items())], safe=False)

    assert ask(view).json() == [{}, {"a": 1}]
    assert ask(view).json() == [{}, {"a": 1}]


def test_a_second_guard_leaves_the_session_as_it_is(ask):
    def view(request):
        before = request.session
        before["a"] = 1
        request.authorized()
        return JsonResponse(
            [request.session is before, request.session["a"]], safe=False
        )

    assert ask(view).json() == [True, 1]


def state(session):
    flags = session.modified, session.accessed, session.is_empty()
    return (*flags, session.session_key)


UNCHANGED = (False, False, False, None)


@STACKED
def test_no_use_of_the_session_marks_it_or_sends_a_cookie(settings, ask, stack):
    settings.MIDDLEWARE = stack
    cookie = signed_in(id="bob", data={"a": 1, "testcookie": "worked"})
    for name in members.SYNC:
        if stack is DJANGOS and name == "options":
            continue  # it says itself that it needs our middleware

        def view(request, name=name):
            session = request.session
            with members.no_such_key:
                members.use(session, name)
            who = parse(session.claims)
            return HttpResponse(repr((state(session), who is not None)))

        answer = ask(view, cookie, server=wsgi)
        kept = name not in ENDING
        assert (name, answer.body.decode()) == (name, repr((UNCHANGED, kept)))
        assert answer.set_cookies == []


@STACKED
def test_no_awaited_use_of_it_does_either(settings, ask, stack):
    settings.MIDDLEWARE = stack
    cookie = signed_in(id="bob", data={"a": 1, "testcookie": "worked"})
    for name in members.ASYNC:

        async def view(request, name=name):
            session = request.session
            with members.no_such_key:
                await members.ause(session, name)
            who = parse(await session.aclaims())
            return HttpResponse(repr((state(session), who is not None)))

        answer = ask(view, cookie, server=asgi)
        kept = name not in ENDING
        assert (name, answer.body.decode()) == (name, repr((UNCHANGED, kept)))
        assert answer.set_cookies == []


def test_the_session_seals_and_opens_other_texts_as_any_does(ask):
    def view(request):
        sealed = request.session.encode({"a": 1})
        return JsonResponse(request.session.decode(sealed))

    assert ask(view).json() == {"a": 1}


def test_a_session_of_nothing_but_memory_has_no_key_that_exists(ask):
    token = create_session({"a": 1}).session_key
    answer = ask(done(lambda r: (r.session.exists(token), r.session.exists(None))))
    assert answer.body == b"(True, False)"


def test_setting_its_flags_comes_to_nothing(ask):
    def view(request):
        request.session.modified = request.session.accessed = True
        return HttpResponse(repr(state(request.session)))

    assert ask(view).body.decode() == repr(UNCHANGED)


@pytest.mark.parametrize("every", [False, True])
def test_there_is_a_session_for_who_asks_whether_there_is_one(settings, ask, every):
    settings.SESSION_SAVE_EVERY_REQUEST = every
    answer = ask(done(lambda request: "yes" if request.session else "no"))
    assert (answer.status, answer.body) == (200, b"'yes'")


# Cookies beside the key


def write(request):
    request.session["b"] = 2
    request.session.save()


def flush(request):
    request.session.flush()


def cycle(request):
    request.session["b"] = 2
    request.session.cycle_key()


def read(request):
    return request.session.get("a"), request.user.pk, request.account


ACTIONS = [read, write, flush, cycle]


def beside(clock) -> dict[str, bytes]:
    """Return cookies that a client may send beside its key."""
    good, other = (create_session({"a": n}).session_key for n in (1, 2))
    named = {"none": "", "good": good, "two": f"{good}; sessionid={other}"}
    named |= {why: refused_cookie(why, clock) for why in [*DELETED, *LEFT_ALONE]}
    cookies = {name: f"sessionid={value}".encode() for name, value in named.items()}
    old = signed_in(id="bob", read=100_000)
    return cookies | {"account": signed_in(id="bob"), "stale claims": old}


SETTINGS = {
    "plain": {},
    "every request": {"SESSION_SAVE_EVERY_REQUEST": True},
    "with the browser": {"SESSION_EXPIRE_AT_BROWSER_CLOSE": True},
}


@STACKED
@pytest.mark.parametrize("name", SETTINGS)
def test_no_cookie_beside_a_key_is_renewed_or_deleted(
    settings, ask, clock, stack, name
):
    settings.MIDDLEWARE = stack
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=3600, CLAIMS_MAX_AGE=60)
    for setting, value in SETTINGS[name].items():
        setattr(settings, setting, value)
    cookies = beside(clock)
    clock.tick(1000)  # the idle clock is due
    for cookie in cookies.values():
        for action in ACTIONS:
            answer = ask(done(action), cookie, server=wsgi)
            assert answer.status == 200
            assert answer.set_cookies == []


@STACKED
def test_nor_under_asgi(settings, ask, clock, stack):
    settings.MIDDLEWARE = stack
    settings.SESSION_SAVE_EVERY_REQUEST = True
    cookie = signed_in(id="bob")
    for action in ACTIONS:
        assert ask(done(action), cookie, server=asgi).set_cookies == []


@STACKED
def test_without_a_key_these_actions_do_send_cookies(settings, clock, stack):
    settings.MIDDLEWARE = stack
    cookie = signed_in(id="bob", data={"a": 1})
    for action in (write, flush, cycle):
        assert both(authenticated(done(action)), cookie).set_cookies


@pytest.mark.parametrize("placement", ["chunked", "spill"])
def test_no_large_session_sends_a_cookie(settings, ask, placement):
    settings.SECURE_SESSION = site(PLACEMENT=placement)
    old = create_session({"old": "x" * 2000})

    def view(request):
        request.session["large"] = "x" * 100_000
        request.session.save()

    cookie = b"; sessionid.".join(
        [f"sessionid={old.session_key}".encode(), b"1=x", b"2=y"]
    )
    answer = ask(done(view), cookie)
    assert (answer.status, answer.set_cookies) == (200, [])


def test_a_large_session_of_the_cookie_stays_in_the_cache(settings, ask):
    settings.SECURE_SESSION = site(PLACEMENT="spill", SPILL_ABOVE=0)
    token = create_session({"a": 1}).session_key
    for action in ACTIONS:
        ask(done(action), f"sessionid={token}".encode())
    assert decode_session(token).data() == {"a": 1}


# Named sessions


@pytest.fixture
def named(settings):
    """Return the attributes of the sessions on a request."""
    area = {"COOKIE_NAME": "area", "URL_PREFIX": "/area/"}
    settings.SECURE_SESSION = site(SESSIONS={"prefs": {}, "area": area})
    return [config.attribute for config in get_configs().values()]


@pytest.mark.parametrize("path", ["/", "/area/"])
@pytest.mark.parametrize("every", [False, True])
def test_no_named_session_sends_a_cookie_either(settings, ask, named, path, every):
    settings.SESSION_SAVE_EVERY_REQUEST = every

    def view(request):
        for name in named:
            session = getattr(request, name)
            session["a"] = 1
            session.save()
        return HttpResponse("done")

    kept = together(
        signed_in(data={"old": 1}), signed_in(alias="area"), signed_in(alias="prefs")
    )
    for cookie in ((), kept):
        answer = ask(view, cookie, path=path)
        assert (answer.status, answer.set_cookies) == (200, [])
    assert both(view, path=path).set_cookies


def test_no_named_session_is_deleted_either(ask, named):
    def view(request):
        for name in named:
            getattr(request, name).flush()
        return HttpResponse("done")

    kept = together(signed_in(), signed_in(alias="area"), signed_in(alias="prefs"))
    assert ask(view, kept, path="/area/").set_cookies == []
    assert both(view, kept, path="/area/").set_cookies


def test_below_a_url_prefix_the_session_is_that_of_the_key(ask, named):
    view = lambda request: JsonResponse(look(request.session))  # noqa: E731
    cookie = signed_in(id="bob", alias="area", data={"a": 1})
    assert ask(view, cookie, path="/area/").json() == FRESH


# Responses of every kind


def raising(error):
    def view(request):
        request.session["a"] = 1
        raise error

    return view


def streaming(request):
    def parts():
        request.session["a"] = 1
        yield b"one "
        request.session.flush()
        yield b"two"

    return StreamingHttpResponse(parts())


async def astreaming(request):
    async def parts():
        await request.session.aset("a", 1)
        yield b"one "
        await request.session.aflush()
        yield b"two"

    return StreamingHttpResponse(parts())


RESPONSES = {
    200: lambda request: HttpResponse("ok"),
    302: lambda request: HttpResponseRedirect("/"),
    403: raising(PermissionDenied("no")),
    404: raising(Http404("no")),
    500: raising(ZeroDivisionError("no")),
}


@STACKED
@pytest.mark.parametrize("every", [False, True])
def test_no_kind_of_response_brings_a_cookie(settings, ask, stack, every):
    settings.MIDDLEWARE = stack
    settings.SESSION_SAVE_EVERY_REQUEST = every
    for cookie in (signed_in(), b"sessionid=junk", ()):
        for status, view in RESPONSES.items():
            answer = ask(view, cookie)
            assert (answer.status, answer.set_cookies) == (status, [])


@STACKED
def test_no_stream_brings_a_cookie(settings, ask, stack):
    settings.MIDDLEWARE = stack
    for view, server in ((streaming, wsgi), (astreaming, asgi)):
        answer = ask(view, signed_in(), server=server)
        assert (answer.body, answer.set_cookies) == (b"one two", [])


@STACKED
@pytest.mark.parametrize("kind", ["session", "fallback"])
def test_messages_are_for_the_request_alone(settings, ask, stack, kind):
    settings.MIDDLEWARE = [*stack, MESSAGES]
    settings.MESSAGE_STORAGE = (
        f"django.contrib.messages.storage.{kind}.{kind.title()}Storage"
    )

    def view(request):
        waiting = [str(message) for message in messages.get_messages(request)]
        messages.add_message(request, messages.INFO, "of the key")
        return JsonResponse(waiting, safe=False)

    stored = json.dumps([["__json_message", 0, 20, "of the cookie"]])
    answer = ask(view, signed_in(data={"_messages": stored}))
    assert answer.json() == []
    assert not [line for line in answer.set_cookies if line.startswith("sessionid")]
    assert ask(view, signed_in()).json() == []


@STACKED
def test_a_token_against_forgery_is_kept_in_no_session(settings, ask, stack):
    settings.MIDDLEWARE, settings.CSRF_USE_SESSIONS = stack, True
    for cookie in ((), signed_in(), signed_in(data={"_csrftoken": "x" * 32})):
        answer = ask(done(get_token), cookie, server=wsgi)
        assert (answer.status, answer.set_cookies) == (200, [])


# Logging in and out


@pytest.fixture
def user(db):
    return get_user_model().objects.create_user("carol")


OURS_BY_NAME = {
    "login": (Account(id="eve", role="user", verified=True), Org(id="acme")),
    "logout": (),
    "switch_org": ("post",),
    "reauthenticate": (),
}


def refusal(action):
    """Return a view that tells what it raised, and who it is from afterwards."""

    def view(request):
        caught = "nothing"
        try:
            action(request)
        except SessionReadOnly as error:
            caught = f"SessionReadOnly: {error}"
        return JsonResponse([caught, request.account.id, request.auth_via], safe=False)

    return view


def arefusal(action):
    async def view(request):
        caught = "nothing"
        try:
            await action(request)
        except SessionReadOnly as error:
            caught = f"SessionReadOnly: {error}"
        account = await request.aaccount()
        return JsonResponse([caught, account.id, request.auth_via], safe=False)

    return view


def assert_read_only(answer):
    caught, account, via = answer.json()
    assert caught.startswith("SessionReadOnly: An API key has let this request in")
    assert (account, via) == ("ada", "api_key")
    assert answer.set_cookies == []


@pytest.mark.parametrize("name", OURS_BY_NAME)
@pytest.mark.parametrize("cookie", [(), signed_in], ids=["key alone", "beside one"])
@STACKED
def test_who_came_with_a_key_neither_logs_in_nor_out(
    settings, ask, name, cookie, stack
):
    settings.MIDDLEWARE = stack
    args = OURS_BY_NAME[name]

    def call(request):
        return getattr(django_secure_session, name)(request, *args)

    def acall(request):
        return getattr(django_secure_session, f"a{name}")(request, *args)

    sent = cookie() if cookie else ()
    assert_read_only(ask(refusal(call), sent))
    assert_read_only(ask(arefusal(acall), sent))


@STACKED
def test_nor_does_django_log_in(settings, ask, user, stack):
    settings.MIDDLEWARE = stack

    def call(request):
        auth.login(request, user, BACKEND)

    async def acall(request):
        await auth.alogin(request, user, BACKEND)

    for cookie in ((), signed_in()):
        assert_read_only(ask(refusal(call), cookie))
        assert_read_only(ask(arefusal(acall), cookie))
    user.refresh_from_db()
    assert user.last_login is None


@STACKED
@pytest.mark.parametrize("every", [False, True])
def test_djangos_log_out_leaves_the_cookie(settings, ask, stack, every):
    settings.MIDDLEWARE, settings.SESSION_SAVE_EVERY_REQUEST = stack, every

    def view(request):
        auth.logout(request)
        return HttpResponse(request.account.id)

    async def aview(request):
        await auth.alogout(request)
        return HttpResponse((await request.aaccount()).id)

    for each in (view, aview):
        answer = ask(each, signed_in(id="bob"))
        assert (answer.body, answer.set_cookies) == (b"ada", [])


# What the cookie says is out of reach


def signed_in_user(user) -> bytes:
    """Return the cookie of somebody whom Django has logged in."""
    client = Client()
    client.force_login(user)
    return f"sessionid={client.cookies['sessionid'].value}".encode()


seen_early: list[object] = []


@sync_and_async_middleware
def looks_early(get_response):
    """Look at whom the cookie is from, before any guard, and keep what was lazy."""

    def look_at(request):
        kept = SimpleLazyObject(lambda: request.user.get_username() or "nobody")
        request.unasked = kept
        request.lazy_user = request.user  # asked for only after the guard
        if request.GET.get("early"):
            seen_early.append((request.user.get_username(), request.auth_via))
            request.session["early"] = 1

    def middleware(request):
        look_at(request)
        return get_response(request)

    async def amiddleware(request):
        request.unasked = request.lazy_user = None
        user = await request.auser()
        if request.GET.get("early"):
            await request.aaccount()
            seen_early.append((user.get_username(), request.auth_via))
            await request.session.aset("early", 1)
        return await get_response(request)

    return amiddleware if iscoroutinefunction(get_response) else middleware


def everybody(request):
    """Return each way to ask who a request is from."""
    contexts = account_context(request)
    return {
        "user": request.user.get_username(),
        "auth.get_user": auth.get_user(request).get_username(),
        "middleware": middleware_get_user(request).get_username(),
        "template's user": auth_context(request)["user"].get_username(),
        "unasked": str(request.unasked or "nobody"),
        "account": request.account.id,
        "org": request.org.id,
        "template's account": contexts["account"].id,
        "template's org": contexts["org"].id,
        "via": request.auth_via,
        "data": dict(request.session.items()),
    }


async def aeverybody(request):
    return {
        "user": request.user.get_username(),
        "auser": (await request.auser()).get_username(),
        "auth.aget_user": (await auth.aget_user(request)).get_username(),
        "aaccount": (await request.aaccount()).id,
        "aorg": (await request.aorg()).id,
        "via": request.auth_via,
        "data": dict(await request.session.aitems()),
    }


NOBODY_ELSE = {
    "user": "",
    "auth.get_user": "",
    "middleware": "",
    "template's user": "",
    "unasked": "nobody",
    "account": "ada",
    "org": "acme",
    "template's account": "ada",
    "template's org": "acme",
    "via": "api_key",
    "data": {},
    "auser": "",
    "auth.aget_user": "",
    "aaccount": "ada",
    "aorg": "acme",
}


@pytest.fixture(params=["", "?early=1"], ids=["unasked", "asked before"])
def early(request, settings):
    seen_early.clear()
    return f"/{request.param}"


@STACKED
def test_nobody_of_the_cookie_is_left(settings, ask, user, stack, early):
    settings.MIDDLEWARE = [*stack, f"{__name__}.looks_early"]
    view = lambda request: JsonResponse(everybody(request))  # noqa: E731
    answer = ask(view, signed_in_user(user), path=early, server=wsgi)
    said = answer.json()
    assert said == {name: NOBODY_ELSE[name] for name in said}
    assert answer.set_cookies == []
    assert len(seen_early) == (1 if "early" in early else 0)


@STACKED
def test_nobody_is_left_for_async_code(settings, ask, user, stack, early):
    settings.MIDDLEWARE = [*stack, f"{__name__}.looks_early"]

    async def view(request):
        return JsonResponse(await aeverybody(request))

    answer = ask(view, signed_in_user(user), path=early, server=asgi)
    said = answer.json()
    assert said == {name: NOBODY_ELSE[name] for name in said}
    assert answer.set_cookies == []
    assert len(seen_early) == (1 if "early" in early else 0)


def test_the_middleware_before_the_guard_has_seen_the_cookies_user(
    settings, ask, user, early
):
    """Or the two tests above show nothing."""
    settings.MIDDLEWARE = [*OURS, f"{__name__}.looks_early"]
    for server in (wsgi, asgi):
        view = done(lambda request: None)
        ask(view, signed_in_user(user), path=early, server=server)
    assert {name for name, _ in seen_early} <= {"carol"}


def test_what_the_cookie_was_asked_before_a_guard_in_the_view_is_forgotten(user):
    def view(request):
        before = request.user.get_username(), request.auth_via
        request.session["a"] = 1
        request.authorized()
        after = request.user.get_username(), request.auth_via, request.session.get("a")
        return JsonResponse([before, after], safe=False)

    answer = both(view, signed_in_user(user), headers=bearer(key_of()))
    assert answer.json() == [["carol", None], ["", "api_key", None]]
    assert answer.set_cookies == []


def test_nobody_is_left_whom_middleware_of_the_site_has_found(user):
    async def view(request):
        async def found():
            return user

        request.user, request.auser = user, found
        await request.aauthorized()
        who = await request.auser()
        return HttpResponse(repr((request.user.is_anonymous, who.is_anonymous)))

    assert both(view, headers=bearer(key_of())).body == b"(True, True)"


def test_a_guard_in_the_view_that_refuses_leaves_the_request_the_cookies(user):
    def view(request):
        with contextlib.suppress(Exception):
            request.authorized(scopes=["a"])
        request.session["a"] = 1
        return HttpResponse(f"{request.user.get_username()} {request.auth_via}")

    headers = bearer(key_of("b"))
    answer = both(view, signed_in_user(user), headers=headers)
    assert answer.body == b"carol None"
    assert answer.set_cookies


def test_a_refused_key_leaves_the_cookie_alone(clock):
    view = any_of(authenticated(), authorized())(done(read))
    cookies = beside(clock)
    del cookies["none"]  # an empty cookie goes with any response
    for cookie in cookies.values():
        answer = both(view, cookie, headers=bearer("dss_live_x"))
        assert (answer.status, answer.set_cookies) == (401, [])


def test_a_site_without_users_keeps_what_it_calls_a_user(monkeypatch, settings, ask):
    settings.MIDDLEWARE = [*OURS, f"{__name__}.calls_it_user"]
    monkeypatch.setattr(apps, "is_installed", lambda app: app != "django.contrib.auth")
    assert ask(done(lambda request: request.user), server=wsgi).body == b"'a word'"


def calls_it_user(get_response):
    def middleware(request):
        request.user = "a word"
        return get_response(request)

    return middleware
