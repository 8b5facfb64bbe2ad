"""Tests that fail with this engine, each with the reason why they have to.

An entry that passes after all, or that Django no longer has, fails the script. At the
end the one module of Django's tests that is left out.
"""

from __future__ import annotations

_NO_STORE = (
    "another request has logged out, and only a store that every request asks could "
    "tell; Django skips these tests for signed_cookies"
)

#: Tests of the contract by their name; a test runs with and without USE_TZ.
CONTRACT = {
    "test_session_save_does_not_resurrect_session_logged_out_in_other_context": (
        _NO_STORE
    ),
    "test_session_asave_does_not_resurrect_session_logged_out_in_other_context": (
        _NO_STORE
    ),
    "test_empty_session_saved": (
        "looks for the session in the table django_session, where no cookie engine "
        "puts it"
    ),
}

#: Tests of the other suites by their id. signed_cookies passes them by chance only, and
#: the script shows it: it lets them fail there.
BY_CHANCE = {
    "auth_tests.test_views.LoginTest."
    "test_session_key_flushed_on_login_after_password_change": (
        "wants the same session key after a second log-in; here the key is the sealed "
        "session, new each time, and with signed_cookies it is the same only if both "
        "log-ins fall into one second"
    ),
}

_OTHER_ENGINE = (
    "sets SESSION_ENGINE to one of Django's, which our middleware refuses to work with"
)

_HTTP_ONLY = (
    "wants a deletion without HttpOnly; ours has every attribute of the cookie, which "
    "names that begin with __Http- need"
)

#: Tests that fail only with our middleware in the place of Django's, by their id.
MIDDLEWARE = {
    "sessions_tests.tests.SessionMiddlewareTests.test_session_update_error_redirect": (
        "puts a session of another engine on the request; our middleware saves only "
        "its own"
    ),
    "sessions_tests.tests.SessionMiddlewareTests.test_session_delete_on_end": (
        _HTTP_ONLY
    ),
    "sessions_tests.tests.SessionMiddlewareTests."
    "test_session_delete_on_end_with_custom_domain_and_path": _HTTP_ONLY,
    "test_client.tests.ClientTest.test_logout_cookie_sessions": _OTHER_ENGINE,
    "test_client.tests.ClientTest.test_sessions_app_is_not_installed": _OTHER_ENGINE,
    "test_client.tests.ClientTest."
    "test_view_with_login_when_sessions_app_is_not_installed": _OTHER_ENGINE,
    "test_client_regress.tests.SessionEngineTests.test_login": _OTHER_ENGINE,
}

#: Left out, as it has nothing to do with sessions and takes most of the time: it hashes
#: passwords as slowly as a site has to. If it ever names a session, a request or a
#: client, it is run again.
WITHOUT_SESSIONS = "auth_tests.test_hashers"
