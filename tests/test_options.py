"""session.options(): attributes of the cookie in one response."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse

from django_secure_session import create_session
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.conf import get_config
from tests.http import SECURE_MIDDLEWARE, SERVERS
from tests.visits import (
    NAME,
    Visitor,
    attributes,
    cookie,
    does,
    max_age,
    read,
    sent,
    sent_data,
    site,
    write,
)

DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"


@pytest.fixture(params=SERVERS, ids=["wsgi", "asgi"])
def visitor(request, settings) -> Visitor:
    settings.MIDDLEWARE = [SECURE_MIDDLEWARE]
    settings.SECURE_SESSION = site(SESSIONS={"prefs": {}})
    visitor = Visitor(request.param)
    visitor.begin({"a": 1})
    return visitor


def with_options(**options):
    return does(lambda session: session.options(**options))


PLAIN = {"HttpOnly", "Max-Age=1209600", "Path=/", "SameSite=Lax"}


# On the wire


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, PLAIN),
        ({"samesite": "Strict"}, PLAIN - {"SameSite=Lax"} | {"SameSite=Strict"}),
        ({"samesite": None}, PLAIN - {"SameSite=Lax"}),
        ({"secure": True}, PLAIN | {"Secure"}),
        ({"httponly": False}, PLAIN - {"HttpOnly"}),
        ({"path": "/x/"}, PLAIN - {"Path=/"} | {"Path=/x/"}),
        ({"domain": "example.com"}, PLAIN | {"Domain=example.com"}),
        ({"domain": None}, PLAIN),
        ({"max_age": 60}, PLAIN - {"Max-Age=1209600"} | {"Max-Age=60"}),
        ({"max_age": 0}, PLAIN - {"Max-Age=1209600"} | {"Max-Age=0"}),
        ({"max_age": None}, PLAIN - {"Max-Age=1209600"}),
        ({"partitioned": True, "secure": True}, PLAIN | {"Partitioned", "Secure"}),
        (
            {"samesite": "None", "secure": True},
            PLAIN - {"SameSite=Lax"} | {"SameSite=None", "Secure"},
        ),
    ],
    ids=repr,
)
def test_an_option_is_on_the_wire(visitor, options, said):
    answer = visitor.get(with_options(**options))

    assert attributes(answer) == said
    assert sent_data(answer) == {"a": 1}


@pytest.mark.parametrize(
    ("setting", "value", "options", "unsaid"),
    [
        ("SECURE", True, {"secure": False}, "Secure"),
        ("DOMAIN", "example.com", {"domain": None}, "Domain"),
    ],
)
def test_an_option_takes_back_what_the_settings_say(
    visitor, settings, setting, value, options, unsaid
):
    setattr(settings, f"SESSION_COOKIE_{setting}", value)

    assert unsaid not in cookie(visitor.get(with_options(**options)))


@pytest.mark.parametrize(("secure", "said"), [(True, {"Secure"}), (False, set())])
def test_an_option_may_follow_the_request(visitor, secure, said):
    visitor.secure = secure

    assert attributes(visitor.get(with_options(secure="auto"))) & {"Secure"} == said


def test_options_add_up_and_the_last_one_counts(visitor):
    def view(request):
        request.session.options(samesite="Strict", max_age=60)
        request.session.options(max_age=70)
        return HttpResponse()

    said = attributes(visitor.get(view))
    assert said >= {"SameSite=Strict", "Max-Age=70"}


@pytest.mark.parametrize("write_first", [True, False])
def test_options_go_with_what_the_view_writes(visitor, write_first):
    def view(request):
        if write_first:
            request.session["b"] = 2
        request.session.options(samesite="Strict")
        request.session["b"] = 2
        return HttpResponse()

    answer = visitor.get(view)
    assert sent_data(answer) == {"a": 1, "b": 2}
    assert "SameSite=Strict" in attributes(answer)


@pytest.mark.parametrize("method", ["save", "cycle_key", "regenerate"])
def test_options_go_with_what_the_view_saved(visitor, method):
    def view(request):
        getattr(request.session, method)()
        request.session.options(samesite="Strict")
        return HttpResponse()

    assert "SameSite=Strict" in attributes(visitor.get(view))


def test_options_are_about_the_cookie_and_not_about_the_session(visitor, clock):
    visitor.get(write(a=1))
    session = sent(visitor.get(with_options(max_age=60)))

    assert (session.expires_at - clock.datetime()).total_seconds() == 1209600


def test_options_of_nobodys_session_send_nothing(visitor):
    visitor.cookies.clear()

    assert not visitor.get(with_options(samesite="Strict")).set_cookies


def test_options_send_nothing_with_a_5xx(visitor):
    def view(request):
        request.session.options(samesite="Strict")
        return HttpResponse(status=500)

    assert not visitor.get(view).set_cookies


def test_options_are_for_every_chunk(visitor, settings):
    settings.SECURE_SESSION = site(PLACEMENT="chunked")

    def view(request):
        request.session["large"] = "x" * 4000
        request.session.options(samesite="Strict", max_age=60)
        return HttpResponse()

    answer = visitor.get(view)
    assert len(answer.set_cookies) == 2
    for line in answer.set_cookies:
        assert {"SameSite=Strict", "Max-Age=60"} <= set(line.split("; "))


def test_options_of_a_named_session_are_those_of_its_cookie(visitor):
    def view(request):
        request.prefs_session["theme"] = "dark"
        request.prefs_session.options(path="/p/")
        return HttpResponse()

    assert "Path=/p/" in attributes(visitor.get(view), "prefs_session")


def test_options_below_a_prefix_are_those_of_the_session_there(visitor, settings):
    settings.SECURE_SESSION = site(SESSIONS={"area": {"URL_PREFIX": "/area/"}})

    def view(request):
        request.session["a"] = 1
        request.session.options(max_age=60)
        return HttpResponse()

    assert max_age(visitor.get(view, path="/area/"), "area_session") == 60


def test_options_of_a_session_that_the_view_puts_there_count(visitor):
    def view(request):
        request.session = SessionStore()
        request.session["b"] = 2
        request.session.options(samesite="Strict")
        return HttpResponse()

    answer = visitor.get(view)
    assert answer.status == 200
    assert "SameSite=Strict" in attributes(answer)


# Nowhere else


def test_options_do_not_leak_into_the_next_response(visitor):
    visitor.get(with_options(samesite="Strict", max_age=60, path="/"))

    assert attributes(visitor.get(write(b=2))) == PLAIN


def test_options_do_not_leak_into_another_session(visitor):
    def view(request):
        request.session.options(samesite="Strict", max_age=60)
        request.prefs_session["theme"] = "dark"
        return HttpResponse()

    answer = visitor.get(view)
    assert "SameSite=Strict" in attributes(answer)
    assert attributes(answer, "prefs_session") == PLAIN


def test_options_do_not_leak_into_another_request(settings):
    """One that begins and ends while the options are set."""
    settings.MIDDLEWARE = [SECURE_MIDDLEWARE]
    answers = []

    def view(request):
        request.session.options(samesite="Strict", max_age=60)
        request.session["b"] = 2
        answers.append(Visitor().get(write(c=3)))
        return HttpResponse()

    assert "SameSite=Strict" in attributes(Visitor().get(view))
    assert attributes(answers[0]) == PLAIN


def test_options_leave_the_settings_alone(visitor):
    before = get_config().cookie
    visitor.get(with_options(samesite="Strict", path="/x/"))

    assert get_config().cookie == before


# What is refused


def refused_with(visitor, error, **options):
    """Return the text of the error that options() raises in a view."""
    texts = []

    def view(request):
        with pytest.raises(error) as caught:
            request.session.options(**options)
        texts.append(str(caught.value))
        return HttpResponse()

    answer = visitor.get(view)
    assert answer.status == 200
    assert not answer.set_cookies
    return texts[0]


@pytest.mark.parametrize("option", ["name", "expires", "same_site", "Max-Age", "key"])
def test_an_unknown_option_is_refused_with_those_there_are(visitor, option):
    text = refused_with(visitor, TypeError, **{option: 1})

    assert option in text
    for known in ("max_age", "path", "domain", "secure", "httponly", "samesite"):
        assert known in text
    assert "partitioned" in text


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("max_age", value) for value in (-1, 1.5, "60", True, [60])),
        *(("path", value) for value in ("x", "", None, 7, "/\r\nX: y", "/;", "/é")),
        *(("domain", value) for value in ("", 7, "a;b", "a\nb", "é.com")),
        *(("secure", value) for value in (None, 1, "yes", "Auto")),
        *(("httponly", value) for value in (None, 1, "auto")),
        *(("samesite", value) for value in ("", "lax", "Loose", True, False, 7)),
        *(("partitioned", value) for value in (None, 1, "auto")),
    ],
)
def test_a_value_that_cannot_be_is_refused(visitor, option, value):
    text = refused_with(visitor, ValueError, **{option: value})

    assert text.startswith("options(): ")
    assert f"{option} must be" in text


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"samesite": "None"}, "secure"),
        ({"samesite": "None", "secure": False}, "secure"),
        ({"partitioned": True}, "secure"),
    ],
)
def test_what_browsers_refuse_together_is_refused(visitor, options, option):
    assert f"{option} must be" in refused_with(visitor, ValueError, **options)


@pytest.mark.parametrize(
    "options",
    [{"domain": "example.com"}, {"path": "/x/"}, {"secure": False}, {"secure": "auto"}],
)
def test_what_the_prefix_of_the_name_forbids_is_refused(visitor, settings, options):
    settings.SESSION_COOKIE_NAME = "__Host-id"
    settings.SESSION_COOKIE_SECURE = True
    [option] = options
    text = refused_with(visitor, ValueError, **options)

    assert f"{option} must be" in text
    assert "__Host-id" in text


def test_what_was_refused_changes_nothing(visitor):
    def view(request):
        request.session.options(samesite="Strict")
        with pytest.raises(ValueError, match="path"):
            request.session.options(path="x", max_age=60)
        return HttpResponse()

    said = attributes(visitor.get(view))
    assert said == PLAIN - {"SameSite=Lax"} | {"SameSite=Strict"}


@pytest.mark.parametrize("view", [with_options(samesite="Strict"), with_options()])
def test_djangos_middleware_can_do_nothing_with_options(visitor, settings, view):
    settings.MIDDLEWARE = [DJANGOS]
    errors = []

    def catching(request):
        try:
            return view(request)
        except ImproperlyConfigured as error:
            errors.append(str(error))
            return HttpResponse()

    visitor.get(catching)
    assert SECURE_MIDDLEWARE in errors[0]
    assert "MIDDLEWARE" in errors[0]


def test_a_session_outside_a_request_has_no_options():
    with pytest.raises(ImproperlyConfigured, match="SecureSessionMiddleware"):
        create_session({"a": 1}).options(samesite="Strict")


def test_options_have_names(visitor):
    errors = []

    def view(request):
        with pytest.raises(TypeError) as caught:
            request.session.options("Strict")
        errors.append(caught.value)
        return HttpResponse()

    visitor.get(view)
    assert errors


def test_a_session_that_is_sent_elsewhere_is_still_the_same(visitor):
    visitor.get(with_options(path="/x/"))

    assert visitor.get(read, path="/x/y").body == b"{'a': 1}"
    assert len(visitor.named(NAME)) == 2
