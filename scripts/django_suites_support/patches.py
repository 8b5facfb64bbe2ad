"""Changes to Django that a run of its tests may ask for, by name.

The runs that are compared with each other use none of them.
"""

from __future__ import annotations

import importlib
import itertools
import sys
import time
from typing import Any

from django.conf import settings
from django.contrib.sessions import middleware
from django.core.signing import TimestampSigner, b62_encode
from django.test.client import ClientMixin


def save_into_the_jar() -> None:
    """Let ``client.session.save()`` reach the cookie jar of the test client.

    Django's client hands out a new store for each ``client.session`` and copies its
    key into the jar only if there was no cookie yet. Where the key names a row that is
    enough; where the key is the session, what a test saves never reaches the next
    request. Sites have the same need in their tests.
    """
    session, asession = ClientMixin.session.fget, ClientMixin.asession

    async def asession_into_the_jar(client: Any) -> Any:
        return _bind(client, await asession(client))

    ClientMixin.session = property(lambda client: _bind(client, session(client)))
    ClientMixin.asession = asession_into_the_jar


def _bind(client: Any, store: Any) -> Any:
    save, asave = store.save, store.asave

    def save_both(*args: Any, **kwargs: Any) -> None:
        save(*args, **kwargs)
        client.cookies[settings.SESSION_COOKIE_NAME] = store.session_key

    async def asave_both(*args: Any, **kwargs: Any) -> None:
        await asave(*args, **kwargs)
        client.cookies[settings.SESSION_COOKIE_NAME] = store.session_key

    store.save, store.asave = save_both, asave_both
    return store


def sign_in_different_seconds() -> None:
    """Let no two signatures of signed_cookies carry the same time.

    It signs equal sessions alike within one second, so a test that compares keys passes
    or fails by the clock. A person never logs in twice within one second.
    """
    later = itertools.count(1)
    TimestampSigner.timestamp = lambda _: b62_encode(int(time.time()) + next(later))


def use_our_middleware() -> None:
    """Put this package's middleware wherever a test names Django's."""
    ours = importlib.import_module("django_secure_session.middleware")
    stock = middleware.SessionMiddleware
    # Some tests have imported Django's by now.
    for module in list(sys.modules.values()):
        if getattr(module, "SessionMiddleware", None) is stock and module is not ours:
            module.SessionMiddleware = ours.SecureSessionMiddleware


PATCHES = {
    "": lambda: None,
    "middleware": use_our_middleware,
    "jar": save_into_the_jar,
    "clock": sign_in_different_seconds,
}
