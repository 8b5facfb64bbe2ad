from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.http import HttpResponse
from django.test import override_settings
from django.urls import path, reverse_lazy
from django.utils.decorators import method_decorator
from django.views import View

from django_secure_session import (
    any_of,
    authenticated,
    authorized,
    checks,
    conf,
    public,
)
from django_secure_session.middleware import AccountMiddleware
from django_secure_session.views import ReauthenticateView

SESSION = "django_secure_session.middleware.SecureSessionMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
ACCOUNT = "django_secure_session.middleware.AccountMiddleware"
REQUIRED = "django_secure_session.middleware.AccountRequiredMiddleware"
COMPLETE = [SESSION, CSRF, AUTHENTICATION, ACCOUNT]

LOG_IN = path("accounts/login/", LoginView.as_view())


def view(request):
    return HttpResponse()


@method_decorator(authorized, name="get")
class ByKey(View):
    def get(self, request):
        return HttpResponse()


class Subclassed(AccountMiddleware):
    """A site's own."""


class Site:
    """A URLconf; Django takes anything that has urlpatterns."""

    def __init__(self, *patterns):
        self.urlpatterns = list(patterns)

    def __hash__(self):
        return id(self)


def without_keys(settings):
    """Return the apps of a site without API keys."""
    app = "django_secure_session.api_keys"
    return [name for name in settings.INSTALLED_APPS if name != app]


def found(*patterns, middleware=COMPLETE, **options):
    """Return the ids of what the checks say of a site with these URLs."""
    session = {**options}
    with override_settings(
        ROOT_URLCONF=Site(*patterns), MIDDLEWARE=middleware, SECURE_SESSION=session
    ):
        return [m.id.partition(".")[2] for m in checks.check_guards()]


def test_a_site_without_guards_and_accounts_has_nothing_to_say():
    assert found(path("", view), middleware=[SESSION]) == []


def test_a_site_without_urls_is_no_error(settings):
    del settings.ROOT_URLCONF

    assert checks.check_guards() == []


def test_a_guarded_site_is_fine():
    urls = [LOG_IN, path("", authenticated(view)), path("b/", public(view))]

    assert found(*urls) == []


def test_a_broken_key_is_left_to_the_check_of_settings():
    assert found(path("", authorized(view)), KEY="changeme") == []


@pytest.mark.parametrize(
    "middleware",
    [
        [ACCOUNT],
        [ACCOUNT, SESSION],
        [SESSION, ACCOUNT, AUTHENTICATION],
        [SESSION, REQUIRED],
        [SESSION, REQUIRED, ACCOUNT],
    ],
)
def test_middleware_in_the_wrong_order_is_an_error(middleware):
    assert set(found(LOG_IN, middleware=middleware)) == {"E007"}


def test_middleware_in_the_right_order_is_none():
    assert found(LOG_IN, middleware=[*COMPLETE, REQUIRED]) == []


def test_a_subclass_counts_as_the_middleware():
    middleware = [SESSION, CSRF, f"{__name__}.Subclassed"]

    assert found(LOG_IN, path("", authenticated(view)), middleware=middleware) == []


@pytest.mark.parametrize(
    "path_to", ["no.such.Provider", "django.http.HttpResponse", f"{__name__}.view"]
)
def test_a_provider_that_is_none_is_an_error(path_to):
    assert found(ACCOUNT_PROVIDER=path_to) == ["E008"]


def test_the_provider_of_a_named_session_is_looked_at_too():
    assert found(SESSIONS={"staff": {"ACCOUNT_PROVIDER": "no.such.One"}}) == ["E008"]


def test_a_guard_without_account_middleware_is_an_error():
    assert found(path("", authenticated(view)), middleware=[SESSION, CSRF]) == ["E009"]


def test_a_guard_without_csrf_middleware_is_a_warning():
    middleware = [SESSION, ACCOUNT]

    assert found(path("", authenticated(view)), middleware=middleware) == ["W010"]


@pytest.mark.parametrize(
    "guarded",
    [authorized(view), any_of(authenticated, authorized)(view), ByKey.as_view()],
    ids=["authorized", "any_of", "method"],
)
def test_a_view_for_api_keys_without_their_app_is_an_error(settings, guarded):
    settings.INSTALLED_APPS = without_keys(settings)

    assert found(path("", guarded)) == ["E010"]


def test_without_csrf_middleware_guards_for_keys_alone_are_fine():
    assert found(path("", authorized(view)), middleware=[SESSION, ACCOUNT]) == []


def test_only_the_views_for_keys_are_told_of(settings):
    settings.INSTALLED_APPS = without_keys(settings)
    urls = [path("", authenticated(view)), path("api/", authorized(view))]

    assert found(*urls) == ["E010"]


@pytest.mark.parametrize("login", [authenticated(view), authenticated(org=True)(view)])
def test_a_log_in_page_that_wants_a_log_in_is_a_warning(login):
    urls = [path("accounts/login/", login), path("", authenticated(view))]

    assert found(*urls) == ["W011"]


def test_a_log_in_page_that_the_middleware_guards_is_a_warning():
    middleware = [*COMPLETE, REQUIRED]

    assert found(path("accounts/login/", view), middleware=middleware) == ["W011"]


@pytest.mark.parametrize("mark", [public, login_not_required])
def test_a_log_in_page_for_everybody_is_fine(mark):
    def log_in(request):
        return HttpResponse()

    urls = [path("accounts/login/", mark(log_in))]

    assert found(*urls, middleware=[*COMPLETE, REQUIRED]) == []


@pytest.mark.parametrize("url", ["/elsewhere/", "https://id.example/login/"])
def test_a_log_in_page_that_is_not_among_the_urls_says_nothing(url, settings):
    settings.LOGIN_URL = url

    assert found(path("", authenticated(view))) == []


FRESH = path("", authenticated(fresh=timedelta(minutes=5))(view))
SENDS_BACK = LoginView.as_view(redirect_authenticated_user=True)


def test_a_fresh_guard_whose_log_in_page_sends_back_is_a_warning():
    assert found(FRESH, path("accounts/login/", SENDS_BACK)) == ["W012"]


def test_a_fresh_guard_with_an_ordinary_log_in_page_is_fine():
    assert found(FRESH, LOG_IN) == []


@pytest.mark.parametrize("name", ["again", None])
def test_a_fresh_guard_with_a_reauthenticate_view_is_fine(name):
    again = path("again/", ReauthenticateView.as_view(), name=name)

    assert found(FRESH, path("accounts/login/", SENDS_BACK), again) == []


@pytest.mark.parametrize("url", ["/again/", "again", reverse_lazy("again")])
def test_the_page_that_is_set_is_looked_at(url):
    login, again = (
        path("accounts/login/", view),
        path("again/", SENDS_BACK, name="again"),
    )

    assert found(FRESH, login, again, REAUTHENTICATE_URL=url) == ["W012"]


@pytest.mark.parametrize("url", ["no-such-name", reverse_lazy("no-such-name")])
def test_a_page_that_does_not_exist_is_an_error(url):
    assert found(FRESH, LOG_IN, REAUTHENTICATE_URL=url) == ["E011"]


STAFF = {"URL_PREFIX": "/staff/"}


def test_a_guard_on_a_session_without_a_log_in_page_of_its_own_is_a_warning():
    urls = [LOG_IN, path("staff/", authenticated(view))]

    assert found(*urls, SESSIONS={"staff": STAFF}) == ["W013"]
    with_page = {**STAFF, "LOGIN_URL": "/staff/login/"}
    assert found(*urls, SESSIONS={"staff": with_page}) == []


def test_a_guard_beside_such_a_session_is_fine():
    urls = [LOG_IN, path("", authenticated(view)), path("staff/", view)]

    assert found(*urls, SESSIONS={"staff": STAFF}) == []


def test_each_text_says_what_to_do(settings):
    settings.MIDDLEWARE = [ACCOUNT, SESSION]
    settings.ROOT_URLCONF = Site(path("x/", authorized(view)))
    settings.INSTALLED_APPS = without_keys(settings)
    messages = checks.check_guards()

    assert [m for m in messages if not m.hint] == []
    assert any("/x/" in m.msg for m in messages)
    assert conf.get_configs()


def test_a_view_for_api_keys_with_their_app_is_fine():
    assert found(path("", authorized(view))) == []
