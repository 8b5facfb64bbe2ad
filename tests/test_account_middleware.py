"""AccountMiddleware: what it adds, what it costs, and what it makes of refusals."""

from __future__ import annotations

from datetime import timedelta

import pytest
from asgiref.sync import AsyncToSync, SyncToAsync, async_to_sync, iscoroutinefunction
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View

from django_secure_session import (
    Account,
    AccountProvider,
    NotAuthenticated,
    NotAuthorized,
    StoreUnavailable,
    any_of,
    authenticated,
    authorized,
    public,
)
from django_secure_session.codec import Codec
from django_secure_session.middleware import AccountMiddleware
from tests import http_guards
from tests.http import SECURE_MIDDLEWARE, SERVERS, aasgi, both
from tests.http_guards import (
    ACCOUNTS,
    CSRF,
    DJANGOS,
    FETCH,
    KINDS,
    PAGE,
    REQUIRED,
    STACK,
    STOCK,
    USERS,
    entered,
    location,
    signed_in,
    urlconf,
)
from tests.visits import site

SERVER = pytest.mark.parametrize("server", SERVERS)
KIND = pytest.mark.parametrize("kind", KINDS)
HEADERS = pytest.mark.parametrize("headers", [PAGE, FETCH], ids=["page", "fetch"])
HANDLERS = pytest.mark.parametrize("handler", [WSGIHandler, ASGIHandler])
TEN_MINUTES = timedelta(minutes=10)


@pytest.fixture(autouse=True)
def _site(settings):
    settings.MIDDLEWARE = STACK
    settings.LOGIN_URL = "/log-in/"


# Sites that can't work


@HANDLERS
@pytest.mark.parametrize(
    "engine",
    [
        "django.contrib.sessions.backends.signed_cookies",
        "django.contrib.sessions.backends.cache",
    ],
)
def test_another_session_engine_does_not_boot(settings, handler, engine):
    settings.MIDDLEWARE, settings.SESSION_ENGINE = STOCK, engine
    with pytest.raises(ImproperlyConfigured) as error:
        handler().load_middleware()
    assert ACCOUNTS in str(error.value)
    assert engine in str(error.value)
    assert "django_secure_session.backends.encrypted_cookies" in str(error.value)


NOT_PROVIDER = type("NotProvider", (), {})


@HANDLERS
@pytest.mark.parametrize(
    "provider",
    [
        "tests.no_such_module.Accounts",
        "tests.http_guards.NoSuchClass",
        f"{__name__}.NOT_PROVIDER",
        f"{__name__}.TEN_MINUTES",
        "tests.http_guards",
    ],
)
def test_a_wrong_provider_does_not_boot(settings, handler, provider):
    settings.SECURE_SESSION = site(ACCOUNT_PROVIDER=provider)
    with pytest.raises(ImproperlyConfigured) as error:
        handler().load_middleware()
    assert "ACCOUNT_PROVIDER" in str(error.value)
    assert provider in str(error.value)


@HANDLERS
@pytest.mark.parametrize("provider", ["", "Accounts", None, Account, b"a.b"])
def test_a_provider_that_is_no_path_does_not_boot(settings, handler, provider):
    settings.SECURE_SESSION = site(ACCOUNT_PROVIDER=provider)
    with pytest.raises(ImproperlyConfigured, match="ACCOUNT_PROVIDER"):
        handler().load_middleware()


@HANDLERS
def test_a_wrong_provider_of_a_named_session_does_not_boot(settings, handler):
    wrong = {"admin": {"ACCOUNT_PROVIDER": "tests.no_such_module.Accounts"}}
    settings.SECURE_SESSION = site(SESSIONS=wrong)
    with pytest.raises(ImproperlyConfigured, match=r"tests\.no_such_module\.Accounts"):
        handler().load_middleware()


@HANDLERS
def test_no_key_is_in_what_is_raised(settings, handler):
    key = settings.SECURE_SESSION["KEY"]
    settings.SECURE_SESSION = site(ACCOUNT_PROVIDER="tests.no_such_module.Accounts")
    with pytest.raises(ImproperlyConfigured) as error:
        handler().load_middleware()
    assert repr(key)[2:-1] not in str(error.value)


@pytest.mark.parametrize(
    "stack",
    [[ACCOUNTS], [CSRF, ACCOUNTS], [ACCOUNTS, SECURE_MIDDLEWARE], [ACCOUNTS, DJANGOS]],
    ids=str,
)
@pytest.mark.parametrize("view", [http_guards.view, http_guards.aview])
@pytest.mark.parametrize(
    "ask",
    [lambda: Client().get("/"), lambda: async_to_sync(AsyncClient().get)("/")],
    ids=["sync", "async"],
)
def test_without_a_session_before_it_the_site_is_told_so(settings, ask, stack, view):
    settings.MIDDLEWARE = stack
    settings.ROOT_URLCONF = urlconf(path("", view))
    with pytest.raises(ImproperlyConfigured) as error:
        ask()
    assert ACCOUNTS in str(error.value)
    assert "session" in str(error.value)


@KIND
@SERVER
@pytest.mark.parametrize(
    "guard",
    [authenticated(), authorized(), any_of(authenticated(), authorized())],
    ids=str,
)
def test_a_guard_without_the_middleware_names_it(settings, server, kind, guard, caplog):
    settings.MIDDLEWARE = STACK[:-1]
    assert server(KINDS[kind](guard), signed_in()).status == 500
    error = caplog.records[-1].exc_info[1]
    assert isinstance(error, ImproperlyConfigured)
    assert ACCOUNTS in str(error)
    caplog.clear()


@SERVER
def test_the_gate_without_the_middleware_names_it(settings, server, caplog):
    settings.MIDDLEWARE = [*STACK[:-1], REQUIRED]
    assert server(http_guards.view, signed_in()).status == 500
    assert ACCOUNTS in str(caplog.records[-1].exc_info[1])
    caplog.clear()


def test_a_public_view_needs_no_middleware(settings):
    settings.MIDDLEWARE = STACK[:-1]
    assert entered(both(public(http_guards.view)))


# What an untouched request costs


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """The tokens that were opened."""
    opened: list[str] = []
    original = Codec.open

    def counted(self, token, **kwargs):
        opened.append(token)
        return original(self, token, **kwargs)

    monkeypatch.setattr(Codec, "open", counted)
    return opened


@KIND
@SERVER
@pytest.mark.parametrize("stack", [STACK, STOCK], ids=["ours", "stock"])
@pytest.mark.parametrize("decorators", [[], [public]], ids=["bare", "public"])
def test_an_untouched_request_opens_no_session_and_does_not_vary(
    settings, server, kind, stack, decorators, opened
):
    settings.MIDDLEWARE = stack
    answer = server(KINDS[kind](*decorators), signed_in())
    assert entered(answer)
    assert answer.header("vary") is None
    assert opened == []


@SERVER
@pytest.mark.parametrize("stack", [STACK, STOCK], ids=["ours", "stock"])
@pytest.mark.parametrize("cookie", [(), signed_in], ids=["nobody", "somebody"])
@pytest.mark.parametrize(
    "look",
    [
        lambda request: request.account,
        lambda request: request.org,
        lambda request: request.auth_via,
        lambda request: request.authenticated(),
    ],
)
def test_who_looks_gets_an_answer_that_varies(settings, server, stack, cookie, look):
    settings.MIDDLEWARE = stack

    def view(request):
        look(request)
        return HttpResponse(b"")

    answer = server(view, cookie() if cookie else ())
    assert "Cookie" in answer.header("vary")
    assert answer.set_cookies == []


@KIND
@SERVER
def test_a_guarded_view_opens_the_session_once(server, kind, opened):
    guard = authenticated(roles=["user"])
    assert entered(server(KINDS[kind](guard, guard, authenticated()), signed_in()))
    assert len(opened) == 1


def test_a_request_of_ours_is_still_one_of_the_server():
    seen = []

    def view(request):
        seen.append(request)
        return HttpResponse(b"")

    for server in SERVERS:
        server(view)
    of_wsgi, of_asgi = seen
    assert type(of_wsgi).__name__ == "WSGIRequest"
    assert type(of_asgi).__name__ == "ASGIRequest"
    for request in seen:
        assert isinstance(request, type(request).__mro__[2])


def test_one_class_serves_all_requests_of_a_server():
    seen = []

    def view(request):
        seen.append(type(request))
        return HttpResponse(b"")

    for _ in range(2):
        SERVERS[0](view)
    assert seen[0] is seen[1]


def test_a_request_that_passes_twice_is_left_as_it_was(settings):
    settings.MIDDLEWARE = [*STACK, ACCOUNTS]
    assert entered(both(authenticated(http_guards.view), signed_in()))


@pytest.mark.parametrize("is_async", [False, True])
def test_it_is_what_comes_after_it(is_async):
    after = http_guards.aview if is_async else http_guards.view
    middleware = AccountMiddleware(after)
    assert iscoroutinefunction(middleware) == is_async


def test_it_can_be_used_without_a_handler():
    request = RequestFactory().get("/")
    request.session = http_guards.session_of(signed_in())
    middleware = AccountMiddleware(lambda request: HttpResponse(request.account.id))
    assert middleware(request).content == b"7"


# What is raised in a view


class Raising:
    """Views that raise, in every way that there is."""

    def __init__(self, make):
        self.make = make

    def function(self):
        def view(request, **kwargs):
            raise self.make()

        return view

    def async_function(self):
        async def view(request, **kwargs):
            raise self.make()

        return view

    def klass(self):
        return type("Raises", (View,), {"get": method(self.function())}).as_view()

    def async_klass(self):
        members = {"get": amethod(self.async_function())}
        return type("Raises", (View,), members).as_view()

    def decorated(self):
        return public(self.function())

    def template(self):
        def view(request):
            template = engines["django"].from_string("before {{ fail }} after")
            return TemplateResponse(request, template, {"fail": self.fail})

        return view

    def async_template(self):
        async def view(request):
            template = engines["django"].from_string("before {{ fail }} after")
            return TemplateResponse(request, template, {"fail": self.fail})

        return view

    def fail(self):
        raise self.make()

    def proxy(self):
        """Raise out of a view that got a proxy of the request, as DRF's do."""

        def view(request):
            return wrapped(Proxy(request))

        def wrapped(request):
            assert request.path == "/"
            raise self.make()

        return view


def method(function):
    return lambda self, request, **kwargs: function(request, **kwargs)


def amethod(function):
    async def get(self, request, **kwargs):
        return await function(request, **kwargs)

    return get


class Proxy:
    """A request as Django REST framework wraps it."""

    def __init__(self, request):
        self._request = request

    def __getattr__(self, name):
        return getattr(self._request, name)


WAYS = [
    *("function", "async_function", "klass", "async_klass"),
    *("decorated", "template", "async_template", "proxy"),
]
WAY = pytest.mark.parametrize("way", WAYS)
STACKED = pytest.mark.parametrize("stack", [STACK, STOCK], ids=["ours", "stock"])


def raising(way, make):
    return getattr(Raising(make), way)()


#: What is raised, and a guard that refuses this cookie for the same reason.
SAME = {
    "not_authenticated": (
        lambda: NotAuthenticated("not_authenticated", ("Cookie",)),
        authenticated(),
        lambda: (),
    ),
    "not_fresh": (
        lambda: NotAuthenticated("not_fresh", ("Cookie",), 600),
        authenticated(fresh=TEN_MINUTES),
        lambda: signed_in(age=600),
    ),
    "wrong_role": (
        lambda: NotAuthorized("wrong_role"),
        authenticated(roles=["admin"]),
        signed_in,
    ),
    "no_org": (lambda: NotAuthorized("no_org"), authenticated(org=True), signed_in),
    "no words": (NotAuthenticated, authenticated(), lambda: ()),
    "key": (
        lambda: NotAuthenticated("not_authenticated", ("Bearer",)),
        authorized(),
        lambda: (),
    ),
}


@SERVER
@WAY
@HEADERS
@pytest.mark.parametrize("which", SAME)
def test_what_is_raised_is_answered_as_by_a_guard(server, way, headers, which):
    make, guard, cookie = SAME[which]
    raised = server(raising(way, make), cookie(), headers=headers)
    refused = server(guard(http_guards.view), cookie(), headers=headers)
    # Only a guard has looked at the session.
    assert (raised.status, raised.body) == (refused.status, refused.body)
    without_vary = [pair for pair in refused.headers if pair[0] != "vary"]
    assert [pair for pair in raised.headers if pair[0] != "vary"] == without_vary


@SERVER
@WAY
@pytest.mark.parametrize("debug", [False, True])
def test_a_view_may_forbid_without_a_word(settings, server, way, debug):
    settings.DEBUG = debug
    view = raising(way, NotAuthorized)
    problem = server(view, headers=FETCH)
    assert (problem.status, problem.json()["code"]) == (403, "not_allowed")
    page = server(view, headers=PAGE)
    assert (page.status, b"403 Forbidden" in page.body) == (403, True)


@SERVER
@WAY
def test_a_view_may_forbid_with_a_text_of_its_own(server, way):
    problem = server(raising(way, lambda: NotAuthorized("Ask Ann.")), headers=FETCH)

    assert problem.status == 403
    assert problem.json()["detail"] == "Ask Ann."
    assert problem.json()["code"] == "not_allowed"


@SERVER
@HEADERS
def test_a_guard_in_a_template_is_answered_too(server, headers):
    def view(request):
        template = engines["django"].from_string("{{ request.authenticated }}")
        return TemplateResponse(request, template)

    refused = server(authenticated(http_guards.view), headers=headers)
    assert server(view, headers=headers) == refused


@SERVER
@HEADERS
def test_a_guard_on_a_proxy_of_the_request_is_answered_too(server, headers):
    def view(request):
        Proxy(request).authenticated(roles=["admin"])

    guard = authenticated(roles=["admin"])
    for cookie in ((), signed_in()):
        refused = server(guard(http_guards.view), cookie, headers=headers)
        assert server(view, cookie, headers=headers) == refused


@SERVER
@pytest.mark.parametrize("guard", [authenticated(), any_of(authenticated, authorized)])
@pytest.mark.parametrize("method_name", ["GET", "POST"])
def test_a_guard_on_a_view_of_proxies_works(settings, server, guard, method_name):
    settings.MIDDLEWARE = [name for name in STACK if name != CSRF]
    inner = guard(lambda request: HttpResponse(request.account.id))
    secret = http_guards.new_secret()
    cookies = http_guards.together(signed_in(), http_guards.csrf_cookie(secret))
    headers = {**FETCH, "X-CSRFToken": secret}

    def view(request):
        return inner(Proxy(request))

    assert server(view, cookies, method=method_name, headers=headers).body == b"7"
    assert server(view, method=method_name, headers=headers).status == 401


@SERVER
@WAY
@HEADERS
@pytest.mark.parametrize(
    ("error", "status"), [(Http404, 404), (PermissionDenied, 403), (RuntimeError, 500)]
)
def test_what_else_a_view_raises_is_as_without_the_middleware(
    settings, server, way, headers, error, status
):
    answer = server(raising(way, error), headers=headers)
    settings.MIDDLEWARE = STACK[:-1]
    assert answer == server(raising(way, error), headers=headers)
    assert answer.status == status


@SERVER
@pytest.mark.parametrize("debug", [False, True])
def test_a_guard_itself_raises_for_the_view_to_catch(settings, server, debug):
    settings.DEBUG = debug

    def view(request):
        try:
            request.authenticated()
        except NotAuthenticated as error:
            return HttpResponse(error.reason)

    assert server(view).body == b"not_authenticated"


# A store that is down


def is_503(answer):
    return (answer.status, answer.header("retry-after")) == (503, "5")


@SERVER
@WAY
@STACKED
@HEADERS
def test_a_store_that_is_down_is_answered_with_503(
    settings, server, way, stack, headers
):
    settings.MIDDLEWARE = stack
    answer = server(
        raising(way, lambda: StoreUnavailable("The cache")), headers=headers
    )
    assert is_503(answer)
    assert answer.set_cookies == []


class DownProvider(AccountProvider):
    """A provider whose database does not answer."""

    error: type[Exception] = OperationalError

    def get_account(self, account_id, org_id):
        raise self.error("the server at db.internal closed the connection")


class ClosedProvider(DownProvider):
    error = InterfaceError


DOWN = pytest.mark.parametrize("provider", ["DownProvider", "ClosedProvider"])


@pytest.fixture
def _down(settings, provider):
    settings.SECURE_SESSION = site(
        ACCOUNT_PROVIDER=f"{__name__}.{provider}", CLAIMS_MAX_AGE=0
    )


def asks_the_provider(answer):
    """Tell whether this is the answer where the provider can't be asked."""
    told = answer.set_cookies or b"db.internal" in answer.body
    return is_503(answer) and not told


@DOWN
@SERVER
@KIND
@STACKED
@pytest.mark.usefixtures("_down")
def test_a_guarded_view_answers_503_while_the_provider_is_down(
    settings, server, kind, stack
):
    settings.MIDDLEWARE = stack
    assert asks_the_provider(server(KINDS[kind](authenticated()), signed_in()))


@DOWN
@SERVER
@STACKED
@pytest.mark.usefixtures("_down")
def test_a_look_at_the_account_answers_503_while_the_provider_is_down(
    settings, server, stack
):
    settings.MIDDLEWARE = stack
    answer = server(lambda request: HttpResponse(request.account), signed_in())
    assert asks_the_provider(answer)


@DOWN
@SERVER
@KIND
@STACKED
@pytest.mark.usefixtures("_down")
def test_a_gated_view_answers_503_while_the_provider_is_down(
    settings, server, kind, stack
):
    settings.MIDDLEWARE = [*stack, REQUIRED]
    assert asks_the_provider(server(KINDS[kind](), signed_in()))


@DOWN
@pytest.mark.parametrize("gate", [[], [REQUIRED]], ids=["guard", "gate"])
@STACKED
@pytest.mark.usefixtures("_down")
def test_a_provider_that_is_down_is_no_error_of_the_site(
    settings, stack, gate, provider
):
    """Nothing is raised to a test client, nor reported as an error of a view."""
    settings.MIDDLEWARE = [*stack, *gate]
    view = http_guards.view if gate else authenticated(http_guards.view)
    settings.ROOT_URLCONF = urlconf(path("", view))
    client = Client()
    client.cookies.load(signed_in().decode())
    assert client.get("/").status_code == 503


@SERVER
@KIND
def test_another_error_of_a_provider_is_the_sites(settings, server, kind, caplog):
    settings.SECURE_SESSION = site(
        ACCOUNT_PROVIDER=f"{__name__}.BrokenProvider", CLAIMS_MAX_AGE=0
    )
    answer = server(KINDS[kind](authenticated()), signed_in())
    assert answer.status == 500
    assert isinstance(caplog.records[-1].exc_info[1], ZeroDivisionError)
    caplog.clear()


class BrokenProvider(DownProvider):
    error = ZeroDivisionError


# Other middleware around


def sync_middleware(get_response):
    """Middleware of the old kind, which Django runs in a thread under ASGI."""

    def middleware(request):
        response = get_response(request)
        response["X-Sync"] = "yes"
        return response

    return middleware


class Catching:
    """Middleware that answers for what views raise."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request, exception):
        return HttpResponse(type(exception).__name__, status=418)


def looking_middleware(get_response):
    """Middleware that looks who it is, before and after the view."""

    def middleware(request):
        before = request.account
        response = get_response(request)
        response["X-Account"] = f"{before.id} {request.account.id}"
        return response

    return middleware


SYNC = f"{__name__}.sync_middleware"
PLACES = [
    [SYNC, *STACK],
    [STACK[0], SYNC, *STACK[1:]],
    [*STACK[:-1], SYNC, STACK[-1]],
    [*STACK, SYNC],
    [SYNC, *STOCK, SYNC],
    [SYNC, STACK[0], SYNC, ACCOUNTS, SYNC],
]


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["function", "async function", "async dispatch"])
@SERVER
@pytest.mark.parametrize("place", range(len(PLACES)))
@pytest.mark.parametrize("gate", [None, 0, -1], ids=["guard", "gate out", "gate in"])
def test_sync_middleware_anywhere_changes_nothing(settings, server, kind, place, gate):
    view = KINDS[kind](*([authenticated(roles=["user"])] if gate is None else []))
    settings.MIDDLEWARE = list(PLACES[place])
    if gate is not None:
        settings.MIDDLEWARE.insert(gate, REQUIRED)
    passed = server(view, signed_in())
    assert entered(passed)
    assert passed.header("x-sync") == "yes"
    assert server(view, headers=FETCH).status == 401
    assert location(server(view, headers=PAGE)) == "/log-in/?next=/"


@SERVER
@HEADERS
def test_middleware_further_out_does_not_see_what_was_answered(
    settings, server, headers
):
    settings.MIDDLEWARE = [f"{__name__}.Catching", *STACK]
    view = raising("function", NotAuthenticated)
    assert server(view, headers=headers).status == (302 if headers is PAGE else 401)


@SERVER
def test_middleware_further_in_may_answer_itself(settings, server):
    settings.MIDDLEWARE = [*STACK, f"{__name__}.Catching"]
    view = raising("function", lambda: NotAuthorized("wrong_role"))
    answer = server(view, headers=FETCH)
    assert (answer.status, answer.body) == (418, b"NotAuthorized")


@SERVER
@KIND
def test_middleware_further_in_sees_who_it_is(settings, server, kind):
    settings.MIDDLEWARE = [*STACK, f"{__name__}.looking_middleware"]
    answer = server(KINDS[kind](authenticated()), signed_in())
    assert answer.header("x-account") == "7 7"


# The event loop


@pytest.fixture
def hops(monkeypatch) -> list[str]:
    """What is run in a thread, and across; not what Django's handler does itself."""
    hops: list[str] = []

    def count(cls, name):
        original = getattr(cls, name)

        def counted(self, *args, **kwargs):
            asked = getattr(self, "func", None) or getattr(self, "awaitable", self)
            hops.append(f"{cls.__name__} {getattr(asked, '__qualname__', asked)}")
            return original(self, *args, **kwargs)

        monkeypatch.setattr(cls, name, counted)

    count(SyncToAsync, "__call__")
    count(AsyncToSync, "__call__")
    return hops


ASYNC_STACK = [SECURE_MIDDLEWARE, ACCOUNTS]


async def hops_of(view, hops, cookie, **options):
    """Return the answer and its hops, but for the one that logs a refusal."""
    hops.clear()
    answer = await aasgi(view, cookie, **options)
    return answer, sorted(hop for hop in hops if hop != "SyncToAsync log_response")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("async")])
@pytest.mark.parametrize("gate", [[], [REQUIRED]], ids=["guard", "gate"])
@pytest.mark.parametrize("headers", [{}, FETCH], ids=["page", "fetch"])
@pytest.mark.parametrize("cookie", [(), signed_in], ids=["nobody", "somebody"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_async_request_stays_in_its_event_loop(
    settings, hops, kind, gate, headers, cookie, method
):
    sent = {"headers": {**headers}, "method": method}
    cookies = cookie() if cookie else b""
    if method == "POST":
        secret = http_guards.new_secret()
        cookies = http_guards.together(cookies, http_guards.csrf_cookie(secret))
        sent["headers"]["X-CSRFToken"] = secret
    # Django's own check for forgery runs in a thread; ours adds nothing to that.
    settings.MIDDLEWARE = [SECURE_MIDDLEWARE, CSRF]
    _, by_itself = await hops_of(KINDS[kind](), hops, cookies, **sent)
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, ACCOUNTS, *gate]
    decorators = [] if gate else [authenticated(roles=["user"])]
    answer, guarded = await hops_of(KINDS[kind](*decorators), hops, cookies, **sent)
    assert entered(answer) == bool(cookie)
    assert guarded == by_itself


async def test_a_guard_in_an_async_view_makes_no_hop(settings, hops):
    settings.MIDDLEWARE = ASYNC_STACK
    held = http_guards.aasking(lambda request: request.aauthenticated())
    _, by_itself = await hops_of(http_guards.aview, hops, signed_in())
    answer, guarded = await hops_of(held, hops, signed_in())
    assert entered(answer)
    assert guarded == by_itself


async def test_the_gate_makes_no_hop_for_a_public_view(settings, hops):
    settings.MIDDLEWARE = ASYNC_STACK
    _, by_itself = await hops_of(http_guards.aview, hops, signed_in())
    settings.MIDDLEWARE = [*ASYNC_STACK, REQUIRED]
    answer, gated = await hops_of(public(http_guards.aview), hops, signed_in())
    assert entered(answer)
    assert gated == by_itself


@pytest.mark.parametrize("name", ["account", "org", "auth_via"])
async def test_fresh_claims_can_be_looked_at_in_the_event_loop(settings, hops, name):
    settings.MIDDLEWARE = ASYNC_STACK

    async def view(request):
        return HttpResponse(repr(getattr(request, name)))

    _, by_itself = await hops_of(http_guards.aview, hops, signed_in(org="4"))
    answer, looked = await hops_of(view, hops, signed_in(org="4"))
    expected = {
        "account": b"Account(id='7', role='user', verified=False)",
        "org": b"Org(id='4')",
        "auth_via": b"'session'",
    }
    assert answer.body == expected[name]
    assert looked == by_itself


# Django's users


@pytest.fixture
def ann(db):
    return get_user_model().objects.create_user("ann", password="right")


@SERVER
@KIND
@STACKED
def test_a_log_in_of_django_opens_each_kind_of_view(settings, server, kind, stack, ann):
    settings.MIDDLEWARE = stack
    client = Client()
    client.force_login(ann)
    cookie = f"sessionid={client.cookies['sessionid'].value}".encode()
    assert entered(server(KINDS[kind](authenticated(roles=["user"])), cookie))
    assert server(KINDS[kind](authenticated(roles=["x"])), cookie).status == 403


def test_the_user_need_not_be_there_for_the_account(settings):
    settings.MIDDLEWARE = [name for name in STACK if name != USERS]
    assert entered(both(authenticated(http_guards.view), signed_in()))


@pytest.mark.parametrize("kind", ["class", "async class"])
def test_a_method_of_a_class_can_be_guarded(kind):
    base = {"class": http_guards.Page, "async class": http_guards.AsyncPage}[kind]
    guard = method_decorator(authenticated(roles=["user"]))
    view = type("Some", (base,), {"get": guard(base.get)}).as_view()
    assert entered(both(view, signed_in()))
    assert both(view, headers=FETCH).status == 401


def test_a_site_without_the_app_does_not_boot(settings):
    """Nobody would listen to the log-ins of Django there."""
    apps = [app for app in settings.INSTALLED_APPS if app != "django_secure_session"]
    settings.INSTALLED_APPS = apps

    with pytest.raises(ImproperlyConfigured, match="INSTALLED_APPS"):
        AccountMiddleware(lambda request: None)
