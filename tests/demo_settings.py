"""The demo site's own settings, but that a log-in in a test need not take its time."""

from __future__ import annotations

from testproject.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
