from __future__ import annotations

import base64
import secrets

import pytest
from django.core import checks
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.test import override_settings

from django_secure_session import DERIVED
from django_secure_session.checks import check_settings
from django_secure_session.middleware import SecureSessionMiddleware
from tests.test_keyring_forms import leaks

OURS = "secure_session."
KEY = secrets.token_bytes(32)
TEXT = base64.b64encode(KEY).decode()


# A field for JSON makes Django's checks of models ask the database what it can do.
pytestmark = pytest.mark.django_db

OURS_MIDDLEWARE = "django_secure_session.middleware.SecureSessionMiddleware"
DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
UPDATE_CACHE = "django.middleware.cache.UpdateCacheMiddleware"
DB = "django.core.cache.backends.db.DatabaseCache"


class CustomMiddleware(SecureSessionMiddleware):
    """A site's own."""


def function_middleware(get_response):
    return get_response


@pytest.fixture(autouse=True)
def _deployed(settings) -> None:
    settings.SESSION_COOKIE_SECURE = True
    # Shared by all processes, as the registry wants it.
    settings.CACHES = {"default": {"BACKEND": DB, "LOCATION": "t"}}
    settings.MIDDLEWARE = [OURS_MIDDLEWARE, CSRF, AUTH, MESSAGES]


def problems(*, deploy: bool = False, tag: str | None = None) -> list[str]:
    """Return the ids of what the registered checks of this package report."""
    tags = None if tag is None else [tag]
    found = checks.run_checks(tags=tags, include_deployment_checks=deploy)
    return sorted(each.id for each in found if each.id.startswith(OURS))


@pytest.mark.parametrize("deploy", [False, True])
def test_a_site_that_is_set_up_well_hears_nothing(deploy):
    assert problems(deploy=deploy) == []


@pytest.mark.parametrize("deploy", [False, True])
def test_a_wrong_key_is_one_error_however_much_is_checked(deploy, settings):
    settings.SECURE_SESSION = {"KEY": "", "ABSOLUTE_TIMEOUT": None}

    assert problems(deploy=deploy) == ["secure_session.E001"]


def test_an_unknown_option_is_an_error(settings):
    settings.SECURE_SESSION = {"KEY": KEY, "FALLBACKS": []}

    assert problems() == ["secure_session.E001"]


def test_the_error_is_one_line_with_the_way_out_and_without_the_key(settings):
    settings.SECURE_SESSION = {"KEY": f'"{TEXT}"'}

    (error,) = check_settings()

    assert error.level == checks.ERROR
    assert str(error).startswith('?: (secure_session.E001) SECURE_SESSION["KEY"] has')
    assert "Remove them" in error.msg
    assert "\n" not in error.msg
    assert leaks([repr(error), str(error)], KEY, TEXT) == set()


def test_manage_py_check_fails_on_it(settings):
    settings.SECURE_SESSION = {"KEY": ""}

    with pytest.raises(SystemCheckError, match=r"secure_session\.E001"):
        call_command("check")


def test_another_engine_is_a_warning(settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.MIDDLEWARE = [DJANGOS]

    assert problems() == ["secure_session.W001"]


def test_a_wrong_key_is_reported_beside_another_engine(settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.SECURE_SESSION = {"KEY": ""}

    assert problems() == ["secure_session.E001", "secure_session.W001"]


def test_an_app_that_stores_session_keys_in_40_characters_is_a_warning(monkeypatch):
    monkeypatch.setattr(
        "django.apps.apps.is_installed", lambda name: name == "allauth.usersessions"
    )

    assert [each.id for each in check_settings()] == ["secure_session.W002"]


@pytest.mark.parametrize(
    "options", [{}, {"KEY": DERIVED}, {"AUDIENCE": "shop"}], ids=repr
)
def test_a_derived_key_is_a_warning_for_deployment_only(options, settings):
    settings.SECURE_SESSION = options

    assert problems() == []
    assert problems(deploy=True) == ["secure_session.W003"]


def test_a_site_without_any_options_is_told_so_too(settings):
    settings.SECURE_SESSION = {}  # announces the change, which "del" does not
    del settings.SECURE_SESSION

    assert problems(deploy=True) == ["secure_session.W003"]


def test_derived_fallbacks_are_no_reason_to_warn(settings):
    settings.SECURE_SESSION = {"KEY": KEY, "KEY_FALLBACKS": [DERIVED]}

    assert problems(deploy=True) == []


def test_no_absolute_timeout_is_a_warning_for_deployment_only(settings):
    settings.SECURE_SESSION = {"KEY": KEY, "ABSOLUTE_TIMEOUT": None}

    assert problems() == []
    assert problems(deploy=True) == ["secure_session.W004"]


def test_both_warnings_for_deployment_come_together_and_under_djangos_tag(settings):
    settings.SECURE_SESSION = {"ABSOLUTE_TIMEOUT": None}

    expected = ["secure_session.W003", "secure_session.W004"]
    assert problems(deploy=True, tag="security") == expected


def test_manage_py_check_deploy_can_fail_on_warnings(settings, capsys):
    settings.SECURE_SESSION = {"ABSOLUTE_TIMEOUT": None}
    settings.SILENCED_SYSTEM_CHECKS = [
        each.id
        for each in checks.run_checks(include_deployment_checks=True)
        if not each.id.startswith(OURS)
    ]

    with pytest.raises(CommandError) as caught:
        call_command("check", deploy=True, fail_level="WARNING")

    assert "2 issues" in str(caught.value)
    assert "manage.py genkey" in str(caught.value)
    assert capsys.readouterr().out == ""


def ids_of(**changed) -> list[str]:
    with override_settings(**changed):
        return [name.removeprefix(OURS) for name in problems(deploy=True)]


def options(**changed) -> dict:
    return {"SECURE_SESSION": {"KEY": KEY, **changed}}


@pytest.mark.parametrize(
    "session_middleware", [DJANGOS, OURS_MIDDLEWARE, f"{__name__}.CustomMiddleware"]
)
@pytest.mark.parametrize(
    ("inner", "expected"),
    [([AUTH, MESSAGES], []), ([f"{__name__}.function_middleware", AUTH], [])],
)
def test_any_one_session_middleware_before_what_needs_it_is_fine(
    session_middleware, inner, expected
):
    assert ids_of(MIDDLEWARE=[session_middleware, *inner]) == expected


@pytest.mark.parametrize(
    "stack",
    [
        [DJANGOS, OURS_MIDDLEWARE],
        [OURS_MIDDLEWARE, AUTH, DJANGOS],
        [OURS_MIDDLEWARE, f"{__name__}.CustomMiddleware"],
    ],
)
def test_two_session_middlewares_are_an_error(stack):
    assert ids_of(MIDDLEWARE=stack) == ["E002"]


@pytest.mark.parametrize(
    ("stack", "named"),
    [
        ([AUTH, OURS_MIDDLEWARE], "AuthenticationMiddleware has to stand after"),
        ([MESSAGES, OURS_MIDDLEWARE], "MessageMiddleware has to stand after"),
        ([OURS_MIDDLEWARE, UPDATE_CACHE], "UpdateCacheMiddleware has to stand before"),
    ],
)
def test_a_wrong_order_of_middleware_is_an_error(stack, named, settings):
    settings.MIDDLEWARE = stack

    (error,) = check_settings()

    assert error.id == "secure_session.E003"
    assert named in error.msg


def test_csrf_before_the_session_is_wrong_only_where_it_keeps_its_token_there():
    stack = [CSRF, OURS_MIDDLEWARE]

    assert ids_of(MIDDLEWARE=stack) == []
    assert ids_of(MIDDLEWARE=stack, CSRF_USE_SESSIONS=True) == ["E003"]


def test_the_cache_around_the_session_is_in_order():
    assert ids_of(MIDDLEWARE=[UPDATE_CACHE, OURS_MIDDLEWARE]) == []


@pytest.mark.parametrize("stack", [[], [DJANGOS]])
@pytest.mark.parametrize(
    "changed",
    [
        options(SESSIONS={"prefs": {}}),
        options(IDLE_TIMEOUT=3600),
        options(PLACEMENT="chunked"),
        {"SESSION_COOKIE_SECURE": "auto"},
        {"SESSION_COOKIE_PARTITIONED": True},
    ],
    ids=["named sessions", "idle", "chunked", "auto", "partitioned"],
)
def test_what_only_our_middleware_does_is_an_error_without_it(stack, changed):
    assert ids_of(MIDDLEWARE=stack, **changed) == ["E004"]
    assert ids_of(MIDDLEWARE=[OURS_MIDDLEWARE], **changed) == []


def test_our_middleware_with_another_engine_is_an_error(settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"

    assert problems() == ["secure_session.E006", "secure_session.W001"]


def test_a_middleware_that_cannot_be_imported_is_djangos_affair():
    assert ids_of(MIDDLEWARE=["tests.no_such.Middleware", OURS_MIDDLEWARE]) == []


def test_a_cookie_that_browsers_refuse_is_an_error():
    assert ids_of(SESSION_COOKIE_SAMESITE="None", SESSION_COOKIE_SECURE=False) == [
        "E001"
    ]
    assert ids_of(
        SESSION_COOKIE_NAME="__Host-sid", SESSION_COOKIE_DOMAIN="example.com"
    ) == ["E001"]


@pytest.mark.parametrize(("idle", "expected"), [(60, []), (61, ["W005"])])
def test_an_idle_timeout_longer_than_the_absolute_one_is_a_warning(idle, expected):
    changed = options(IDLE_TIMEOUT=idle, ABSOLUTE_TIMEOUT=60)

    assert ids_of(**changed) == expected


@pytest.mark.parametrize(("age", "expected"), [(60, []), (61, ["W006"])])
def test_a_cookie_age_longer_than_the_absolute_timeout_is_a_warning(age, expected):
    assert ids_of(SESSION_COOKIE_AGE=age, **options(ABSOLUTE_TIMEOUT=60)) == expected


def test_a_cookie_age_that_an_idle_timeout_replaces_is_no_warning():
    changed = options(ABSOLUTE_TIMEOUT=60, IDLE_TIMEOUT=30)

    assert ids_of(SESSION_COOKIE_AGE=61, **changed) == []


def test_each_session_is_checked_and_named(settings):
    named = {"admin": {"COOKIE_AGE": 61, "ABSOLUTE_TIMEOUT": 60}}
    settings.SECURE_SESSION = {"KEY": KEY, "SESSIONS": named}

    (warning,) = check_settings()

    assert warning.id == "secure_session.W006"
    assert "'admin'" in warning.msg


@pytest.mark.parametrize(
    ("session", "expected"),
    [({}, []), ({"URL_PREFIX": "/admin/"}, ["W004"])],
    ids=["beside request.session", "in its place"],
)
def test_no_absolute_timeout_matters_where_people_log_in(session, expected):
    session = {"ABSOLUTE_TIMEOUT": None, **session}

    assert ids_of(**options(SESSIONS={"other": session})) == expected


@pytest.mark.parametrize(
    ("backend", "expected"),
    [("dummy.DummyCache", ["E005"]), ("locmem.LocMemCache", ["W009"])],
)
def test_a_cache_that_cannot_hold_sessions_is_reported(backend, expected):
    path = f"django.core.cache.backends.{backend}"
    caches = {"default": {"BACKEND": path}, "real": {"BACKEND": DB, "LOCATION": "t"}}
    spilled = {"PLACEMENT": "spill", "REVOCATION_CACHE_ALIAS": "real"}
    chunked = spilled | {"PLACEMENT": "chunked"}

    assert ids_of(CACHES=caches, **options(**spilled)) == expected
    assert ids_of(CACHES=caches, **options(**chunked)) == []
    assert ids_of(CACHES=caches, **options(**spilled, CACHE_ALIAS="real")) == []


@pytest.mark.parametrize(("secure", "expected"), [(False, ["W007"]), ("auto", [])])
def test_a_cookie_without_secure_is_a_warning(secure, expected):
    assert ids_of(SESSION_COOKIE_SECURE=secure) == expected
    named = options(SESSIONS={"prefs": {"COOKIE_SECURE": secure}})
    assert ids_of(**named) == expected


def test_a_cookie_that_scripts_can_read_is_a_warning():
    assert ids_of(SESSION_COOKIE_HTTPONLY=False) == ["W008"]
