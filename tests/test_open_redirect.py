"""A refused visitor comes back to this site after the log-in, and to no other."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote, unquote, urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.views import LoginView
from django.test import Client
from django.urls import include, path, re_path, reverse_lazy
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_secure_session import authenticated
from django_secure_session.views import ReauthenticateView
from tests import http_guards
from tests.http import HOST, SERVERS, both, wsgi
from tests.http_guards import (
    FETCH,
    KINDS,
    PAGE,
    REQUIRED,
    STACK,
    asking,
    host_of,
    location,
    signed_in,
    urlconf,
    way_back,
)

COMMON = "django.middleware.common.CommonMiddleware"
SERVER = pytest.mark.parametrize("server", SERVERS)
FRESH = authenticated(fresh=timedelta(minutes=10))

fuzzed = hypothesis_settings(
    max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
guarded = authenticated(http_guards.view)


@pytest.fixture(autouse=True)
def _site(settings):
    settings.MIDDLEWARE = STACK
    settings.LOGIN_URL = "/log-in/"


#: Paths as a server hands them on, decoded; what would leave the site if it were read
#: as a URL, by any browser.
EVIL = [
    "//evil.com",
    "//evil.com/x",
    "///evil.com",
    "////evil.com/",
    "//evil.com:80/x",
    "//user@evil.com/",
    "/\\evil.com",
    "/\\/evil.com",
    "/\\\\evil.com",
    "/%2Fevil.com",
    "/%5Cevil.com",
    "/%09/evil.com",
    "/\t/evil.com",
    "/\n/evil.com",
    "/\r\n/evil.com",
    "/\r\nLocation: https://evil.com/",
    "/\r\nSet-Cookie: sessionid=x",
    "/\0//evil.com",
    "/ //evil.com",
    "/\u2028//evil.com",
    "/\uff0f\uff0fevil.com",
    "/\u3002evil.com",
    "/https://evil.com/",
    "/http:evil.com",
    "/javascript:alert(1)",
    "/..//evil.com/",
    "/.//evil.com",
    "/../..//evil.com",
    "/;@evil.com",
    "/@evil.com",
    "/#//evil.com",
    "/a&next=https://evil.com/",
    "/a#&next=//evil.com",
    "/a%26next=//evil.com",
    "/\U0001f4a9/\x85\xa0",
]


def is_here(url: str) -> bool:
    """Tell whether a browser that is told to go to a URL stays on this site."""
    return host_of(url) == HOST


# The path


@SERVER
@pytest.mark.parametrize("evil", EVIL)
def test_no_path_leads_off_the_site(server, evil):
    answer = server(guarded, path=evil, headers=PAGE)
    assert location(answer).startswith("/log-in/?next=/")
    assert is_here(location(answer))
    assert is_here(way_back(answer))
    assert unquote(way_back(answer)) == evil


@SERVER
@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_view_differs(server, kind):
    evil = "//evil.com/\\x/?next=//evil.com"
    by_function = server(guarded, path=evil, headers=PAGE)
    by_kind = server(KINDS[kind](authenticated()), path=evil, headers=PAGE)
    assert location(by_kind) == location(by_function)


@pytest.mark.parametrize("evil", EVIL)
def test_a_guard_in_a_view_leads_to_the_same_place(evil):
    held = asking(lambda request: request.authenticated())
    in_it = both(held, path=evil, headers=PAGE)
    assert location(in_it) == location(both(guarded, path=evil, headers=PAGE))


@pytest.mark.parametrize("evil", EVIL)
def test_a_gated_view_leads_to_the_same_place(settings, evil):
    expected = location(both(guarded, path=evil, headers=PAGE))
    settings.MIDDLEWARE = [*STACK, REQUIRED]
    assert location(both(http_guards.view, path=evil, headers=PAGE)) == expected


@pytest.mark.parametrize("evil", EVIL)
def test_a_log_in_that_is_too_old_leads_off_the_site_no_more(settings, evil):
    settings.SECURE_SESSION = {
        **settings.SECURE_SESSION,
        "REAUTHENTICATE_URL": "/again/",
    }
    answer = both(FRESH(http_guards.view), signed_in(age=600), path=evil, headers=PAGE)
    assert location(answer).startswith("/again/?next=/")
    assert unquote(way_back(answer)) == evil
    assert is_here(way_back(answer))


PATHS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="?"))
NEAR_MISSES = st.text("/\\%25cfF.:@\t\r\n \0e\u2028#;&=")


@SERVER
@given(rest=PATHS | NEAR_MISSES)
@example(rest="/evil.com")
@fuzzed
def test_any_path_comes_back_as_it_was(server, rest):
    answer = server(guarded, path=f"/{rest}", headers=PAGE)
    assert is_here(location(answer))
    assert is_here(way_back(answer))
    assert unquote(way_back(answer)) == f"/{rest}"


@given(rest=PATHS | NEAR_MISSES)
@fuzzed
def test_any_header_of_a_redirect_is_one_line_of_visible_ascii(rest):
    for name, text in wsgi(guarded, path=f"/{rest}", headers=PAGE).headers:
        assert name.isascii()
        assert all(" " <= character <= "~" for character in text)


# The query


@SERVER
@pytest.mark.parametrize(
    "query",
    [
        "next=https://evil.com/",
        "next=//evil.com",
        "next=/&next=//evil.com",
        "a=1&next=%2F%2Fevil.com",
        "&&next=//evil.com&&",
        "#next=//evil.com",
        "//evil.com",
        "?//evil.com",
        "a=b;next=//evil.com",
        "%0d%0aLocation:%20//evil.com",
        "%00",
        "%zz%",
        "%e2%28%a1",
    ],
)
def test_a_query_comes_back_as_it_was_and_adds_nothing(server, query):
    answer = server(guarded, path=f"/page/?{query}", headers=PAGE)
    there, _, back = location(answer).partition("?next=")
    assert there == "/log-in/"
    assert "&" not in back
    assert unquote(way_back(answer)) == unquote(f"/page/?{query}")
    assert is_here(way_back(answer))


@given(query=st.text(st.characters(codec="ascii", exclude_categories=["Cc"])))
@fuzzed
def test_any_query_is_within_next(query):
    answer = wsgi(guarded, path=f"/page/?{query}", headers=PAGE)
    parts = urlsplit(location(answer))
    assert parts[:3] == ("", "", "/log-in/")
    assert parts.fragment == ""
    assert set(parts.query) & {"&", ";"} == set()
    # What comes after the log-in is the page that was asked for.
    assert way_back(answer).startswith("/page/")


@pytest.mark.parametrize("size", [2_000, 8_000, 16_000])
@pytest.mark.parametrize("form", ["/{}", "/?q={}"])
def test_a_long_url_comes_back_as_it_was(size, form):
    asked = form.format("e" * size)
    assert way_back(both(guarded, path=asked, headers=PAGE)) == asked


@pytest.mark.parametrize("form", ["/{}", "/?q={}"])
def test_a_url_too_long_for_djangos_redirects_is_a_bad_request(form):
    """It is so with Django's login_required too."""
    asked = form.format("e" * 16_384)
    assert both(guarded, path=asked, headers=PAGE).status == 400
    held = asking(lambda request: request.authenticated())
    assert both(held, path=asked, headers=PAGE).status == 400


# LOGIN_URL


NAMED = [
    path("accounts/sign-in/", LoginView.as_view(), name="sign-in"),
    path("inner/", include(([path("x/", LoginView.as_view(), name="x")], "inner"))),
]
HERE = "/page/?a=1"
THERE = f"http://{HOST}{HERE}"


@pytest.mark.parametrize(
    ("login_url", "there", "back"),
    [
        ("/log-in/", "/log-in/", HERE),
        ("sign-in", "/accounts/sign-in/", HERE),
        ("inner:x", "/inner/x/", HERE),
        (reverse_lazy("sign-in"), "/accounts/sign-in/", HERE),
        ("./log-in/", "./log-in/", HERE),
        (f"http://{HOST}/log-in/", f"http://{HOST}/log-in/", HERE),
        (f"//{HOST}/log-in/", f"//{HOST}/log-in/", HERE),
        (f"https://{HOST}/log-in/", f"https://{HOST}/log-in/", THERE),
        (f"http://{HOST}:8000/log-in/", f"http://{HOST}:8000/log-in/", THERE),
        ("https://sso.example.org/in", "https://sso.example.org/in", THERE),
        ("//sso.example.org/in", "//sso.example.org/in", THERE),
    ],
    ids=lambda value: value if isinstance(value, str) else "reverse_lazy",
)
def test_any_form_of_login_url_is_told_where_to_go_back(
    settings, login_url, there, back
):
    settings.ROOT_URLCONF = urlconf(*NAMED)
    settings.LOGIN_URL = login_url
    answer = both(guarded, path=HERE, headers=PAGE)
    assert location(answer).partition("?")[0] == there
    assert way_back(answer) == back


@pytest.mark.parametrize(
    ("login_url", "expected"),
    [
        ("/log-in/?sso=1&x=a%20b", "/log-in/?sso=1&x=a%20b&next=/page/%3Fa%3D1"),
        ("/log-in/?next=/home/", "/log-in/?next=/page/%3Fa%3D1"),
        ("/log-in/?next=/1&next=/2", "/log-in/?next=/page/%3Fa%3D1"),
        ("/log-in/#top", "/log-in/?next=/page/%3Fa%3D1#top"),
    ],
)
def test_a_query_of_login_url_is_kept_but_for_next(settings, login_url, expected):
    settings.LOGIN_URL = login_url
    assert location(both(guarded, path=HERE, headers=PAGE)) == expected


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize(
    "login_url", ["https://sso.example.org/in", f"http://{HOST}/in", f"//{HOST}/in"]
)
def test_no_path_leads_another_host_astray(settings, login_url, evil):
    settings.LOGIN_URL = login_url
    answer = both(guarded, path=evil, headers=PAGE)
    assert location(answer).startswith(f"{login_url}?next=")
    assert is_here(way_back(answer))


def test_a_name_of_no_url_is_an_error_as_in_django(settings):
    settings.LOGIN_URL = "no-such-name"
    assert wsgi(guarded, headers=PAGE).status == 500


# Where the site is


def test_a_site_below_a_path_is_come_back_to_there(settings):
    settings.FORCE_SCRIPT_NAME = "/app"
    assert way_back(wsgi(guarded, path="/page/", headers=PAGE)) == "/app/page/"
    settings.ROOT_URLCONF, settings.LOGIN_URL = urlconf(*NAMED), "sign-in"
    answer = wsgi(guarded, path="/page/", headers=PAGE)
    assert location(answer) == "/app/accounts/sign-in/?next=/app/page/"


@pytest.mark.parametrize("script_name", ["//evil.com", "/\\evil.com", "///evil.com/"])
def test_not_even_the_path_of_the_site_leads_off_it(settings, script_name):
    settings.FORCE_SCRIPT_NAME = script_name
    assert is_here(way_back(wsgi(guarded, path="/page/", headers=PAGE)))


# The Host header


@SERVER
@pytest.mark.parametrize(
    "host",
    [
        *("evil.com", f"evil.com:{80}", f"{HOST}.evil.com", f"{HOST}@evil.com"),
        *(f"evil.com/{HOST}", f"{HOST}\\evil.com", "", f"{HOST}:x", f"{HOST}#@evil"),
    ],
)
class TestAHostThatIsNotOurs:
    @pytest.fixture(autouse=True)
    def _hosts(self, settings):
        settings.ALLOWED_HOSTS = [HOST]

    def test_is_refused_where_it_would_be_named(self, settings, server, host):
        settings.LOGIN_URL = "https://sso.example.org/in"
        assert server(guarded, host=host, headers=PAGE).status == 400

    def test_is_refused_by_a_guard_in_a_view(self, settings, server, host):
        settings.LOGIN_URL = "https://sso.example.org/in"
        held = asking(lambda request: request.authenticated())
        assert server(held, host=host, headers=PAGE).status == 400

    def test_is_refused_by_the_gate(self, settings, server, host):
        settings.LOGIN_URL = "https://sso.example.org/in"
        settings.MIDDLEWARE = [*STACK, REQUIRED]
        assert server(http_guards.view, host=host, headers=PAGE).status == 400

    def test_is_named_nowhere_else(self, server, host):
        answer = server(guarded, host=host, headers=PAGE)
        assert location(answer) == "/log-in/?next=/"

    def test_is_refused_before_the_guard_by_django(self, settings, server, host):
        settings.MIDDLEWARE = [COMMON, *STACK]
        assert server(guarded, host=host, headers=PAGE).status == 400


FORWARDED = {
    "X-Forwarded-Host": "evil.com",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "8443",
    "X-Forwarded-Prefix": "//evil.com",
    "X-Forwarded-Server": "evil.com",
    "X-Original-URL": "//evil.com/",
    "X-Rewrite-URL": "//evil.com/",
    "X-Host": "evil.com",
    "Forwarded": "host=evil.com;proto=https",
    "Referer": "https://evil.com/",
    "Origin": "https://evil.com",
}


@pytest.mark.parametrize("login_url", ["/log-in/", "https://sso.example.org/in"])
def test_no_header_of_a_proxy_counts_unasked(settings, login_url):
    settings.LOGIN_URL = login_url
    without = location(both(guarded, headers=PAGE))
    assert location(both(guarded, headers={**PAGE, **FORWARDED})) == without


def test_a_forwarded_host_that_is_not_ours_is_refused(settings):
    settings.USE_X_FORWARDED_HOST = True
    settings.ALLOWED_HOSTS = [HOST]
    settings.LOGIN_URL = "https://sso.example.org/in"
    headers = {**PAGE, "X-Forwarded-Host": "evil.com"}
    assert both(guarded, headers=headers).status == 400


def test_behind_a_proxy_the_scheme_is_the_one_that_it_tells(settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.LOGIN_URL = f"https://{HOST}/log-in/"
    headers = {**PAGE, "X-Forwarded-Proto": "https"}
    assert way_back(both(guarded, headers=headers)) == "/"


@pytest.mark.parametrize("headers", [FETCH, {**FETCH, **FORWARDED}])
def test_a_401_leads_nowhere(headers):
    answer = both(guarded, path="//evil.com/?next=//evil.com", headers=headers)
    assert answer.status == 401
    assert b"evil" not in answer.body
    assert "evil" not in repr(answer.headers)


# The page that follows


PAGE_WITH_FORM = "secure_session/reauthenticate.html"
LOG_IN = LoginView.as_view(template_name=PAGE_WITH_FORM, next_page="/home/")
FOLLOWING = [
    path("log-in/", LOG_IN),
    path("again/", ReauthenticateView.as_view(next_page="/home/")),
    re_path(r"^fresh[\s\S]*$", FRESH(http_guards.view)),
    re_path(r"^[\s\S]*$", guarded),
]


@pytest.fixture
def client(settings, db):
    settings.ROOT_URLCONF = urlconf(*FOLLOWING)
    get_user_model().objects.create_user("ann", password="right")
    return Client(headers=PAGE)


def ask(client, path_info):
    """Ask for a path just as it is; the client itself would take it for a URL."""
    return client.get("/", PATH_INFO=path_info.encode().decode("latin-1"))


def log_in(client, url="/log-in/"):
    return client.post(url, {"username": "ann", "password": "right"})


@pytest.mark.parametrize("evil", [evil for evil in EVIL if "#" not in evil])
def test_the_log_in_that_follows_comes_back_to_the_path(client, evil):
    asked = ask(client, evil)
    done = log_in(client, asked["Location"])
    assert done.status_code == 302
    assert is_here(done["Location"])
    assert unquote(done["Location"]) == evil


@pytest.mark.parametrize("evil", [evil for evil in EVIL if "#" not in evil])
def test_the_confirmation_that_follows_comes_back_to_the_path(client, clock, evil):
    log_in(client)
    clock.tick(minutes=10)
    asked = ask(client, f"/fresh{evil}")
    assert asked["Location"].startswith("/again/?next=/fresh")
    done = client.post(asked["Location"], {"password": "right"})
    assert done.status_code == 302
    assert is_here(done["Location"])
    assert unquote(done["Location"]) == f"/fresh{evil}"


OFF_SITE = [
    *("https://evil.com/", "//evil.com", "///evil.com", "/\\evil.com", "\\\\evil.com"),
    *("http:///evil.com", "http:evil.com", "https:/evil.com", "\t//evil.com"),
    *("/\t/evil.com", "javascript:alert(1)", "data:text/html,x", "ftp://evil.com/"),
    *(f"http://{HOST}@evil.com/", f"http://evil.com/{HOST}", "http://[::1]/"),
    *("\x08//evil.com", "http://testserver@evil.com", "//evil.com\\@testserver/"),
]


@pytest.mark.parametrize("given_in", ["query", "form"])
@pytest.mark.parametrize("evil", OFF_SITE)
def test_a_confirmation_sends_nobody_off_the_site(client, evil, given_in):
    log_in(client)
    url = "/again/" + (f"?next={quote(evil)}" if given_in == "query" else "")
    form = {"password": "right", **({"next": evil} if given_in == "form" else {})}
    done = client.post(url, form)
    assert (done.status_code, done["Location"]) == (302, "/home/")


@pytest.mark.parametrize("evil", OFF_SITE)
def test_the_form_of_a_confirmation_carries_nothing_off_the_site(client, evil):
    log_in(client)
    page = client.get(f"/again/?next={quote(evil)}")
    assert b'name="next" value=""' in page.content


def test_a_confirmation_over_https_sends_nobody_to_http(client):
    log_in(client)
    form = {"password": "right", "next": "http://testserver/x/"}
    done = client.post("/again/", form, secure=True)
    assert done["Location"] == "/home/"


@given(evil=PATHS | NEAR_MISSES)
@fuzzed
def test_no_next_of_a_confirmation_leads_off_the_site(client, evil):
    log_in(client)
    done = client.post("/again/", {"password": "right", "next": evil})
    assert done.status_code == 302
    # A browser goes nowhere for "//", which Django lets pass.
    assert host_of(done["Location"]) in (HOST, "testserver", "")
