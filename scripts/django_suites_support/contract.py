"""Django's contract for session engines, ``SessionTestsMixin``, on this engine."""

from __future__ import annotations

from django.test import SimpleTestCase, override_settings
from sessions_tests.tests import SessionTestsMixin

from django_secure_session.backends.encrypted_cookies import SessionStore


class SecureSessionTests(SessionTestsMixin, SimpleTestCase):
    """The mixin as it is; unlike Django's test of signed_cookies it overrides none."""

    backend = SessionStore


@override_settings(USE_TZ=True)
class SecureSessionWithTimeZoneTests(SecureSessionTests):
    """The same tests where dates are aware."""
