"""What a key must not become, and where it must not be mixed with a cookie."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec, module_from_spec

import pytest
from django.apps import apps
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import ConnectionDoesNotExist
from django.http import HttpResponse
from django.template import Context, Template
from django.utils.decorators import sync_and_async_middleware
from django.views import View

from django_secure_session import (
    AuthenticatedMixin,
    AuthorizedMixin,
    aencode_session,
    any_of,
    authenticated,
    authorized,
    create_session,
    decode_session,
    encode_session,
)
from django_secure_session.api_keys.models import ApiKey
from django_secure_session.exceptions import SessionReadOnly
from tests.api_keys import bearer, key_of, new_key, told
from tests.api_keys import key_site as key_site
from tests.http import asgi, wsgi
from tests.http_guards import STACK, signed_in


@pytest.fixture(autouse=True)
def _site(key_site):
    cache.clear()


# Wrapped requests


class Wrapper:
    """A request as Django REST framework has it: what it lacks, Django's hands on."""

    def __init__(self, request):
        self._request = request

    def __getattr__(self, name):
        return getattr(self._request, name)


@pytest.mark.parametrize(
    "guard", [authorized(scopes=["a"]), any_of(authenticated, authorized(scopes=["a"]))]
)
def test_a_guard_for_keys_below_what_wraps_requests_is_refused(guard):
    """Else the key would count, and the view act as the account of the cookie."""
    inner = guard(told)

    def outer(request):
        with pytest.raises(TypeError, match="above @api_view, or AuthorizedMixin"):
            inner(Wrapper(request))
        return HttpResponse("refused")

    answer = wsgi(outer, signed_in(id="bob"), headers=bearer(key_of("a")))
    assert answer.body == b"refused"


def test_one_above_it_is_fine():
    guarded = authorized(lambda request: told(Wrapper(request)))
    answer = wsgi(guarded, signed_in(id="bob"), headers=bearer(key_of()))
    assert answer.json()["account"] == "ada"


# Tokens


@pytest.mark.parametrize("server", [wsgi, asgi])
def test_a_key_does_not_become_a_sessions_cookie(server):
    def view(request):
        with pytest.raises(SessionReadOnly):
            encode_session(request.session)
        return HttpResponse("none")

    async def aview(request):
        with pytest.raises(SessionReadOnly):
            await aencode_session(request.session)
        return HttpResponse("none")

    headers = bearer(key_of())
    for each in (view, aview):
        assert server(authorized(each), headers=headers).body == b"none"


def test_a_token_of_another_purpose_can_be_made():
    def view(request):
        return HttpResponse(encode_session(request.session, purpose="ticket"))

    token = wsgi(authorized(view), headers=bearer(key_of())).body.decode()
    assert decode_session(token, purpose="ticket") is not None
    cookie = f"sessionid={token}".encode()
    assert wsgi(authenticated(told), cookie, headers={"Accept": "*/*"}).status == 401


# Caches

UPDATE = "django.middleware.cache.UpdateCacheMiddleware"
FETCH = "django.middleware.cache.FetchFromCacheMiddleware"


@sync_and_async_middleware
def reads_the_theme(get_response):
    def middleware(request):
        request.theme = request.session.get("theme")
        return get_response(request)

    return middleware


def cookie(name: str, alias: str, theme: str) -> bytes:
    session = create_session({"theme": theme}, alias=alias)
    return f"{name}={session.session_key}".encode()


def test_a_page_for_a_key_that_a_cookie_had_a_say_in_is_for_that_cookie(settings):
    stack = [UPDATE, *STACK, f"{__name__}.reads_the_theme", FETCH]
    settings.MIDDLEWARE, headers = stack, bearer(key_of())
    view = authorized(lambda request: HttpResponse(request.theme))
    for theme in ("dark", "light"):
        answer = wsgi(view, cookie("sessionid", "default", theme), headers=headers)
        assert answer.body == theme.encode()
        assert answer.set_cookies == []


def test_so_is_one_that_a_named_session_had_a_say_in(settings):
    settings.MIDDLEWARE, headers = [UPDATE, *STACK, FETCH], bearer(key_of())
    prefs = {"prefs": {"COOKIE_NAME": "prefs"}}
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "SESSIONS": prefs}
    view = authorized(lambda request: HttpResponse(request.prefs_session["theme"]))
    for theme in ("dark", "light"):
        answer = wsgi(view, cookie("prefs", "prefs", theme), headers=headers)
        assert answer.body == theme.encode()


# Rows


@pytest.mark.parametrize(
    "source", ["{{ key.revoke }}", "{% if key.rotate %}{% endif %}", "{{ all.revoke }}"]
)
def test_no_template_ends_or_makes_a_key(source):
    key = new_key().api_key
    Template(source).render(Context({"key": key, "all": ApiKey.objects.all()}))
    assert [found.revoked_at for found in ApiKey.objects.all()] == [None]


@pytest.mark.parametrize("name", ["revoke", "arevoke"])
def test_all_keys_of_a_site_are_not_ended_by_a_slip(name):
    assert not hasattr(ApiKey.objects, name)


@pytest.mark.parametrize("name", ["revoke", "rotate"])
def test_a_key_is_changed_in_the_database_that_it_came_from(name):
    key = new_key().api_key
    key._state.db = "other"  # as objects.using("other") leaves it
    with pytest.raises(ConnectionDoesNotExist, match="other"):
        getattr(key, name)()


# Slips of the site


@pytest.mark.parametrize(
    ("mixin", "name", "value"),
    [
        (AuthorizedMixin, "required_roles", ["owner"]),
        (AuthorizedMixin, "required_scope", ["a"]),
        (AuthorizedMixin, "required_fresh", None),
        (AuthenticatedMixin, "required_scopes", ["a"]),
        (AuthenticatedMixin, "required_role", ["owner"]),
    ],
)
def test_an_option_that_a_mixin_does_not_ask_for_is_refused(mixin, name, value):
    with pytest.raises(TypeError, match=f"has {name}, which {mixin.__name__} does not"):
        type("Report", (mixin, View), {name: value})


def test_options_of_other_packages_are_left_alone():
    attributes = {"required_permissions": ["a"], "permission_required": "a"}
    assert type("Report", (AuthorizedMixin, View), attributes)


def test_a_guard_of_ones_own_may_have_options_of_its_own():
    def get_guard(self):
        return any_of(authenticated(roles=self.required_roles), authorized)

    attributes = {"get_guard": get_guard, "required_roles": ["owner"]}
    assert type("Report", (AuthorizedMixin, View), attributes)


SITE = """
from django.conf import settings
apps = ["contenttypes", "auth", "messages", "admin"]
settings.configure(
    INSTALLED_APPS=[
        "django_secure_session",
        {keys}
        *(f"django.contrib.{{app}}" for app in apps),
    ],
    SECURE_SESSION={{"KEY": ""}},
    SESSION_ENGINE="django_secure_session.backends.encrypted_cookies",
)
import django
django.setup()
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_genkey_runs_on_a_site_with_keys_and_without_a_key():
    site = SITE.format(keys='"django_secure_session.api_keys",')
    genkey = "from django.core.management import call_command; call_command('genkey')"
    done = run(site + genkey)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_model_is_refused_while_its_app_is_not_installed(monkeypatch):
    spec = find_spec("django_secure_session.api_keys.models")
    monkeypatch.setattr(apps, "is_installed", lambda app: False)
    with pytest.raises(ImproperlyConfigured, match="INSTALLED_APPS"):
        spec.loader.exec_module(module_from_spec(spec))


def test_the_model_without_its_app_is_refused():
    wanted = "from django_secure_session.api_keys.models import ApiKey"
    done = run(SITE.format(keys="") + wanted)
    assert done.returncode == 1
    assert 'add "django_secure_session.api_keys" to INSTALLED_APPS' in done.stderr
