"""Django's own settings for its tests on SQLite, with the session engine under test."""

from __future__ import annotations

import os
import secrets

from test_sqlite import *  # noqa: F403

SESSION_ENGINE = os.environ["DJANGO_SUITES_ENGINE"]
# Each run is a single process, so nobody else has to know the key.
SECURE_SESSION = {"KEY": secrets.token_bytes(32)}
TEST_RUNNER = "django_suites_support.runner.RecordingRunner"
