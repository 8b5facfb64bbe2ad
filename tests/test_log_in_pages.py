"""Where people are sent to log in to one of several sessions."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import Client
from django.urls import path, reverse_lazy

from django_secure_session import (
    Account,
    alogout,
    authenticated,
    conf,
    login,
    public,
)
from django_secure_session.backends.encrypted_cookies import SessionStore

MIDDLEWARE = [
    "django_secure_session.middleware.SecureSessionMiddleware",
    "django_secure_session.middleware.AccountMiddleware",
]


def guarded(request):
    return HttpResponse(request.account.id)


@public
def enter(request):
    login(request, Account(id="ada", role="member", verified=True))
    return HttpResponse()


view = authenticated(guarded)
fresh = authenticated(fresh=timedelta(minutes=5))(guarded)
urlpatterns = [
    path("page/", view),
    path("staff/page/", view),
    path("staff/fresh/", fresh),
    path("staff/login/", enter, name="staff-login"),
]
pytestmark = pytest.mark.urls(__name__)


@pytest.fixture(params=["/staff/login/", "staff-login", reverse_lazy("staff-login")])
def _site(request, settings):
    settings.MIDDLEWARE = MIDDLEWARE
    staff = {"URL_PREFIX": "/staff/", "LOGIN_URL": request.param}
    settings.SECURE_SESSION = {"SESSIONS": {"staff": staff}, "CLAIMS_MAX_AGE": None}


def where(client, place):
    return client.get(place)["Location"]


@pytest.mark.usefixtures("_site")
def test_a_session_with_a_log_in_page_of_its_own_sends_people_there():
    assert where(Client(), "/staff/page/") == "/staff/login/?next=/staff/page/"
    assert where(Client(), "/page/") == "/accounts/login/?next=/page/"


@pytest.mark.usefixtures("_site")
def test_a_log_in_there_opens_only_what_is_below(clock):
    client = Client()
    client.get("/staff/login/")

    assert client.get("/staff/page/").content == b"ada"
    assert client.get("/page/").status_code == 302


@pytest.mark.usefixtures("_site")
def test_a_log_in_there_that_is_too_old_is_made_anew_there(clock):
    client = Client()
    client.get("/staff/login/")
    assert client.get("/staff/fresh/").content == b"ada"

    clock.tick(minutes=4, seconds=59)
    assert client.get("/staff/fresh/").content == b"ada"
    clock.tick(1)
    assert where(client, "/staff/fresh/") == "/staff/login/?next=/staff/fresh/"


@pytest.mark.parametrize("value", ["", 7, True, ["/in/"]])
def test_a_log_in_page_that_is_none_is_refused(value, settings):
    settings.SECURE_SESSION = {"SESSIONS": {"staff": {"LOGIN_URL": value}}}

    with pytest.raises(ImproperlyConfigured, match=r'"LOGIN_URL"\] is .* a path, the'):
        conf.get_configs()


def test_the_sites_own_session_has_djangos_setting(settings):
    settings.SECURE_SESSION = {"LOGIN_URL": "/in/"}

    with pytest.raises(ImproperlyConfigured, match='only a session under "SESSIONS"'):
        conf.get_configs()


async def test_a_log_in_of_django_ends_without_djangos_middleware_too(rf):
    request = rf.get("/")
    request.session = SessionStore()
    await request.session.aupdate({SESSION_KEY: "1", HASH_SESSION_KEY: "x"})
    await alogout(request)

    assert await request.session.adata() == {}


def test_what_is_no_response_is_left_to_django(settings):
    settings.MIDDLEWARE = MIDDLEWARE
    settings.ROOT_URLCONF = Nothing

    client = Client()
    client.get("/in/")
    with pytest.raises(ValueError, match="didn't return an HttpResponse"):
        client.get("/")


class Nothing:
    """A URLconf with a view that forgets to return something."""

    urlpatterns = (
        path("", authenticated(lambda request: None)),
        path("in/", enter),
    )
