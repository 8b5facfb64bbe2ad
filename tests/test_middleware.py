"""One session through SecureSessionMiddleware, under WSGI and under ASGI."""

from __future__ import annotations

import sys
import types

import pytest
from django.contrib.admin.checks import check_dependencies
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.contrib.sessions.backends.signed_cookies import SessionStore as Signed
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import AsyncRequestFactory, RequestFactory

from django_secure_session import create_session
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.middleware import SecureSessionMiddleware
from tests.http import SECURE_MIDDLEWARE, SERVERS
from tests.visits import (
    DELETED,
    LEFT_ALONE,
    NAME,
    Visitor,
    answered,
    attributes,
    call,
    cookie,
    counted_codec,
    deletes,
    does,
    read,
    refused_cookie,
    sent,
    sent_data,
    site,
    untouched,
    value,
    write,
)

ENGINES = ["db", "cache", "cached_db", "file", "signed_cookies"]


@pytest.fixture(params=SERVERS, ids=["wsgi", "asgi"])
def visitor(request, settings) -> Visitor:
    settings.MIDDLEWARE = [SECURE_MIDDLEWARE]
    return Visitor(request.param)


@pytest.fixture
def codec_calls(monkeypatch):
    return counted_codec(monkeypatch)


def ok(request):
    return HttpResponse("ok")


# Requests that leave the session alone


@pytest.mark.parametrize("cookie", ["good", "junk", "none"])
def test_an_untouched_request_makes_no_codec_call(visitor, codec_calls, cookie):
    if cookie != "none":
        visitor.begin({"a": 1})
    if cookie == "junk":
        visitor.put("A" * 128)
    codec_calls.clear()
    visitor.get(untouched)

    assert not codec_calls


@pytest.mark.parametrize("cookie", [None, "A" * 128, "junk-junk"])
def test_an_untouched_request_sets_no_cookie_and_does_not_vary(visitor, cookie):
    if cookie:
        visitor.put(cookie)
    response = visitor.get(untouched)

    assert not response.set_cookies
    assert response.header("vary") is None
    assert response.header("cache-control") is None


def test_djangos_own_middleware_does_not_touch_a_session(visitor, settings):
    settings.MIDDLEWARE = [
        SECURE_MIDDLEWARE,
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ]
    visitor.begin({"a": 1})
    response = visitor.get(untouched)

    assert not response.set_cookies
    assert response.header("vary") is None


# What is written, and when


def test_an_anonymous_read_sets_no_cookie(visitor):
    response = visitor.get(read)

    assert not response.set_cookies
    assert response.header("vary") == "Cookie"


def test_what_one_request_writes_the_next_one_reads(visitor):
    visitor.get(write(cart=[1, 2]))

    assert visitor.get(read).body == b"{'cart': [1, 2]}"


@pytest.mark.parametrize(
    "action",
    [
        lambda s: s.get("a"),
        lambda s: s.setdefault("a", 2),
        lambda s: s.pop("missing", None),
        lambda s: s.set_expiry(None),
        lambda s: s.data().update(b=2),
        lambda s: s["list"].append(1),  # as in Django: nobody said `modified`
        lambda s: s.sid,
    ],
)
def test_nothing_is_written_that_the_site_did_not_write(visitor, action):
    visitor.begin({"a": 1, "list": []})

    assert not visitor.get(does(action)).set_cookies


@pytest.mark.parametrize(
    "action",
    [
        lambda s: s.update({"b": 2}),
        lambda s: s.pop("a"),
        lambda s: s.clear(),
        lambda s: s.set_expiry(60),
        lambda s: s.touch(),
        lambda s: setattr(s, "modified", True),
    ],
)
def test_what_the_site_writes_is_written(visitor, action):
    token = visitor.begin({"a": 1})

    assert value(visitor.get(does(action))) not in {token, ""}


def test_a_session_without_data_keeps_its_cookie_until_it_is_flushed(visitor):
    visitor.begin({"a": 1})

    assert sent_data(visitor.get(call("clear"))) == {}
    assert deletes(visitor.get(call("flush")))


def test_the_cookie_is_the_session_key(visitor):
    requests = []

    def view(request):
        requests.append(request)
        return write(a=1)(request)

    response = visitor.get(view)

    assert value(response) == requests[0].session.session_key


def test_save_every_request_sends_an_untouched_session_again(visitor, settings):
    settings.SESSION_SAVE_EVERY_REQUEST = True
    token = visitor.begin({"a": 1})
    response = visitor.get(untouched)

    assert sent_data(response) == {"a": 1}
    assert value(response) != token
    assert response.header("vary") == "Cookie"


def test_save_every_request_makes_no_session_of_nothing(visitor, settings):
    settings.SESSION_SAVE_EVERY_REQUEST = True

    assert not visitor.get(untouched).set_cookies


def test_a_cookie_of_an_old_key_is_sealed_anew_once(visitor, settings):
    token = visitor.begin({"a": 1})
    old = settings.SECURE_SESSION["KEY"]
    settings.SECURE_SESSION = {"KEY": b"\1" + old[1:], "KEY_FALLBACKS": [old]}
    first, second = visitor.get(read), visitor.get(read)

    assert sent_data(first) == {"a": 1}
    assert value(first) != token
    assert not second.set_cookies


# Responses that failed


@pytest.mark.parametrize("status", [500, 502, 503, 599])
def test_a_5xx_response_saves_nothing(visitor, codec_calls, status):
    visitor.begin({"a": 1})
    codec_calls.clear()
    response = visitor.get(call("touch", status=status))

    assert codec_calls["seal"] == 0
    assert not response.set_cookies
    assert response.header("vary") == "Cookie"


@pytest.mark.parametrize("status", [204, 302, 400, 403, 404, 429, 499])
def test_every_other_response_saves(visitor, status):
    visitor.begin({"a": 1})

    assert sent_data(visitor.get(call("touch", status=status))) == {"a": 1}


@pytest.mark.parametrize("method", ["save", "cycle_key", "create", "regenerate"])
def test_what_the_view_saved_itself_is_not_sent_with_a_5xx(visitor, method):
    visitor.begin({"a": 1})

    assert not visitor.get(call(method, status=500)).set_cookies


def test_a_view_that_crashes_saves_nothing(visitor):
    def crash(request):
        request.session["a"] = 1
        raise RuntimeError("a view failed")

    response = visitor.get(crash)

    assert response.status == 500
    assert not response.set_cookies


def test_a_session_that_ended_is_gone_whatever_the_status(visitor):
    visitor.begin({"a": 1})

    assert deletes(visitor.get(call("flush", status=500)))


@pytest.mark.parametrize("method", ["save", "cycle_key", "regenerate"])
def test_a_session_in_the_cache_survives_a_5xx(visitor, settings, clock, method):
    settings.SECURE_SESSION = site(PLACEMENT="spill", SPILL_ABOVE=0)
    visitor.get(write(a=1))
    visitor.get(call(method, status=500))
    clock.tick(minutes=2)

    assert visitor.get(read).body == b"{'a': 1}"


@pytest.mark.parametrize("value", ["value " * 1000, object()], ids=["large", "object"])
def test_a_session_that_cannot_be_saved_is_an_error_and_sends_nothing(visitor, value):
    response = visitor.get(write(value=value))

    assert response.status == 500
    assert not response.set_cookies


def test_other_exceptions_are_left_to_django():
    middleware = SecureSessionMiddleware(ok)

    assert middleware.process_exception(RequestFactory().get("/"), ValueError()) is None


# Refused cookies


@pytest.fixture
def hour_of_idling(settings):
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=3600)


@pytest.fixture
def refused(request, visitor, clock) -> Visitor:
    """A visitor whose cookie is refused for the reason that the test names."""
    if request.param == "idle":
        request.getfixturevalue("hour_of_idling")
    visitor.put(refused_cookie(request.param, clock))
    visitor.reason = request.param
    return visitor


any_reason = pytest.mark.parametrize("refused", DELETED + LEFT_ALONE, indirect=True)
deletable = pytest.mark.parametrize("refused", DELETED, indirect=True)
left_alone = pytest.mark.parametrize("refused", LEFT_ALONE, indirect=True)


@any_reason
def test_a_view_sees_why_a_cookie_was_refused(refused):
    content = refused.get(does(lambda s: s.rejection)).body.decode()

    assert content == repr(refused.reason)


@deletable
def test_a_refused_cookie_that_was_looked_at_is_deleted(refused):
    assert deletes(refused.get(read))


@any_reason
def test_a_refused_cookie_that_nobody_looked_at_is_left_alone(refused):
    assert not refused.get(untouched).set_cookies


@left_alone
@pytest.mark.parametrize("every", [False, True])
def test_a_cookie_that_may_be_good_elsewhere_or_later_is_left_alone(
    refused, settings, every
):
    settings.SESSION_SAVE_EVERY_REQUEST = every

    assert not refused.get(read).set_cookies
    assert not refused.get(untouched).set_cookies


@deletable
def test_save_every_request_deletes_a_refused_cookie(refused, settings):
    settings.SESSION_SAVE_EVERY_REQUEST = True

    assert deletes(refused.get(untouched))


@any_reason
def test_log_out_deletes_a_refused_cookie(refused):
    assert deletes(refused.get(call("flush")))


@any_reason
def test_writing_replaces_a_refused_cookie(refused):
    assert sent_data(refused.get(write(new=1))) == {"new": 1}


#: What sends a session again and writes nothing into it.
sending_again = pytest.mark.parametrize(
    "action",
    [
        lambda s: s.touch(),
        lambda s: setattr(s, "modified", True),
        lambda s: s.options(samesite="Strict"),
    ],
    ids=["touch", "modified", "options"],
)


@deletable
@sending_again
def test_sending_a_refused_cookie_again_deletes_it(refused, action):
    assert deletes(refused.get(does(action)))


@left_alone
@sending_again
def test_a_cookie_to_leave_alone_is_not_sent_again_either(refused, action):
    assert not refused.get(does(action)).set_cookies


def test_a_short_piece_of_junk_beside_the_real_cookie_logs_nobody_out(settings):
    token = create_session({"a": 1}).session_key
    for junk in ("", "x", "seven77"):
        header = f"{NAME}={token}; {NAME}={junk}"
        request = RequestFactory().get("/", headers={"cookie": header})
        response = SecureSessionMiddleware(read)(request)
        assert response.content == b"{'a': 1}"


# The end of a session


def test_flush_is_terminal(visitor):
    visitor.begin({"a": 1})
    old = visitor.get(does(lambda s: s.sid)).body

    def log_out_and_go_on(request):
        request.session.flush()
        request.session["b"] = 2
        return HttpResponse()

    session = sent(visitor.get(log_out_and_go_on))
    assert session.data() == {"b": 2}
    assert repr(session.sid).encode() != old


def test_flushing_nothing_sets_no_cookie_but_varies(visitor):
    response = visitor.get(call("flush"))

    assert not response.set_cookies
    assert response.header("vary") == "Cookie"


@pytest.mark.parametrize("method", ["flush", "delete"])
def test_the_end_has_the_attributes_of_the_cookie(visitor, settings, method):
    settings.SESSION_COOKIE_DOMAIN = ".example.local"
    settings.SESSION_COOKIE_PATH = "/example/"
    settings.SESSION_COOKIE_SAMESITE = "Strict"
    settings.SESSION_COOKIE_SECURE = True
    visitor.begin({"a": 1})

    response = visitor.get(call(method))
    assert deletes(response)
    assert attributes(response) >= {
        "Domain=.example.local",
        "Path=/example/",
        "SameSite=Strict",
        "Secure",
        "expires=Thu, 01 Jan 1970 00:00:00 GMT",
    }


# How often a session is sealed


@pytest.mark.parametrize(
    ("actions", "seals"),
    [
        (["touch"], 1),
        (["save"], 1),
        (["cycle_key"], 1),
        (["regenerate"], 1),
        (["create"], 1),
        (["save", "touch"], 1),
        (["cycle_key", "set_test_cookie"], 2),
        (["flush"], 0),
        (["cycle_key", "flush"], 1),
    ],
)
def test_a_session_is_sealed_no_more_often_than_needed(
    visitor, codec_calls, actions, seals
):
    visitor.begin({"a": 1})
    codec_calls.clear()
    visitor.get(call(*actions))

    assert codec_calls["seal"] == seals


def test_a_session_is_opened_once_however_much_is_read(visitor, codec_calls):
    visitor.begin({"a": 1})
    codec_calls.clear()
    visitor.get(does(lambda s: (s["a"], s.sid, s.data(), len(s), s.rejection)))

    assert (codec_calls["open"], codec_calls["seal"]) == (1, 0)


@pytest.mark.parametrize("method", ["save", "cycle_key", "regenerate"])
def test_what_changes_after_the_view_saved_is_kept(visitor, method):
    visitor.begin({"list": [1]})

    def view(request):
        getattr(request.session, method)()
        request.session["later"] = 1
        return HttpResponse()

    assert sent(visitor.get(view))["later"] == 1


def test_a_nested_change_after_the_view_saved_is_kept(visitor):
    visitor.begin({"list": [1]})

    def view(request):
        request.session.cycle_key()
        request.session["list"].append(2)
        return HttpResponse()

    assert sent_data(visitor.get(view)) == {"list": [1, 2]}


def test_logging_in_seals_twice_and_keeps_the_cart(visitor, codec_calls, db):
    user = User.objects.create_user("ada")
    visitor.begin({"cart": 1})

    def log_in(request):
        login(request, user)
        return HttpResponse()

    codec_calls.clear()
    response = visitor.get(log_in)
    assert codec_calls["seal"] == 2  # cycle_key() comes before the user
    assert sent(response)["_auth_user_id"] == str(user.pk)
    assert sent(response)["cart"] == 1


# Members beyond Django's


def test_touch_sends_the_same_session_with_a_fresh_age(visitor, clock):
    visitor.get(write(a=1))
    clock.tick(hours=1)
    session = sent(visitor.get(call("touch")))

    assert session.data() == {"a": 1}
    assert session.issued_at == clock.datetime()


def test_touching_nobody_makes_no_session(visitor):
    assert not visitor.get(call("touch")).set_cookies


def test_regenerate_keeps_what_it_is_told_to_and_gives_a_new_sid(visitor):
    visitor.begin({"a": 1, "b": 2})
    before = visitor.get(does(lambda s: s.sid)).body
    session = sent(visitor.get(does(lambda s: s.regenerate(keep=["b"]))))

    assert session.data() == {"b": 2}
    assert repr(session.sid).encode() != before


def test_what_reload_forgets_is_not_written(visitor):
    visitor.begin({"a": 1})

    def view(request):
        request.session["a"] = 2
        request.session.reload()
        return HttpResponse(repr(request.session["a"]))

    response = visitor.get(view)
    assert response.body == b"1"
    assert not response.set_cookies


def test_reload_keeps_what_the_view_saved(visitor):
    visitor.begin({"a": 1})

    def view(request):
        request.session["a"] = 2
        request.session.save()
        request.session["a"] = 3
        request.session.reload()
        return HttpResponse()

    assert sent_data(visitor.get(view)) == {"a": 2}


def test_a_session_is_saved_until_a_view_changes_it(visitor):
    visitor.begin({"list": []})

    def view(request):
        session = request.session
        before = session.is_saved(), session.is_modified()
        session["list"].append(1)
        return HttpResponse(repr((before, session.is_saved(), session.is_modified())))

    assert visitor.get(view).body == b"((True, False), False, True)"


def test_a_nested_change_that_is_modified_can_be_written_by_hand(visitor):
    visitor.begin({"list": []})

    def view(request):
        request.session["list"].append(1)
        if request.session.is_modified():
            request.session.save()
        return HttpResponse()

    assert sent_data(visitor.get(view)) == {"list": [1]}


# A view that puts something else on the request


def test_a_session_that_the_view_puts_there_is_sent(visitor):
    visitor.begin({"a": 1})

    def view(request):
        request.session = create_session({"b": 2})
        return HttpResponse()

    assert sent_data(visitor.get(view)) == {"b": 2}


def test_a_new_session_that_the_view_puts_there_and_writes_is_sent(visitor):
    def view(request):
        request.session = SessionStore()
        request.session["b"] = 2
        return HttpResponse()

    assert sent_data(visitor.get(view)) == {"b": 2}


def test_a_session_that_the_view_puts_there_may_take_chunks(visitor, settings):
    settings.SECURE_SESSION = site(PLACEMENT="chunked")

    def view(request):
        request.session = SessionStore()
        request.session["large"] = "x" * 4000
        return HttpResponse()

    answer = visitor.get(view)
    assert answer.status == 200
    assert len(answer.set_cookies) == 2


def test_an_empty_session_that_the_view_puts_there_ends_the_old_one(visitor):
    visitor.begin({"a": 1})

    def view(request):
        request.session = SessionStore()
        return HttpResponse()

    assert deletes(visitor.get(view))


def test_a_token_that_the_view_only_reads_is_not_sent(visitor):
    def view(request):
        request.session = SessionStore(create_session({"b": 2}).session_key)
        return HttpResponse(repr(request.session["b"]))

    assert not visitor.get(view).set_cookies


def test_a_view_may_remove_the_session(visitor):
    visitor.begin({"a": 1})

    def view(request):
        request.session["b"] = 2
        del request.session
        return HttpResponse()

    response = visitor.get(view)
    assert response.status == 200
    assert not response.set_cookies


@pytest.mark.parametrize("foreign", [{"b": 2}, None, 7, Signed()], ids=repr)
def test_what_is_no_session_of_ours_is_left_to_who_put_it_there(visitor, foreign):
    visitor.begin({"a": 1})

    def view(request):
        request.session = foreign
        return HttpResponse()

    response = visitor.get(view)
    assert response.status == 200
    assert not response.set_cookies


# By hand, as tests do that use RequestFactory


@pytest.fixture(params=[RequestFactory, AsyncRequestFactory])
def get(request):
    return request.param().get


def test_process_request_alone_gives_a_request_its_session(get):
    request = get("/")
    SecureSessionMiddleware(ok).process_request(request)
    request.session["a"] = 1
    request.session.save()

    assert SessionStore(request.session.session_key)["a"] == 1


def test_process_request_and_process_response_can_be_called_by_hand(get):
    request = get("/")
    middleware = SecureSessionMiddleware(ok)
    middleware.process_request(request)
    request.session["a"] = 1
    response = answered(middleware.process_response(request, HttpResponse()))

    assert sent_data(response) == {"a": 1}


async def test_the_twin_of_process_response_can_be_called_by_hand(get):
    request = get("/")
    middleware = SecureSessionMiddleware(ok)
    middleware.process_request(request)
    await request.session.aset("a", 1)
    response = answered(await middleware.aprocess_response(request, HttpResponse()))

    assert sent_data(response) == {"a": 1}


def test_a_request_that_never_had_a_session_gets_its_response_back(get):
    response = HttpResponse()

    assert SecureSessionMiddleware(ok).process_response(get("/"), response) is response
    assert not response.has_header("Vary")


def test_cookies_put_on_the_request_by_hand_are_read(get):
    request = get("/")
    request.COOKIES[NAME] = create_session({"a": 1}).session_key
    SecureSessionMiddleware(ok).process_request(request)

    assert request.session.data() == {"a": 1}


def test_a_cookie_put_on_the_request_by_hand_is_deleted(get):
    request = get("/")
    request.COOKIES[NAME] = "abc"
    middleware = SecureSessionMiddleware(ok)
    middleware.process_request(request)
    request.session.flush()

    response = answered(middleware.process_response(request, HttpResponse()))

    assert deletes(response)


def test_a_second_response_to_a_request_is_sent_the_changes_since():
    """As in Django's test of a session that is emptied but not flushed."""
    request = RequestFactory().get("/")
    middleware = SecureSessionMiddleware(write(foo="bar"))
    first = answered(middleware(request))
    assert value(first) == request.session.session_key

    del request.session["foo"]
    second = answered(middleware.process_response(request, HttpResponse()))
    assert sent_data(second) == {}
    assert value(second) == request.session.session_key


def test_what_a_5xx_response_did_not_save_is_not_in_the_session_key():
    request = RequestFactory().get("/")
    SecureSessionMiddleware(call("set_test_cookie", status=503))(request)

    assert request.session.load() == {}


# Where it stands, and with what


@pytest.fixture
def install(monkeypatch, settings):
    """Return what puts a class of a test into MIDDLEWARE."""

    def install(middleware):
        monkeypatch.setattr(
            sys.modules[__name__], "Installed", middleware, raising=False
        )
        settings.MIDDLEWARE = [f"{__name__}.Installed"]

    return install


def test_a_subclass_may_override_process_request_and_process_response(visitor, install):
    class Subclass(SecureSessionMiddleware):
        def process_request(self, request):
            super().process_request(request)
            request.session["from"] = "process_request"

        def process_response(self, request, response):
            request.session["by"] = "process_response"
            return super().process_response(request, response)

    def here(request):
        return HttpResponse(request.session["from"])

    install(Subclass)
    response = visitor.get(here)
    assert response.body == b"process_request"
    assert sent_data(response) == {"from": "process_request", "by": "process_response"}


def test_a_subclass_may_answer_a_request_itself(visitor, install):
    class Subclass(SecureSessionMiddleware):
        def process_request(self, request):
            super().process_request(request)
            request.session["a"] = 1
            return HttpResponse("not today", status=418)

    install(Subclass)
    response = visitor.get(ok)
    assert response.status == 418
    assert sent_data(response) == {"a": 1}


@pytest.mark.parametrize("engine", ENGINES)
def test_another_engine_is_refused_with_the_way_out(settings, engine):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"

    with pytest.raises(ImproperlyConfigured) as caught:
        SecureSessionMiddleware(ok)
    assert f'SESSION_ENGINE "django.contrib.sessions.backends.{engine}"' in str(
        caught.value
    )
    assert '"django_secure_session.backends.encrypted_cookies"' in str(caught.value)


def test_an_engine_that_extends_ours_is_used(settings, monkeypatch):
    class Extended(SessionStore):
        pass

    engine = types.ModuleType("extended_engine")
    engine.SessionStore = Extended
    monkeypatch.setitem(sys.modules, "extended_engine", engine)
    settings.SESSION_ENGINE = "extended_engine"
    request = RequestFactory().get("/")
    SecureSessionMiddleware(ok).process_request(request)

    assert type(request.session) is Extended


def test_the_admin_takes_it_for_djangos(settings):
    settings.MIDDLEWARE = [
        SECURE_MIDDLEWARE,
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ]

    assert not check_dependencies()


# The attributes of the cookie, as Django's tests of its middleware have them


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("SECURE", True, "Secure"),
        ("HTTPONLY", True, "HttpOnly"),
        ("SAMESITE", "Strict", "SameSite=Strict"),
        ("PATH", "/example/", "Path=/example/"),
        ("DOMAIN", "example.local", "Domain=example.local"),
    ],
)
def test_the_cookie_has_the_attributes_of_the_settings(
    visitor, settings, setting, value, said
):
    setattr(settings, f"SESSION_COOKIE_{setting}", value)
    response = visitor.get(write(a=1))

    assert said in attributes(response)
    assert response.header("vary") == "Cookie"


@pytest.mark.parametrize(
    ("setting", "value", "unsaid"),
    [
        ("SECURE", False, "Secure"),
        ("HTTPONLY", False, "HttpOnly"),
        ("SAMESITE", False, "SameSite"),
        ("DOMAIN", None, "Domain"),
    ],
)
def test_the_cookie_does_not_say_what_the_settings_switch_off(
    visitor, settings, setting, value, unsaid
):
    setattr(settings, f"SESSION_COOKIE_{setting}", value)

    assert unsaid not in cookie(visitor.get(write(a=1)))
