"""What a client hears whom a guard has refused."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from django.views.decorators.cache import cache_page
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_secure_session import (
    AuthenticatedMixin,
    any_of,
    authenticated,
    authorized,
)
from tests import http_guards
from tests.http import SERVERS, both, wsgi
from tests.http_guards import (
    FETCH,
    KINDS,
    PAGE,
    STACK,
    STOCK,
    aasking,
    asking,
    entered,
    location,
    signed_in,
    urlconf,
)

TEN_MINUTES = timedelta(minutes=10)

CHROME = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
    "image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
)
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture(autouse=True)
def _site(settings):
    settings.MIDDLEWARE = STACK
    settings.LOGIN_URL = "/log-in/"


@pytest.fixture
def templates(settings):
    """The templates of the site, by name."""
    templates: dict[str, str] = {}
    loader = ("django.template.loaders.locmem.Loader", templates)
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [loader]},
        }
    ]
    return templates


guarded = authenticated(http_guards.view)


# Who is taken for a browser that wants a page


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Accept": ""},
        {"Accept": "  "},
        {"Accept": "text/html"},
        {"Accept": CHROME},
        {"Accept": FIREFOX},
        {"Accept": "TEXT/HTML"},
        {"Accept": "text/html;q=0.9"},
        {"Accept": "text/html ; charset=utf-8"},
        {"Accept": "application/json ,  text/html"},
        {"Accept": "*/*,,;;,text/html"},
        {"Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Mode": "navigate", "Accept": "*/*"},
        {"Sec-Fetch-Mode": "navigate", "Accept": "application/json"},
        {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ],
)
def test_a_page_is_answered_with_a_redirect(headers):
    assert location(both(guarded, headers=headers)).startswith("/log-in/?next=")


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept": "*/*"},
        {"Accept": "application/json"},
        {"Accept": "application/json, text/plain, */*"},
        {"Accept": "application/xhtml+xml"},
        {"Accept": "application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
        {"Accept": "text/*"},
        {"Accept": "text/html5"},
        {"Accept": "x-text/html"},
        {"Accept": "text / html"},
        {"Accept": 'application/json;profile="text/html"'},
        {"Accept": "image/avif,image/webp,*/*;q=0.8"},
        {"Accept": "text/event-stream"},
        {"Accept": ","},
        {"Accept": ";;;,\x7f\xff"},
        {"Sec-Fetch-Mode": "cors", "Accept": "text/html"},
        {"Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Mode": "no-cors", "Accept": CHROME},
        {"Sec-Fetch-Mode": "same-origin", "Accept": "text/html"},
        {"Sec-Fetch-Mode": "websocket", "Accept": "text/html"},
        {"Sec-Fetch-Mode": "", "Accept": "text/html"},
        {"Sec-Fetch-Mode": "Navigate", "Accept": "text/html"},
        {"Sec-Fetch-Mode": "navigate, cors", "Accept": "text/html"},
    ],
)
def test_anything_else_is_answered_with_401(headers):
    assert both(guarded, headers=headers).status == 401


@given(
    headers=st.dictionaries(
        st.sampled_from(["Accept", "Sec-Fetch-Mode"]),
        st.text(st.characters(codec="latin-1", exclude_categories=["Cc"])),
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_header_makes_an_answer_fail(headers):
    assert wsgi(guarded, headers=headers).status in (302, 401)


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"]
)
@pytest.mark.parametrize(("headers", "status"), [(PAGE, 302), (FETCH, 401)])
def test_each_method_is_answered_alike(settings, method, headers, status):
    settings.MIDDLEWARE = [name for name in STACK if name != http_guards.CSRF]
    assert both(guarded, method=method, headers=headers).status == status


# Problems


def decorated(guard, **options):
    return guard(**options)(http_guards.view)


#: For each refusal: a guard, an account or nobody, and the status.
REFUSALS = {
    "not_authenticated": (authenticated(), None, 401),
    "not_fresh": (authenticated(fresh=TEN_MINUTES), {"age": 600}, 401),
    "wrong_role": (
        authenticated(roles=["secret-role", "owner"]),
        {"role": "own-role"},
        403,
    ),
    "not_verified": (authenticated(verified=True), {"verified": False}, 403),
    "no_org": (authenticated(org=True), {"org": None}, 403),
}
CASES = pytest.mark.parametrize("code", REFUSALS)
KIND = pytest.mark.parametrize("kind", KINDS)
SERVER = pytest.mark.parametrize("server", SERVERS)


def refused(code, server=both, *, kind="function", headers=FETCH, **options):
    """Return the answer to a request that is refused for a reason."""
    guard, account, _ = REFUSALS[code]
    cookie = () if account is None else signed_in(**account)
    return server(KINDS[kind](guard), cookie, headers=headers, **options)


@CASES
@KIND
def test_programs_get_problem_details(code, kind):
    answer = refused(code, kind=kind)
    assert answer.status == REFUSALS[code][2]
    assert answer.header("content-type") == "application/problem+json"
    problem = answer.json()
    assert problem.keys() == {"type", "title", "status", "detail", "code"}
    assert problem["status"] == answer.status
    assert problem["code"] == code


@pytest.mark.parametrize(
    ("code", "title"),
    [("not_authenticated", "Unauthorized"), ("wrong_role", "Forbidden")],
)
def test_a_problem_without_a_type_has_the_title_of_its_status(code, title):
    problem = refused(code).json()
    assert (problem["type"], problem["title"]) == ("about:blank", title)


@CASES
@pytest.mark.parametrize("stack", [STACK, STOCK], ids=["ours", "stock"])
def test_a_problem_is_not_stored_and_varies_with_the_cookie(settings, code, stack):
    settings.MIDDLEWARE = stack
    answer = refused(code)
    assert "no-store" in answer.header("cache-control")
    assert "Cookie" in answer.header("vary")


@pytest.mark.parametrize("code", ["not_authenticated", "not_fresh"])
@pytest.mark.parametrize("stack", [STACK, STOCK], ids=["ours", "stock"])
def test_a_redirect_is_not_stored_and_varies_with_the_cookie(settings, code, stack):
    settings.MIDDLEWARE = stack
    answer = refused(code, headers=PAGE)
    assert answer.status == 302
    assert "no-store" in answer.header("cache-control")
    assert "Cookie" in answer.header("vary")


@CASES
@pytest.mark.parametrize("headers", [PAGE, FETCH], ids=["page", "fetch"])
def test_a_refusal_sets_no_cookie(code, headers):
    assert refused(code, headers=headers).set_cookies == []


@CASES
@pytest.mark.parametrize("headers", [PAGE, FETCH], ids=["page", "fetch"])
@pytest.mark.parametrize("debug", [False, True])
def test_no_answer_tells_roles_or_who_it_is(settings, code, headers, debug):
    settings.DEBUG = debug
    guard, account, _ = REFUSALS[code]
    account = account and {**account, "id": "account-id", "data": {"k": "kept-value"}}
    cookie = signed_in(**account) if account else b""
    answer = wsgi(guard(http_guards.view), cookie, headers=headers)
    said = repr(answer)
    token = cookie.decode().partition("=")[2]
    for secret in ("secret-role", "owner", "own-role", "account-id", "kept-value"):
        assert secret not in said
    assert not token or token not in said


@CASES
@pytest.mark.parametrize("headers", [PAGE, FETCH], ids=["page", "fetch"])
def test_the_answer_to_head_has_no_body(settings, code, headers):
    guard, account, status = REFUSALS[code]
    settings.ROOT_URLCONF = urlconf(path("", guard(http_guards.view)))
    client = Client(headers=headers)
    if account:
        client.cookies.load(signed_in(**account).decode())
    response = client.head("/")
    assert response.content == b""
    assert response.status_code == (
        302 if headers is PAGE and status == 401 else status
    )


# Challenges


def challenges(answer):
    """Return scheme and parameters of each challenge (RFC 9110 section 11.6.1)."""
    text = answer.header("www-authenticate")
    pattern = r'([A-Za-z]+) ((?:[a-z_]+="[^"\\]*"(?:, (?![A-Za-z]+ ))?)+)(?:, |$)'
    assert "".join(m[0] for m in re.finditer(pattern, text)) == text
    return {
        scheme: dict(re.findall(r'([a-z_]+)="([^"]*)"', parameters))
        for scheme, parameters in re.findall(pattern, text)
    }


def test_a_challenge_for_a_session_names_the_cookie():
    assert challenges(both(guarded, headers=FETCH)) == {"Cookie": {"realm": "session"}}


@KIND
@SERVER
@pytest.mark.parametrize(
    "guard",
    [
        authenticated(),
        authorized(),
        any_of(authenticated(), authorized()),
        authenticated(fresh=TEN_MINUTES),
    ],
    ids=str,
)
def test_no_challenge_makes_a_browser_ask_for_a_password(server, kind, guard):
    answer = server(KINDS[kind](guard), headers=FETCH)
    assert answer.status == 401
    schemes = {scheme.lower() for scheme in challenges(answer)}
    assert schemes
    assert not schemes & {"basic", "digest", "ntlm", "negotiate", "hoba", "mutual"}


def test_a_challenge_for_a_key_names_the_bearer():
    answer = both(decorated(authorized), headers=FETCH)
    assert challenges(answer) == {"Bearer": {"realm": "api"}}


def test_a_log_in_that_is_too_old_is_told_how_young_it_must_be():
    assert challenges(refused("not_fresh")) == {
        "Cookie": {
            "realm": "session",
            "error": "insufficient_user_authentication",
            "max_age": "600",
        }
    }


def test_any_of_challenges_for_what_it_takes_each_once():
    guard = any_of(
        authenticated(roles=["admin"]), authorized(scopes=["a"]), authenticated()
    )
    answer = both(guard(http_guards.view), headers=FETCH)
    assert list(challenges(answer)) == ["Cookie", "Bearer"]


def test_any_of_tells_both_schemes_of_a_log_in_that_is_too_old():
    guard = any_of(authorized(), authenticated(fresh=TEN_MINUTES))
    answer = both(guard(http_guards.view), signed_in(age=600), headers=FETCH)
    assert answer.json()["code"] == "not_fresh"
    assert challenges(answer) == {
        "Bearer": {"realm": "api"},
        "Cookie": {
            "realm": "session",
            "error": "insufficient_user_authentication",
            "max_age": "600",
        },
    }


@CASES
def test_only_a_401_has_a_challenge(code):
    answer = refused(code)
    assert ("www-authenticate" in dict(answer.headers)) == (answer.status == 401)


@pytest.mark.parametrize("code", ["not_authenticated", "not_fresh"])
def test_a_redirect_has_no_challenge(code):
    assert "www-authenticate" not in dict(refused(code, headers=PAGE).headers)


# authorized


@KIND
@SERVER
@pytest.mark.parametrize("headers", [{}, PAGE, FETCH], ids=["none", "page", "fetch"])
def test_where_only_a_key_counts_nobody_is_sent_to_a_log_in(server, kind, headers):
    answer = server(KINDS[kind](authorized()), signed_in(), headers=headers)
    assert answer.status == 401
    assert answer.json()["code"] == "not_authenticated"


@pytest.mark.parametrize(
    "header", ["Bearer dss_x", "bearer DSS_live_0", "BEARER dss_", "Bearer dss_x, y"]
)
@pytest.mark.parametrize("headers", [PAGE, FETCH], ids=["page", "fetch"])
def test_a_wrong_key_is_not_made_good_by_a_cookie(header, headers):
    guard = any_of(authenticated(), authorized())
    headers = {**headers, "Authorization": header}
    answer = both(guard(http_guards.view), signed_in(), headers=headers)
    assert answer.status == 401
    assert list(challenges(answer)) == ["Bearer"]


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer dss", "Bearer eyJ", "Basic eA==", "Token dss_x", "dss_x"],
)
def test_another_scheme_leaves_it_to_the_cookie(header):
    guard = any_of(authenticated(), authorized())
    headers = {**FETCH, "Authorization": header}
    assert entered(both(guard(http_guards.view), signed_in(), headers=headers))


def test_a_key_means_nothing_where_only_a_session_counts():
    headers = {**FETCH, "Authorization": "Bearer dss_x"}
    assert entered(both(guarded, signed_in(), headers=headers))
    assert both(guarded, headers=headers).status == 401


# any_of: the refusal with the nearest way out


ADMINS = authenticated(roles=["admin"])
FRESH = authenticated(fresh=TEN_MINUTES)
VERIFIED = authenticated(verified=True)
IN_ORG = authenticated(org=True)


@pytest.mark.parametrize(
    ("guards", "code"),
    [
        ([ADMINS, FRESH], "not_fresh"),
        ([FRESH, ADMINS], "not_fresh"),
        ([ADMINS, IN_ORG], "no_org"),
        ([VERIFIED, IN_ORG], "no_org"),
        ([VERIFIED, ADMINS], "not_verified"),
        ([ADMINS, authorized], "wrong_role"),
        ([authorized, FRESH, VERIFIED, IN_ORG, ADMINS], "not_fresh"),
        ([authenticated(roles=["admin"], fresh=TEN_MINUTES), VERIFIED], "not_verified"),
    ],
)
def test_any_of_tells_the_nearest_way_in(guards, code):
    answer = both(any_of(*guards)(http_guards.view), signed_in(age=600), headers=FETCH)
    assert answer.json()["code"] == code


def test_any_of_sends_a_page_to_the_nearest_way_in(settings):
    settings.SECURE_SESSION = {
        **settings.SECURE_SESSION,
        "REAUTHENTICATE_URL": "/again/",
    }
    guard = any_of(ADMINS, FRESH, authorized)
    answer = both(guard(http_guards.view), signed_in(age=600), headers=PAGE)
    assert location(answer) == "/again/?next=/"


def test_any_of_sends_nobody_to_the_log_in():
    guard = any_of(ADMINS, FRESH, authorized)
    assert location(both(guard(http_guards.view), headers=PAGE)) == "/log-in/?next=/"


def test_a_stack_of_guards_tells_of_the_outer_first():
    inner = authenticated(verified=True)(http_guards.view)
    answer = both(ADMINS(inner), signed_in(), headers=FETCH)
    assert answer.json()["code"] == "wrong_role"


# The site's page for 403


FORBIDDEN = [code for code in REFUSALS if REFUSALS[code][2] == 403]


@KIND
@pytest.mark.parametrize("code", FORBIDDEN)
@pytest.mark.parametrize("debug", [False, True])
def test_people_see_the_sites_own_page(settings, templates, code, kind, debug):
    settings.DEBUG = debug
    templates["403.html"] = "The site says: {{ exception }}"
    answer = refused(code, kind=kind, headers=PAGE)
    assert answer.status == 403
    assert answer.header("content-type").startswith("text/html")
    assert answer.body.startswith(b"The site says: ")
    assert len(answer.body) > len(b"The site says: ")


@pytest.mark.parametrize("code", FORBIDDEN)
def test_a_page_for_403_sets_no_cookie_and_varies_with_it(code):
    answer = refused(code, headers=PAGE)
    assert answer.set_cookies == []
    assert "Cookie" in answer.header("vary")


@KIND
@pytest.mark.parametrize("code", FORBIDDEN)
def test_the_sites_own_handler_knows_why(settings, code, kind):
    def handler403(request, exception):
        return HttpResponse(f"{exception.reason} {request.account.id}", status=403)

    settings.ROOT_URLCONF = urlconf(handler403=handler403)
    answer = refused(code, kind=kind, headers=PAGE)
    assert (answer.status, answer.body) == (403, f"{code} 7".encode())


@pytest.mark.parametrize("code", FORBIDDEN)
@pytest.mark.parametrize("debug", [False, True])
def test_without_a_page_of_the_site_it_is_djangos(settings, templates, code, debug):
    settings.DEBUG = debug
    answer = refused(code, headers=PAGE)
    assert answer.status == 403
    assert b"403 Forbidden" in answer.body


@CASES
def test_programs_never_see_the_sites_page(templates, code):
    templates["403.html"] = "The site says: {{ exception }}"
    assert json.loads(refused(code).body)["code"] == code


# Django's cache


@pytest.fixture
def _empty_cache():
    cache.clear()
    yield
    cache.clear()


GUARDED_CLASS = type("Guarded", (AuthenticatedMixin, http_guards.Page), {})


@pytest.mark.usefixtures("_empty_cache")
@pytest.mark.parametrize(
    "view",
    [
        cache_page(60)(authenticated(http_guards.view)),
        authenticated(cache_page(60)(http_guards.view)),
        cache_page(60)(any_of(authenticated(), authorized())(http_guards.view)),
        cache_page(60)(GUARDED_CLASS.as_view()),
    ],
    ids=["outside", "inside", "any_of", "class"],
)
@pytest.mark.parametrize("stack", [STACK, STOCK], ids=["ours", "stock"])
def test_a_page_in_the_cache_is_for_those_who_may_see_it(settings, view, stack):
    settings.MIDDLEWARE = stack
    settings.ROOT_URLCONF = urlconf(path("", view))
    assert entered(wsgi(cookie=signed_in()))
    assert wsgi(headers=FETCH).status == 401
    assert entered(wsgi(cookie=signed_in()))


# In the middle of a view


OPTIONS = {
    "not_authenticated": {},
    "not_fresh": {"fresh": TEN_MINUTES},
    "wrong_role": {"roles": ["secret-role", "owner"]},
    "not_verified": {"verified": True},
    "no_org": {"org": True},
}


@CASES
@SERVER
@pytest.mark.parametrize("stack", [STACK, STOCK], ids=["ours", "stock"])
@pytest.mark.parametrize("headers", [PAGE, FETCH], ids=["page", "fetch"])
@pytest.mark.parametrize("debug", [False, True])
def test_a_guard_in_a_view_answers_as_one_on_it(
    settings, server, code, stack, headers, debug
):
    settings.MIDDLEWARE, settings.DEBUG = stack, debug
    options, (guard, account, _) = OPTIONS[code], REFUSALS[code]
    cookie = () if account is None else signed_in(**account)
    on_it = server(guard(http_guards.view), cookie, headers=headers)
    held = asking(lambda request: request.authenticated(**options))
    aheld = aasking(lambda request: request.aauthenticated(**options))
    assert server(held, cookie, headers=headers) == on_it
    assert server(aheld, cookie, headers=headers) == on_it


@SERVER
@pytest.mark.parametrize("headers", [PAGE, FETCH], ids=["page", "fetch"])
def test_a_wish_for_a_key_in_a_view_answers_as_one_on_it(server, headers):
    on_it = server(decorated(authorized, scopes=["a"]), signed_in(), headers=headers)
    held = asking(lambda request: request.authorized(scopes=["a"]))
    aheld = aasking(lambda request: request.aauthorized(scopes=["a"]))
    assert server(held, signed_in(), headers=headers) == on_it
    assert server(aheld, signed_in(), headers=headers) == on_it
