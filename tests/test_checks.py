from __future__ import annotations

import base64
import secrets

import pytest
from django.core import checks
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError

from django_secure_session import DERIVED
from django_secure_session.checks import check_settings
from tests.test_keyring_forms import leaks

OURS = "secure_session."
KEY = secrets.token_bytes(32)
TEXT = base64.b64encode(KEY).decode()


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
