"""Several sessions side by side, and one in another's place below a URL."""

from __future__ import annotations

import importlib.util
import re
import secrets
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import AsyncRequestFactory, RequestFactory

from django_secure_session import (
    create_session,
    decode_session,
    encode_session,
    signals,
)
from django_secure_session.backends import encrypted_cookies
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.checks import check_settings
from django_secure_session.conf import get_configs
from django_secure_session.middleware import SecureSessionMiddleware
from tests.http import SECURE_MIDDLEWARE, SERVERS
from tests.visits import (
    NAME,
    Visitor,
    attributes,
    call,
    cookie,
    counted_codec,
    deletes,
    does,
    max_age,
    read,
    refused_cookie,
    sent,
    sent_data,
    site,
    untouched,
    write,
)

AREA = {"COOKIE_NAME": "area", "URL_PREFIX": "/area/"}


@pytest.fixture(params=SERVERS, ids=["wsgi", "asgi"])
def visitor(request, settings) -> Visitor:
    settings.MIDDLEWARE = [SECURE_MIDDLEWARE]
    settings.SECURE_SESSION = site(SESSIONS={"prefs": {}, "area": AREA})
    return Visitor(request.param)


@pytest.fixture
def prefs(visitor, settings):
    """Return what gives the session "prefs" its options."""

    def configure(**options):
        settings.SECURE_SESSION = site(SESSIONS={"prefs": options})

    return configure


def with_prefs(action):
    """Return a view that does something with the session "prefs"."""

    def view(request):
        return HttpResponse(repr(action(request.prefs_session)))

    return view


read_prefs = with_prefs(lambda s: s.data())
dark = with_prefs(lambda s: s.update({"theme": "dark"}))


# Side by side


def test_a_named_session_has_its_own_cookie(visitor):
    answer = visitor.get(dark)

    assert sent_data(answer, "prefs") == {"theme": "dark"}
    assert len(answer.set_cookies) == 1
    assert visitor.get(read_prefs).body == b"{'theme': 'dark'}"
    assert visitor.get(read).body == b"{}"


def test_the_sites_own_session_is_no_named_one(visitor):
    visitor.get(write(a=1))

    assert visitor.get(read_prefs).body == b"{}"


def test_one_response_sends_every_session_that_changed(visitor):
    def view(request):
        request.session["a"] = request.prefs_session["b"] = 1
        request.area_session["c"] = 1
        return HttpResponse()

    answer = visitor.get(view)
    found = [sent_data(answer, alias) for alias in ("default", "prefs", "area")]
    assert found == [{"a": 1}, {"b": 1}, {"c": 1}]


def test_a_session_that_is_not_used_is_not_opened(visitor, monkeypatch):
    visitor.begin({"a": 1})
    visitor.begin({"theme": "dark"}, "prefs")
    calls = counted_codec(monkeypatch)
    visitor.get(read_prefs)

    assert calls["open"] == 1


def test_an_untouched_request_opens_none_of_them(visitor, monkeypatch):
    visitor.begin({"a": 1})
    visitor.begin({"theme": "dark"}, "prefs")
    calls = counted_codec(monkeypatch)
    answer = visitor.get(untouched)

    assert not calls
    assert answer.header("vary") is None


@pytest.mark.parametrize("method", ["flush", "cycle_key", "regenerate", "touch"])
def test_what_becomes_of_one_session_does_not_concern_the_others(visitor, method):
    visitor.begin({"a": 1})
    visitor.begin({"theme": "dark"}, "prefs")
    answer = visitor.get(call(method))

    assert cookie(answer)
    assert cookie(answer, "prefs_session") is None
    assert visitor.get(read_prefs).body == b"{'theme': 'dark'}"


def test_ending_a_named_session_leaves_the_sites_own(visitor):
    visitor.begin({"a": 1})
    visitor.begin({"theme": "dark"}, "prefs")
    answer = visitor.get(with_prefs(lambda s: s.flush()))

    assert deletes(answer, "prefs_session")
    assert cookie(answer) is None
    assert visitor.get(read).body == b"{'a': 1}"


@pytest.mark.parametrize("reason", ["unknown_version", "malformed"])
def test_a_junk_cookie_of_one_does_not_concern_the_others(visitor, clock, reason):
    visitor.begin({"a": 1})
    visitor.put(refused_cookie(reason, clock), "prefs_session")
    answer = visitor.get(read)

    assert answer.body == b"{'a': 1}"
    assert not answer.set_cookies
    assert deletes(visitor.get(read_prefs), "prefs_session")


def test_save_every_request_sends_each_session_that_came(visitor, settings):
    settings.SESSION_SAVE_EVERY_REQUEST = True
    visitor.begin({"a": 1})
    visitor.begin({"theme": "dark"}, "prefs")
    answer = visitor.get(untouched)

    assert sent_data(answer) == {"a": 1}
    assert sent_data(answer, "prefs") == {"theme": "dark"}
    assert len(answer.set_cookies) == 2


# Tokens of one and the other


NAMES = {"default": NAME, "prefs": "prefs_session", "area": "area"}


@pytest.mark.parametrize(
    ("of", "under"),
    [(of, under) for of in NAMES for under in NAMES if of != under],
)
def test_a_token_of_one_session_is_nobody_under_the_name_of_another(visitor, of, under):
    visitor.put(create_session({"a": 1}, alias=of).session_key, NAMES[under])
    attribute = "session" if under == "default" else f"{under}_session"

    def view(request):
        session = getattr(request, attribute)
        return HttpResponse(repr((session.data(), session.rejection)))

    answer = visitor.get(view)
    assert answer.body == b"({}, 'unknown_key')"
    assert not answer.set_cookies


def test_tokens_are_made_and_opened_for_one_session(visitor):
    visitor.put(encode_session({"theme": "dark"}, alias="prefs"), "prefs_session")
    assert visitor.get(read_prefs).body == b"{'theme': 'dark'}"

    token = visitor.header().removeprefix("prefs_session=")
    assert decode_session(token, alias="prefs")["theme"] == "dark"
    assert decode_session(token) is None
    assert decode_session(token, alias="area") is None


def test_a_session_on_the_request_is_encoded_as_what_it_is(visitor):
    visitor.begin({"theme": "dark"}, "prefs")
    token = visitor.get(with_prefs(encode_session)).body.decode().strip("'")

    assert decode_session(token, alias="prefs").data() == {"theme": "dark"}
    assert decode_session(token) is None


def test_encode_and_decode_of_one_session_are_not_those_of_another(visitor, caplog):
    text = SessionStore(alias="prefs").encode({"a": 1})

    assert SessionStore(alias="prefs").decode(text) == {"a": 1}
    assert SessionStore().decode(text) == {}


def test_signals_name_the_session(visitor):
    aliases = []

    def receive(alias, **named):
        aliases.append(alias)

    visitor.put("A" * 128, "prefs_session")
    signals.session_rejected.connect(receive)
    visitor.get(read_prefs)
    signals.session_rejected.disconnect(receive)

    assert aliases == ["prefs"]


# Options of its own


def test_it_may_have_keys_of_its_own(prefs, visitor, settings):
    prefs(KEY=secrets.token_bytes(32))
    visitor.begin({"a": 1})
    visitor.begin({"theme": "dark"}, "prefs")
    settings.SECURE_SESSION = {
        **settings.SECURE_SESSION,
        "KEY": secrets.token_bytes(32),
    }

    assert visitor.get(does(lambda s: s.rejection)).body == b"'unknown_key'"
    assert visitor.get(read_prefs).body == b"{'theme': 'dark'}"


def test_its_keys_rotate_apart_from_the_sites(prefs, visitor):
    old = secrets.token_bytes(32)
    prefs(KEY=old)
    visitor.begin({"theme": "dark"}, "prefs")
    visitor.begin({"a": 1})
    prefs(KEY=secrets.token_bytes(32), KEY_FALLBACKS=[old])

    def view(request):
        return HttpResponse(
            repr((request.session["a"], request.prefs_session["theme"]))
        )

    answer = visitor.get(view)
    assert sent_data(answer, "prefs") == {"theme": "dark"}
    assert cookie(answer) is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"COOKIE_AGE": 60}, "expired"),
        ({"IDLE_TIMEOUT": 60}, "idle"),
        ({"ABSOLUTE_TIMEOUT": 60}, "expired"),
    ],
)
@pytest.mark.parametrize(("second", "alive"), [(-1, True), (0, False), (1, False)])
def test_it_may_have_lifetimes_of_its_own(
    prefs, visitor, clock, options, reason, second, alive
):
    prefs(**options)
    visitor.begin({"a": 1})
    visitor.begin({"theme": "dark"}, "prefs")
    clock.tick(60 + second)

    expected = None if alive else reason
    assert (
        visitor.get(with_prefs(lambda s: s.rejection)).body == repr(expected).encode()
    )
    assert visitor.get(read).body == b"{'a': 1}"


def test_it_may_live_longer_than_the_sites_session(prefs, visitor, clock):
    prefs(COOKIE_AGE=31536000, ABSOLUTE_TIMEOUT=None)
    answer = visitor.get(dark)
    assert max_age(answer, "prefs_session") == 31536000

    visitor.get(write(a=1))
    clock.tick(days=364)
    assert visitor.get(read_prefs).body == b"{'theme': 'dark'}"
    assert visitor.get(read).body == b"{}"


@pytest.mark.parametrize("name", ["IDLE_TIMEOUT", "ABSOLUTE_TIMEOUT"])
def test_it_has_the_sites_timeouts_unless_it_has_its_own(
    visitor, settings, clock, name
):
    settings.SECURE_SESSION = site(**{name: 60})
    visitor.begin({"theme": "dark"}, "prefs")
    clock.tick(60)

    assert visitor.get(read_prefs).body == b"{}"


def test_only_the_session_that_is_used_is_refreshed(visitor, settings, clock):
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=1000)
    visitor.begin({"a": 1})
    visitor.begin({"theme": "dark"}, "prefs")
    clock.tick(500)
    answer = visitor.get(read_prefs)

    assert sent_data(answer, "prefs") == {"theme": "dark"}
    assert cookie(answer) is None


OWN = {
    "COOKIE_NAME": ("settings", None),
    "COOKIE_PATH": ("/p/", "Path=/p/"),
    "COOKIE_DOMAIN": ("example.com", "Domain=example.com"),
    "COOKIE_SECURE": (True, "Secure"),
    "COOKIE_SAMESITE": ("Strict", "SameSite=Strict"),
}


@pytest.mark.parametrize("option", OWN)
def test_its_cookie_may_have_attributes_of_its_own(prefs, visitor, option):
    own, said = OWN[option]
    prefs(**{option: own})

    def view(request):
        request.session["a"] = request.prefs_session["b"] = 1
        return HttpResponse()

    answer = visitor.get(view)
    name = own if option == "COOKIE_NAME" else "prefs_session"
    assert cookie(answer, name)
    assert said is None or said in attributes(answer, name)
    assert said not in attributes(answer)


def test_its_cookie_may_be_readable_by_scripts(prefs, visitor):
    prefs(COOKIE_HTTPONLY=False)

    assert "HttpOnly" not in attributes(visitor.get(dark), "prefs_session")
    assert "HttpOnly" in attributes(visitor.get(write(a=1)))


def test_its_cookie_may_be_partitioned(prefs, visitor):
    prefs(COOKIE_PARTITIONED=True, COOKIE_SECURE=True, COOKIE_SAMESITE="None")

    assert "Partitioned" in attributes(visitor.get(dark), "prefs_session")
    assert "Partitioned" not in attributes(visitor.get(write(a=1)))


@pytest.mark.parametrize(("secure", "said"), [(True, {"Secure"}), (False, set())])
def test_its_cookie_may_be_as_secure_as_the_request(prefs, visitor, secure, said):
    prefs(COOKIE_SECURE="auto")
    visitor.secure = secure

    assert attributes(visitor.get(dark), "prefs_session") & {"Secure"} == said


def test_its_cookie_has_djangos_attributes_where_it_has_none(prefs, visitor, settings):
    settings.SESSION_COOKIE_SAMESITE = "Strict"
    settings.SESSION_COOKIE_SECURE = True
    settings.SESSION_COOKIE_PATH = "/shop/"
    answer = visitor.get(dark)

    assert attributes(answer, "prefs_session") >= {
        *("HttpOnly", "Path=/shop/", "SameSite=Strict", "Secure")
    }


def test_it_is_deleted_where_it_was_set(prefs, visitor):
    prefs(
        COOKIE_PATH="/p/",
        COOKIE_DOMAIN="example.com",
        COOKIE_SAMESITE="None",
        COOKIE_SECURE=True,
        COOKIE_PARTITIONED=True,
    )
    visitor.secure = True
    token = create_session({"theme": "dark"}, alias="prefs").session_key
    visitor.put(token, "prefs_session")
    answer = visitor.get(with_prefs(lambda s: s.flush()))

    assert deletes(answer, "prefs_session")
    assert attributes(answer, "prefs_session") >= {
        *("Path=/p/", "Domain=example.com", "SameSite=None", "Secure", "Partitioned")
    }


def test_it_may_have_another_name_on_the_request(prefs, visitor):
    prefs(ATTRIBUTE="preferences")

    def view(request):
        request.preferences["theme"] = "dark"
        return HttpResponse(hasattr(request, "prefs_session"))

    answer = visitor.get(view)
    assert sent_data(answer, "prefs") == {"theme": "dark"}
    assert answer.body == b"False"


def test_a_view_may_put_another_session_in_its_place(visitor):
    def view(request):
        request.prefs_session = create_session({"theme": "light"}, alias="prefs")
        return HttpResponse()

    assert sent_data(visitor.get(view), "prefs") == {"theme": "light"}


# Below a URL


def which(request):
    below = request.session is request.area_session
    return HttpResponse("area" if below else "site")


@pytest.mark.parametrize("path", ["/area/", "/area/x/", "/area//", "/area/area"])
def test_below_its_prefix_the_session_is_another_one(visitor, path):
    assert visitor.get(which, path=path).body == b"area"


@pytest.mark.parametrize(
    "path",
    ["/", "/area", "/area2/", "/areal/", "/AREA/", "//area/", "/x/area/", "/ar/ea/"],
)
def test_elsewhere_the_session_is_the_sites_own(visitor, path):
    assert visitor.get(which, path=path).body == b"site"


@pytest.mark.parametrize("path", ["/area/", "/zone/", "/zone/x/"])
def test_there_may_be_several_prefixes(visitor, settings, path):
    area = {"URL_PREFIX": ["/area/", "/zone/"]}
    settings.SECURE_SESSION = site(SESSIONS={"area": area})

    assert visitor.get(which, path=path).body == b"area"
    assert visitor.get(which, path="/").body == b"site"


def test_there_may_be_several_sessions_with_a_prefix(visitor, settings):
    settings.SECURE_SESSION = site(
        SESSIONS={"area": AREA, "zone": {"URL_PREFIX": "/zone/"}}
    )

    def view(request):
        return HttpResponse(request.session.alias)

    found = [visitor.get(view, path=path).body for path in ("/area/", "/zone/", "/")]
    assert found == [b"area", b"zone", b"default"]


def test_a_session_below_a_prefix_is_written_once(visitor, monkeypatch):
    calls = counted_codec(monkeypatch)
    visitor.get(write(a=1))
    elsewhere = dict(calls)
    calls.clear()
    answer = visitor.get(write(a=1), path="/area/")

    assert calls == elsewhere
    assert len(answer.set_cookies) == 1


@pytest.mark.parametrize("path", ["/area/", "/zone/", "/"])
def test_every_other_named_session_is_there_below_a_prefix(visitor, settings, path):
    zone = {"URL_PREFIX": "/zone/"}
    settings.SECURE_SESSION = site(SESSIONS={"area": AREA, "zone": zone, "prefs": {}})

    def view(request):
        sessions = request.area_session, request.zone_session, request.prefs_session
        return HttpResponse(" ".join(session.alias for session in sessions))

    assert visitor.get(view, path=path).body == b"area zone prefs"


def test_both_names_below_a_prefix_are_one_session(visitor):
    def view(request):
        request.session["a"] = 1
        request.area_session["b"] = 2
        return HttpResponse(request.session["b"])

    answer = visitor.get(view, path="/area/")
    assert answer.body == b"2"
    assert sent_data(answer, "area") == {"a": 1, "b": 2}


@pytest.mark.parametrize("method", ["flush", "touch", "cycle_key", "items"])
def test_below_a_prefix_the_sites_session_is_out_of_reach(visitor, method):
    visitor.begin({"a": 1})
    visitor.begin({"b": 2}, "area")
    answer = visitor.get(call(method), path="/area/")

    assert cookie(answer) is None
    assert visitor.get(read).body == b"{'a': 1}"


def test_elsewhere_the_session_of_a_prefix_is_there_under_its_name(visitor):
    visitor.begin({"b": 2}, "area")

    def view(request):
        return HttpResponse(repr(request.area_session.data()))

    assert visitor.get(view).body == b"{'b': 2}"


@pytest.mark.parametrize(("path", "alias"), [("/area/", "area"), ("/", "default")])
def test_a_view_may_put_another_session_below_a_prefix(visitor, path, alias):
    def view(request):
        request.session = create_session({"new": 1}, alias=alias)
        return HttpResponse()

    assert sent_data(visitor.get(view, path=path), alias) == {"new": 1}


def test_a_prefix_does_not_contain_the_script_name(visitor, settings):
    settings.FORCE_SCRIPT_NAME = "/app"

    assert visitor.get(which, path="/area/").body == b"area"
    assert visitor.get(which, path="/").body == b"site"


@pytest.mark.usefixtures("visitor")
@pytest.mark.parametrize(
    ("script_name", "path_info", "expected"),
    [("/app", "/area/", "area"), ("/area", "/", "site"), ("/area", "/area/", "area")],
)
def test_a_prefix_is_compared_with_what_the_urlconf_sees(
    script_name, path_info, expected
):
    wsgi = RequestFactory().get(path_info, SCRIPT_NAME=script_name)
    asgi = AsyncRequestFactory().request(
        path=script_name + path_info, root_path=script_name
    )

    for request in (wsgi, asgi):
        assert request.path == script_name + path_info
        SecureSessionMiddleware(untouched).process_request(request)
        assert which(request).content.decode() == expected


# The admin apart from the site


@pytest.fixture
def users(db):
    User.objects.create_user("ada", password="pw")
    User.objects.create_superuser("root", password="pw")


@pytest.fixture(params=[False, True], ids=["csrf cookie", "csrf in session"])
def browser(request, visitor, settings, users) -> Visitor:
    """A browser before a site whose admin has a session of its own."""
    settings.CSRF_USE_SESSIONS = request.param
    settings.SECURE_SESSION = site(
        SESSIONS={"admin": {"COOKIE_NAME": "admin_id", "URL_PREFIX": "/admin/"}}
    )
    settings.MIDDLEWARE = [
        SECURE_MIDDLEWARE,
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ]
    return visitor


FORM = {"content-type": "application/x-www-form-urlencoded"}
LOG_IN = {"site": "/login/?next=/user/", "admin": "/admin/login/?next=/admin/"}
LOG_OUT = {"site": "/logout/", "admin": "/admin/logout/"}
COOKIES = {"site": NAME, "admin": "admin_id"}


def post(browser, path, page, **fields):
    """Send a form that was found on a page."""
    found = browser.get(path=page).body.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', found)
    if token:
        fields["csrfmiddlewaretoken"] = token[1]
    body = urlencode(fields).encode()
    return browser.get(path=path, method="POST", body=body, headers=FORM)


def log_in(browser, place, username):
    path = LOG_IN[place]
    answer = post(browser, path, path, username=username, password="pw")
    assert answer.status == 302
    return answer


def log_out(browser, place):
    # A page of the place that has a form, and so its CSRF token.
    page = {"site": LOG_IN["site"], "admin": "/admin/"}[place]
    answer = post(browser, LOG_OUT[place], page)
    assert answer.status in {200, 302}
    return answer


def user_of(browser, place):
    if place == "site":
        return browser.get(path="/user/").body.decode()
    page = browser.get(path="/admin/").body.decode()
    found = re.search(r"<strong>(\w+)</strong>", page)
    return found[1] if found else "AnonymousUser"


PLACES = [("site", "admin"), ("admin", "site")]


@pytest.mark.parametrize(("here", "there"), PLACES)
def test_who_signs_in_at_one_place_is_nobody_at_the_other(browser, here, there):
    answer = log_in(browser, here, "root")

    assert cookie(answer, COOKIES[here])
    assert cookie(answer, COOKIES[there]) is None
    assert user_of(browser, here) == "root"
    assert user_of(browser, there) == "AnonymousUser"


@pytest.mark.parametrize(("first", "second"), PLACES)
def test_two_users_are_signed_in_at_once_in_one_browser(browser, first, second):
    users = {"site": "ada", "admin": "root"}
    log_in(browser, first, users[first])
    log_in(browser, second, users[second])

    assert user_of(browser, "site") == "ada"
    assert user_of(browser, "admin") == "root"


@pytest.mark.parametrize(("here", "there"), PLACES)
def test_ending_one_leaves_the_other(browser, here, there):
    users = {"site": "ada", "admin": "root"}
    for place, user in users.items():
        log_in(browser, place, user)
    answer = log_out(browser, here)

    assert deletes(answer, COOKIES[here])
    assert cookie(answer, COOKIES[there]) is None
    assert user_of(browser, here) == "AnonymousUser"
    assert user_of(browser, there) == users[there]


def test_the_admin_works_in_its_own_session(browser):
    """With its messages, which are in the session too."""
    log_in(browser, "site", "ada")
    log_in(browser, "admin", "root")
    page = "/admin/auth/user/add/"
    new = {"username": "new", "usable_password": "true"}
    passwords = {"password1": "Xy7pq!zz", "password2": "Xy7pq!zz"}
    answer = post(browser, page, page, **new, **passwords)

    assert answer.status == 302
    assert cookie(answer) is None
    assert "was added successfully" in browser.get(path="/admin/").body.decode()
    assert user_of(browser, "site") == "ada"


@pytest.mark.parametrize("browser", [True], indirect=True, ids=["csrf in session"])
def test_a_csrf_token_of_one_place_is_none_of_the_other(browser):
    log_in(browser, "site", "ada")
    log_in(browser, "admin", "root")
    answer = post(browser, LOG_OUT["admin"], LOG_IN["site"])

    assert answer.status == 403
    assert user_of(browser, "admin") == "root"


def test_a_cookie_of_the_site_does_not_open_the_admin(browser):
    log_in(browser, "site", "root")
    [token] = [each.value for each in browser.named(NAME)]
    browser.put(token, "admin_id")

    assert user_of(browser, "admin") == "AnonymousUser"
    assert user_of(browser, "site") == "root"


def test_a_session_whose_cookie_is_sent_below_its_prefix_alone(browser, settings):
    options = {"COOKIE_PATH": "/admin/", "URL_PREFIX": "/admin/"}
    settings.SECURE_SESSION = site(SESSIONS={"admin": options})
    log_in(browser, "admin", "root")

    assert "admin_session=" in browser.header("/admin/")
    assert "admin_session=" not in browser.header("/")
    assert user_of(browser, "admin") == "root"
    log_out(browser, "admin")
    assert "admin_session=" not in browser.header("/admin/")


# Settings that can't be


AT = 'SECURE_SESSION["SESSIONS"]'
IN_AREA = f'{AT}["area"]'
TWO = {"one": {}, "two": {}}
REFUSED = {
    # What SESSIONS is
    "a list": ([], [AT, "list", "must be a dict"]),
    "the site's own": ({"default": {}}, [AT, '"default"', "the site's own session"]),
    "options in a list": ({"area": []}, [IN_AREA, "list", "dict of options"]),
    # Names
    "capitals": ({"Area": {}}, [AT, "'Area'", "lower-case"]),
    "a dash": ({"my-area": {}}, [AT, "'my-area'", "underscores"]),
    "a digit": ({"1st": {}}, [AT, "'1st'", "the first a letter"]),
    "empty": ({"": {}}, [AT, "''"]),
    "long": ({"a" * 64: {}}, [AT, "63"]),
    "a number": ({7: {}}, [AT, "7"]),
    # Options
    "unknown": ({"area": {"NICE": 1}}, [IN_AREA, "'NICE'", "COOKIE_NAME"]),
    "misspelt": (
        {"area": {"COOKIE_NMAE": "a"}},
        [IN_AREA, "'COOKIE_NMAE'", "did you mean 'COOKIE_NAME'?"],
    ),
    "of the site alone": ({"area": {"SESSIONS": {}}}, [IN_AREA, "'SESSIONS'"]),
    "no age": ({"area": {"COOKIE_AGE": 0}}, [IN_AREA, '["COOKIE_AGE"]', "0"]),
    "no flag": (
        {"area": {"EXPIRE_AT_BROWSER_CLOSE": "yes"}},
        [IN_AREA, '["EXPIRE_AT_BROWSER_CLOSE"]', "True or False"],
    ),
    "a cookie no browser takes": (
        {"area": {"COOKIE_NAME": "__Host-area", "COOKIE_SECURE": False}},
        [IN_AREA, '["COOKIE_SECURE"]', "__Host-area"],
    ),
    # Cookies
    "the site's cookie": (
        {"area": {"COOKIE_NAME": "sessionid"}},
        ["default", "area", "the cookie 'sessionid'"],
    ),
    "one cookie for two": (
        {"one": {"COOKIE_NAME": "c"}, "two": {"COOKIE_NAME": "c"}},
        ["one", "two", "the cookie 'c'"],
    ),
    "but for its case": (
        {"area": {"COOKIE_NAME": "SessionID"}},
        ["default", "area", "the cookie 'sessionid'"],
    ),
    "the default of another": (
        {"one": {}, "two": {"COOKIE_NAME": "one_session"}},
        ["one", "two", "the cookie 'one_session'"],
    ),
    "the cookie of CSRF": (
        {"area": {"COOKIE_NAME": "csrftoken"}},
        ["Django", "area", "the cookie 'csrftoken'"],
    ),
    "the cookie of the language": (
        {"area": {"COOKIE_NAME": "django_language"}},
        ["Django", "area", "the cookie 'django_language'"],
    ),
    "a chunk of another": (
        {"area": {"COOKIE_NAME": "sessionid.1"}},
        ["default", "area", "'sessionid.1'", "chunk"],
    ),
    # Attributes
    "one attribute for two": (
        {"one": {"ATTRIBUTE": "x"}, "two": {"ATTRIBUTE": "x"}},
        ["one", "two", "the attribute 'x'"],
    ),
    "the default attribute of another": (
        {"one": {}, "two": {"ATTRIBUTE": "one_session"}},
        ["one", "two", "the attribute 'one_session'"],
    ),
    "no Python name": ({"area": {"ATTRIBUTE": "a-b"}}, [IN_AREA, '["ATTRIBUTE"]']),
    "a word of Python": ({"area": {"ATTRIBUTE": "class"}}, [IN_AREA, "'class'"]),
    "a private name": ({"area": {"ATTRIBUTE": "_area"}}, [IN_AREA, "'_area'"]),
    "no text": ({"area": {"ATTRIBUTE": 7}}, [IN_AREA, '["ATTRIBUTE"]', "7"]),
    # URLs
    "no slash before": ({"area": {"URL_PREFIX": "area/"}}, [IN_AREA, "'area/'"]),
    "no slash after": ({"area": {"URL_PREFIX": "/area"}}, [IN_AREA, "'/area'"]),
    "everything": ({"area": {"URL_PREFIX": "/"}}, [IN_AREA, "'/'"]),
    "two slashes": ({"area": {"URL_PREFIX": "/area//"}}, [IN_AREA, "'/area//'"]),
    "nothing": ({"area": {"URL_PREFIX": ""}}, [IN_AREA, '["URL_PREFIX"]']),
    "a number as a path": ({"area": {"URL_PREFIX": 7}}, [IN_AREA, "a list of paths"]),
    "a number in a list": ({"area": {"URL_PREFIX": ["/a/", 7]}}, [IN_AREA, "7"]),
    "one path for two": (
        {"one": {"URL_PREFIX": "/a/"}, "two": {"URL_PREFIX": "/a/"}},
        ["one", "two", "paths below '/a/'"],
    ),
    "a path below another": (
        {"one": {"URL_PREFIX": "/a/"}, "two": {"URL_PREFIX": "/a/b/"}},
        ["one", "two", "paths below '/a/b/'"],
    ),
    "a path above another": (
        {"one": {"URL_PREFIX": ["/x/", "/a/b/"]}, "two": {"URL_PREFIX": ["/a/"]}},
        ["one", "two", "paths below '/a/b/'"],
    ),
}
TAKEN = [
    *("session", "user", "auser", "site", "account", "org", "authenticated"),
    *("META", "COOKIES", "GET", "path_info", "headers", "resolver_match", "urlconf"),
]


@pytest.mark.parametrize("name", REFUSED)
def test_settings_that_cannot_be_are_refused_saying_what_and_where(settings, name):
    sessions, texts = REFUSED[name]
    settings.SECURE_SESSION = site(SESSIONS=sessions)

    with pytest.raises(ImproperlyConfigured) as caught:
        get_configs()
    for text in texts:
        assert text in str(caught.value)


@pytest.mark.parametrize("name", TAKEN)
def test_an_attribute_that_a_request_has_already_is_refused(settings, name):
    settings.SECURE_SESSION = site(SESSIONS={"area": {"ATTRIBUTE": name}})

    with pytest.raises(ImproperlyConfigured, match="taken") as caught:
        get_configs()
    assert f"{IN_AREA}[\"ATTRIBUTE\"] is '{name}'" in str(caught.value)


def test_the_names_of_djangos_cookies_are_those_of_the_settings(settings):
    settings.CSRF_COOKIE_NAME = "area"
    settings.SECURE_SESSION = site(SESSIONS={"area": AREA})

    with pytest.raises(ImproperlyConfigured, match="cookie 'area'"):
        get_configs()


@pytest.mark.parametrize("option", ["URL_PREFIX", "ATTRIBUTE"])
def test_the_sites_own_session_has_no_prefix_and_no_other_name(settings, option):
    settings.SECURE_SESSION = site(**{option: "/x/"})

    with pytest.raises(ImproperlyConfigured, match='only a session under "SESSIONS"'):
        get_configs()


def test_the_sites_own_session_has_its_cookie_from_djangos_settings(settings):
    settings.SECURE_SESSION = site(COOKIE_NAME="x")

    with pytest.raises(ImproperlyConfigured, match="Django's SESSION_COOKIE_NAME"):
        get_configs()


def test_a_refused_setting_stops_the_site_when_it_starts(settings):
    settings.SECURE_SESSION = site(SESSIONS={"default": {}})
    path = encrypted_cookies.__file__
    spec = importlib.util.spec_from_file_location("engine_at_start", path)

    with pytest.raises(ImproperlyConfigured, match="default"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_a_refused_setting_is_an_error_of_the_system_check(settings):
    settings.SECURE_SESSION = site(SESSIONS={"area": {"URL_PREFIX": "area"}})
    [error] = check_settings()

    assert error.id == "secure_session.E001"
    assert '["URL_PREFIX"]' in error.msg


@pytest.mark.parametrize(
    "sessions",
    [
        {"a": {"COOKIE_NAME": "sessionid2"}},
        {"a": {"COOKIE_NAME": "sessionid.x"}},
        {"a": {"URL_PREFIX": "/a/"}, "b": {"URL_PREFIX": "/ab/"}},
        {"a": {"URL_PREFIX": []}},
        {"a": {"URL_PREFIX": None}},
        {"a" * 63: {}},
        {"a1_": {}},
    ],
)
def test_settings_that_only_look_alike_are_accepted(settings, sessions):
    settings.SECURE_SESSION = site(SESSIONS=sessions)

    assert get_configs().keys() == {"default", *sessions}


def test_a_fallback_key_of_a_named_session_is_sealed_anew_once(prefs, visitor):
    old = secrets.token_bytes(32)
    prefs(KEY=old)
    visitor.begin({"theme": "dark"}, "prefs")
    prefs(KEY=secrets.token_bytes(32), KEY_FALLBACKS=[old])

    assert sent(visitor.get(read_prefs), "prefs")
    assert not visitor.get(read_prefs).set_cookies
