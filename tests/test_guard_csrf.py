"""What a cookie opens is checked for forgery, whatever else the view lets in."""

from __future__ import annotations

from collections import Counter
from urllib.parse import urlencode

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware, get_token
from django.test import Client
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from django_secure_session import (
    AuthenticatedMixin,
    AuthorizedMixin,
    any_of,
    authenticated,
    authorized,
    public,
)
from tests import http_guards
from tests.http import HOST, SERVERS, asgi, both
from tests.http_guards import (
    CSRF,
    FETCH,
    KINDS,
    PAGE,
    REQUIRED,
    STACK,
    STOCK,
    aasking,
    asking,
    csrf_cookie,
    entered,
    home,
    new_secret,
    signed_in,
    together,
    urlconf,
    views_in,
)

SERVER = pytest.mark.parametrize("server", SERVERS)
KIND = pytest.mark.parametrize("kind", KINDS)
UNSAFE = ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "post"]
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(autouse=True)
def _site(settings):
    settings.MIDDLEWARE = STACK


@pytest.fixture(params=[False, True], ids=["csrf cookie", "csrf in session"])
def visitor(request, settings):
    """Somebody who is logged in, with the secret that tells forged requests."""
    settings.CSRF_USE_SESSIONS = request.param
    return Visitor(in_session=request.param)


class Visitor:
    """Sends requests with a session cookie, as a browser does for any site."""

    def __init__(self, *, in_session=False, **account):
        self.secret = new_secret()
        data = {"_csrftoken": self.secret} if in_session else {}
        self.cookies = signed_in(data=data, **account)
        if not in_session:
            self.cookies = together(self.cookies, csrf_cookie(self.secret))

    def send(self, view, server=home, *, headers=None, method="POST", **options):
        """Send what another site can make a browser send."""
        sent = {**FETCH, **(headers or {})}
        return server(view, self.cookies, method=method, headers=sent, **options)

    def send_own(self, view, server=home, *, headers=None, **options):
        """Send what only a page of the site can send."""
        token = {"X-CSRFToken": self.secret}
        return self.send(view, server, headers={**(headers or {}), **token}, **options)


def is_djangos_refusal(answer):
    """Tell whether this is what Django's own check for forgery answers."""
    return answer.status == 403 and b"CSRF verification failed" in answer.body


# authenticated

ORDERS = {
    "plain": [authenticated()],
    "exempt outside": [csrf_exempt, authenticated()],
    "exempt inside": [authenticated(), csrf_exempt],
    "exempt twice": [csrf_exempt, authenticated(), csrf_exempt],
    "public outside": [public, authenticated(), csrf_exempt],
    "guarded twice": [csrf_exempt, authenticated(), authenticated()],
}
STACKS = {
    "ours": STACK,
    "stock": STOCK,
    "without django's": [name for name in STACK if name != CSRF],
    "django's last": [*(name for name in STACK if name != CSRF), CSRF],
}
ORDER = pytest.mark.parametrize("order", ORDERS)
STACKED = pytest.mark.parametrize("stack", STACKS)


@KIND
@ORDER
def test_a_forged_request_does_not_reach_a_guarded_view(visitor, kind, order):
    guarded = KINDS[kind](*ORDERS[order])
    assert is_djangos_refusal(visitor.send(guarded))
    assert entered(visitor.send_own(guarded))


@KIND
@STACKED
def test_nor_with_other_middleware(settings, visitor, kind, stack):
    settings.MIDDLEWARE = STACKS[stack]
    guarded = KINDS[kind](csrf_exempt, authenticated())
    assert is_djangos_refusal(visitor.send(guarded))
    assert entered(visitor.send_own(guarded))


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize("kind", ["function", "async function"])
def test_each_unsafe_method_is_checked(kind, method):
    visitor, guarded = Visitor(), KINDS[kind](csrf_exempt, authenticated())
    assert is_djangos_refusal(visitor.send(guarded, method=method))
    assert entered(visitor.send_own(guarded, method=method))


@KIND
@pytest.mark.parametrize("order", ["plain", "exempt outside"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE"])
def test_safe_methods_are_free(kind, order, method):
    answer = Visitor().send(KINDS[kind](*ORDERS[order]), method=method)
    is_class = "class" in kind or "dispatch" in kind
    assert answer.status == (405 if is_class and method == "TRACE" else 200)


@SERVER
@KIND
def test_a_form_brings_its_token(visitor, server, kind):
    guarded = KINDS[kind](csrf_exempt, authenticated())
    for token, reaches in [(visitor.secret, True), (new_secret(), False), ("", False)]:
        body = urlencode({"csrfmiddlewaretoken": token}).encode()
        answer = visitor.send(guarded, server, headers=FORM, body=body)
        assert entered(answer) == reaches


@pytest.mark.parametrize(
    "token", ["", "x", "0" * 32, "0" * 64, "\xe9" * 32, "null", "undefined"]
)
def test_a_wrong_token_is_refused(visitor, token):
    guarded = KINDS["function"](csrf_exempt, authenticated())
    answer = visitor.send(guarded, headers={"X-CSRFToken": token})
    assert is_djangos_refusal(answer)


@pytest.mark.parametrize("cookie", [b"csrftoken=", b"csrftoken=x", b"csrftoken"])
@SERVER
def test_an_empty_secret_is_not_matched_by_an_empty_token(server, cookie):
    guarded = KINDS["function"](csrf_exempt, authenticated())
    for token in ("", "x"):
        headers = {**FETCH, "X-CSRFToken": token}
        cookies = together(signed_in(), cookie)
        answer = server(guarded, cookies, method="POST", headers=headers)
        assert is_djangos_refusal(answer)


def test_a_secret_in_a_cookie_means_nothing_where_it_is_in_the_session(settings):
    settings.CSRF_USE_SESSIONS = True
    visitor = Visitor(in_session=False)
    guarded = KINDS["function"](csrf_exempt, authenticated())
    assert is_djangos_refusal(visitor.send_own(guarded))


def test_the_names_of_the_site_count(settings):
    settings.CSRF_COOKIE_NAME, settings.CSRF_HEADER_NAME = "xsrf", "HTTP_X_XSRF"
    secret = new_secret()
    own = f"xsrf={secret}".encode()
    cookies = together(signed_in(), own, csrf_cookie(new_secret()))
    guarded = KINDS["function"](csrf_exempt, authenticated())
    for header, reaches in [("X-XSRF", True), ("X-CSRFToken", False)]:
        headers = {**FETCH, header: secret}
        answer = both(guarded, cookies, method="POST", headers=headers)
        assert entered(answer) == reaches


def test_nobody_is_told_of_forgery_who_is_not_logged_in():
    guarded = KINDS["function"](csrf_exempt, authenticated())
    assert both(guarded, method="POST", headers=FETCH).status == 401
    assert both(guarded, method="POST", headers=PAGE).status == 302


def test_who_may_not_enter_is_told_so_rather_than_of_forgery(visitor):
    guarded = KINDS["function"](csrf_exempt, authenticated(roles=["admin"]))
    assert visitor.send(guarded).json()["code"] == "wrong_role"


def test_a_whole_tree_is_checked(visitor):
    tree = include([path("", csrf_exempt(http_guards.view))])
    for guard in (authenticated(), any_of(authenticated(), authorized())):
        (view,) = views_in(guard(tree))
        assert is_djangos_refusal(visitor.send(view))
        assert entered(visitor.send_own(view))


class Exempt(http_guards.Page):
    pass


class AsyncExempt(http_guards.AsyncPage):
    pass


for each in (Exempt, AsyncExempt):
    method_decorator(csrf_exempt, name="dispatch")(each)


class Guarded(AuthenticatedMixin, http_guards.Page):
    pass


class AsyncGuarded(AuthenticatedMixin, http_guards.AsyncPage):
    pass


class GuardedExempt(AuthenticatedMixin, Exempt):
    pass


class AsyncGuardedExempt(AuthenticatedMixin, AsyncExempt):
    pass


@method_decorator(csrf_exempt, name="dispatch")
class ExemptGuarded(AuthenticatedMixin, http_guards.Page):
    pass


@method_decorator(csrf_exempt, name="dispatch")
class AsyncExemptGuarded(AuthenticatedMixin, http_guards.AsyncPage):
    pass


CLASSES = pytest.mark.parametrize(
    "view_class",
    [
        *(Guarded, GuardedExempt, ExemptGuarded),
        *(AsyncGuarded, AsyncGuardedExempt, AsyncExemptGuarded),
    ],
)


@CLASSES
@SERVER
@pytest.mark.parametrize("outside", [[], [csrf_exempt]], ids=["plain", "exempt"])
def test_a_forged_request_does_not_reach_a_class(visitor, server, view_class, outside):
    view = view_class.as_view()
    for decorator in outside:
        view = decorator(view)
    assert is_djangos_refusal(visitor.send(view, server))
    assert entered(visitor.send_own(view, server))


@CLASSES
@SERVER
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_class_answers_who_is_not_logged_in(server, view_class, method):
    view = csrf_exempt(view_class.as_view())
    assert server(view, method=method, headers=FETCH).status == 401


@pytest.mark.parametrize("base", [http_guards.Page, http_guards.AsyncPage])
@SERVER
def test_a_forged_request_does_not_reach_a_guarded_method(visitor, server, base):
    guard = method_decorator(authenticated)
    view = csrf_exempt(type("Some", (base,), {"post": guard(base.post)}).as_view())
    assert is_djangos_refusal(visitor.send(view, server))
    assert entered(visitor.send_own(view, server))


# In the middle of a view


HELD = csrf_exempt(asking(lambda request: request.authenticated()))
AHELD = csrf_exempt(aasking(lambda request: request.aauthenticated()))


@SERVER
@pytest.mark.parametrize("view", [HELD, AHELD], ids=["sync", "async"])
@STACKED
def test_a_guard_in_a_view_checks_too(settings, visitor, server, view, stack):
    settings.MIDDLEWARE = STACKS[stack]
    assert is_djangos_refusal(visitor.send(view, server))
    assert entered(visitor.send_own(view, server))


@SERVER
@pytest.mark.parametrize("view", [HELD, AHELD], ids=["sync", "async"])
def test_a_guard_in_a_view_leaves_safe_methods_free(visitor, server, view):
    assert entered(visitor.send(view, server, method="GET"))


def test_looking_at_the_account_checks_nothing(visitor):
    view = csrf_exempt(lambda request: HttpResponse(request.account.id))
    assert visitor.send(view).body == b"7"


# AccountRequiredMiddleware


@KIND
@pytest.mark.parametrize("decorators", [[], [csrf_exempt]], ids=["plain", "exempt"])
@STACKED
def test_a_gated_view_is_checked(settings, kind, decorators, stack):
    settings.MIDDLEWARE = [*STACKS[stack], REQUIRED]
    visitor, view = Visitor(), KINDS[kind](*decorators)
    assert is_djangos_refusal(visitor.send(view))
    assert entered(visitor.send_own(view))


def test_a_public_view_that_is_exempt_stays_so(settings, visitor):
    settings.MIDDLEWARE = [*STACK, REQUIRED]
    assert entered(visitor.send(KINDS["function"](public, csrf_exempt)))


def test_a_public_view_is_not_exempt(visitor):
    assert is_djangos_refusal(visitor.send(KINDS["function"](public)))


# any_of and authorized


ANY = [
    any_of(authenticated(), authorized()),
    any_of(authorized(), authenticated()),
    any_of(authorized(scopes=["a"]), authenticated(roles=["admin"]), authenticated),
]
WITH_KEYS = pytest.mark.parametrize("guard", ANY, ids=str)


@KIND
@WITH_KEYS
def test_the_cookie_does_not_open_any_of_to_a_forged_request(visitor, kind, guard):
    view = KINDS[kind](guard)
    assert is_djangos_refusal(visitor.send(view))
    assert entered(visitor.send_own(view))


@KIND
@STACKED
def test_nor_does_it_with_other_middleware(settings, kind, stack):
    settings.MIDDLEWARE = STACKS[stack]
    visitor, view = Visitor(), KINDS[kind](ANY[0])
    assert is_djangos_refusal(visitor.send(view))
    assert entered(visitor.send_own(view))


HEADERS = [
    *("", " ", "x", "dss_x", "Bearer", "Bearer ", "bearer  dss_x", "Bearer\tdss_x"),
    *("Bearer dss_x", "bearer DSS_x", "BEARER dss_", "Bearer ds", "Bearer eyJ.x.y"),
    *("Basic ZHNzX3g6", "Basic dss_x", "Digest dss_x", "Token dss_x", "Key dss_x"),
    *("Bearer dss_x, Basic y", "Basic y, Bearer dss_x", "Bearer: dss_x", "\xe9"),
    *('Bearer "dss_x"', "Bearerdss_x", "Bearer dss_\0", "Bearer dss_x; Bearer dss_y"),
]


@pytest.mark.parametrize("guard", ANY[:2], ids=str)
@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("kind", ["function", "async dispatch"])
def test_no_authorization_header_switches_the_check_off(guard, header, kind):
    view = KINDS[kind](guard)
    answer = Visitor().send(view, headers={"Authorization": header})
    shows_key = header.lower().startswith("bearer dss_")
    assert answer.status == 401 if shows_key else is_djangos_refusal(answer)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Bearer dss_x", "Basic y"),
        ("Basic y", "Bearer dss_x"),
        ("", "Bearer dss_x"),
        ("Bearer dss_x", ""),
    ],
)
@WITH_KEYS
def test_two_headers_do_not_switch_the_check_off(visitor, guard, first, second):
    view = KINDS["async function"](guard)
    two = {"Authorization": first, "authorization": second}
    answer = visitor.send(view, asgi, headers=two)
    assert answer.status == 401 or is_djangos_refusal(answer)


@pytest.mark.parametrize("name", ["X-Authorization", "Proxy-Authorization", "Auth"])
def test_no_other_header_is_a_key(visitor, name):
    view = KINDS["function"](ANY[0])
    answer = visitor.send(view, headers={name: "Bearer dss_x"})
    assert is_djangos_refusal(answer)


@pytest.mark.parametrize("guard", [authenticated(), *ANY], ids=str)
@pytest.mark.parametrize("key", ["Bearer dss_x", "Basic y"])
def test_a_header_switches_no_check_off_where_only_a_session_counts(
    visitor, guard, key
):
    view = KINDS["function"](csrf_exempt, guard, authenticated())
    answer = visitor.send(view, headers={"Authorization": key})
    assert answer.status == 401 or is_djangos_refusal(answer)


def test_any_of_sessions_alone_ignores_a_key(visitor):
    guard = any_of(authenticated(roles=["admin"]), authenticated())
    headers = {"Authorization": "Bearer dss_x"}
    answer = visitor.send(KINDS["function"](csrf_exempt, guard), headers=headers)
    assert is_djangos_refusal(answer)


@KIND
@pytest.mark.parametrize(
    ("headers", "error"),
    [({}, ""), ({"Authorization": "Bearer dss_x"}, ', error="invalid_token"')],
)
def test_where_only_a_key_counts_nothing_is_said_of_forgery(
    visitor, kind, headers, error
):
    answer = visitor.send(KINDS[kind](authorized()), headers=headers)
    assert answer.status == 401
    assert answer.header("www-authenticate") == f'Bearer realm="api"{error}'


@SERVER
@pytest.mark.parametrize("base", [http_guards.Page, http_guards.AsyncPage])
def test_nor_is_it_for_a_class_where_only_a_key_counts(visitor, server, base):
    view = type("Keyed", (AuthorizedMixin, base), {}).as_view()
    assert visitor.send(view, server).status == 401


def test_a_guard_for_keys_takes_the_check_from_no_view_inside(visitor):
    inner = csrf_protect(http_guards.view)
    view = KINDS["function"](ANY[0], lambda _: inner)
    assert is_djangos_refusal(visitor.send(view))


# Over https


SAME = {"Origin": f"https://{HOST}"}
OTHER_ORIGINS = [
    *("https://evil.com", "null", "", "*", f"http://{HOST}", f"https://{HOST}.evil"),
    *(f"https://evil{HOST}", f"https://{HOST}:444", "https://example.com", "https://"),
    *(f"https://{HOST}@evil.com", "//", "http://[", f"https://{HOST}/"),
]
SEVERAL = pytest.mark.parametrize(
    "view",
    [
        KINDS["function"](csrf_exempt, authenticated()),
        KINDS["async function"](csrf_exempt, authenticated()),
        KINDS["dispatch"](ANY[0]),
        HELD,
    ],
    ids=["exempt", "async exempt", "any_of", "in a view"],
)


@SEVERAL
@pytest.mark.parametrize("origin", OTHER_ORIGINS)
def test_another_origin_is_refused_even_with_the_token(view, origin):
    answer = Visitor().send_own(view, secure=True, headers={"Origin": origin})
    assert is_djangos_refusal(answer)


@SEVERAL
@pytest.mark.parametrize(
    "headers",
    [SAME, {"Referer": f"https://{HOST}/page/"}, {**SAME, "Referer": "https://evil/"}],
)
def test_the_sites_own_origin_is_let_in(visitor, view, headers):
    assert entered(visitor.send_own(view, secure=True, headers=headers))
    assert is_djangos_refusal(visitor.send(view, secure=True, headers=headers))


@SEVERAL
@pytest.mark.parametrize(
    "referer",
    [
        *(None, "", "x", f"http://{HOST}/", "https://evil.com/", "https://[", "/page/"),
        *(f"https://{HOST}.evil.com/", f"https://evil.com/{HOST}"),
    ],
)
def test_another_referer_is_refused_where_there_is_no_origin(view, referer):
    headers = {} if referer is None else {"Referer": referer}
    answer = Visitor().send_own(view, secure=True, headers=headers)
    assert is_djangos_refusal(answer)


@SEVERAL
@pytest.mark.parametrize(
    "trusted", ["https://shop.example.org", "https://*.example.org"]
)
def test_an_origin_that_the_site_trusts_is_let_in(settings, visitor, view, trusted):
    """Whatever was trusted when the first request came, as in a site's tests."""
    headers = {"Origin": "https://shop.example.org"}
    assert not entered(visitor.send_own(view, secure=True, headers=headers))
    settings.CSRF_TRUSTED_ORIGINS = [trusted]
    assert entered(visitor.send_own(view, secure=True, headers=headers))
    settings.CSRF_TRUSTED_ORIGINS = []
    assert not entered(visitor.send_own(view, secure=True, headers=headers))


# The page that is shown


def own_failure(request, reason=""):
    return HttpResponse(f"The site's own: {reason}", status=418)


def failure_with_query(request, reason=""):
    """Show how many users there are, as a page with the site's frame might."""
    return HttpResponse(get_user_model().objects.count(), status=403)


def failure_with_account(request, reason=""):
    return HttpResponse(request.account.id, status=403)


@SEVERAL
def test_the_sites_own_page_is_shown(settings, visitor, view):
    settings.CSRF_FAILURE_VIEW = f"{__name__}.own_failure"
    answer = visitor.send(view)
    assert answer.status == 418
    assert answer.body == b"The site's own: CSRF token missing."


@SEVERAL
@SERVER
@pytest.mark.django_db
def test_the_sites_own_page_may_ask_the_database(settings, visitor, server, view):
    settings.CSRF_FAILURE_VIEW = f"{__name__}.failure_with_query"
    answer = visitor.send(view, server)
    assert (answer.status, answer.body) == (403, b"0")


@SEVERAL
@SERVER
def test_the_sites_own_page_may_ask_who_it_is(settings, visitor, server, view):
    settings.CSRF_FAILURE_VIEW = f"{__name__}.failure_with_account"
    answer = visitor.send(view, server)
    assert (answer.status, answer.body) == (403, b"7")


@SEVERAL
def test_a_forged_request_is_logged_as_django_does(visitor, view, caplog):
    visitor.send(view)
    (said, _) = {record.getMessage() for record in caplog.records}, caplog.clear()
    assert said == {"Forbidden (CSRF token missing.): /"}


@SEVERAL
def test_a_refusal_tells_nothing_of_token_or_secret(visitor, view):
    said = repr(visitor.send(view, headers={"X-CSRFToken": "0" * 32}))
    assert visitor.secret not in said


# What stays as it was


def test_the_check_is_made_once_where_django_makes_it(monkeypatch):
    calls: Counter[str] = Counter()
    original = CsrfViewMiddleware._check_token

    def counted(self, request):
        calls[request.path] += 1
        return original(self, request)

    monkeypatch.setattr(CsrfViewMiddleware, "_check_token", counted)
    view = KINDS["function"](authenticated(), authenticated(roles=["user"]))
    assert entered(Visitor().send_own(view, SERVERS[0]))
    assert calls == {"/": 1}


@SEVERAL
@pytest.mark.parametrize("stack", [STACK, STOCK], ids=["ours", "stock"])
def test_a_test_client_does_not_check_unless_told(settings, view, stack):
    settings.MIDDLEWARE = stack
    settings.ROOT_URLCONF = urlconf(path("", view))
    for client, status in [(Client(), 200), (Client(enforce_csrf_checks=True), 403)]:
        client.cookies.load(signed_in().decode())
        assert client.post("/").status_code == status


@pytest.mark.parametrize("in_session", [False, True])
def test_a_page_and_its_form_work_together(settings, in_session):
    settings.CSRF_USE_SESSIONS = in_session

    @csrf_exempt
    @authenticated
    def page(request):
        return HttpResponse(get_token(request) + request.POST.get("said", ""))

    settings.ROOT_URLCONF = urlconf(path("", page))
    client = Client(enforce_csrf_checks=True)
    client.cookies.load(signed_in().decode())
    token = client.get("/").text
    form = {"csrfmiddlewaretoken": token, "said": "!"}
    assert client.post("/", form).text.endswith("!")
    assert client.post("/", {"said": "!"}).status_code == 403


@SERVER
@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("decorators", [[], [csrf_exempt]], ids=["plain", "exempt"])
def test_a_body_that_is_no_form_is_left_for_the_view(
    visitor, server, method, decorators
):
    view = authenticated(lambda request: HttpResponse(request.read()))
    for decorator in decorators:
        view = decorator(view)
    headers = {"Content-Type": "application/json"}
    answer = visitor.send_own(
        view, server, method=method, headers=headers, body=b'{"a": 1}'
    )
    assert answer.body == b'{"a": 1}'


def test_a_view_sees_the_form_that_was_looked_at(visitor):
    view = csrf_exempt(authenticated(lambda r: HttpResponse(r.POST["said"])))
    form = {"csrfmiddlewaretoken": visitor.secret, "said": "hello"}
    answer = visitor.send(view, headers=FORM, body=urlencode(form).encode())
    assert answer.body == b"hello"


class Uploads(View):
    def post(self, request):
        return HttpResponse(request.FILES["file"].read())


def test_a_view_sees_the_files_that_came(settings):
    settings.ROOT_URLCONF = urlconf(
        path("", csrf_exempt(authenticated(Uploads.as_view())))
    )
    client = Client(enforce_csrf_checks=True)
    secret = new_secret()
    client.cookies.load(together(signed_in(), csrf_cookie(secret)).decode())
    upload = http_guards.upload(b"content")
    form = {"csrfmiddlewaretoken": secret, "file": upload}
    assert client.post("/", form).content == b"content"
