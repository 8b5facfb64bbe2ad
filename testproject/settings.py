"""Settings of the demo site: for 127.0.0.1 only, never for a public server.

The settings that matter are at the top. Everything that the site writes, its two keys
included, goes into var/ beside this package; DEMO_VAR names another folder.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from testproject.keyfiles import secret_key, session_key

BASE_DIR = Path(__file__).resolve().parent
VAR = Path(os.environ.get("DEMO_VAR") or BASE_DIR.parent / "var")

# The sessions

SESSION_ENGINE = "django_secure_session.backends.encrypted_cookies"
SECURE_SESSION = {
    "KEY": session_key(VAR / "session.key"),
    # Counts from the last save. The cookie is sent again after a tenth of it, so here
    # one can watch that; a real site has hours.
    "IDLE_TIMEOUT": timedelta(minutes=20),
    # A session that a cookie can't hold goes into a cache, sealed.
    "PLACEMENT": "spill",
    "CACHE_ALIAS": "sessions",
    # What request.account says, and for how long nobody is asked again. A real site has
    # five minutes, the default.
    "ACCOUNT_PROVIDER": "testproject.organisations.provider.Members",
    "CLAIMS_MAX_AGE": timedelta(minutes=1),
    "SESSIONS": {
        # request.prefs_session: what is to outlive log-out.
        "prefs": {
            "COOKIE_NAME": "prefs",
            "COOKIE_AGE": timedelta(days=365),
            "IDLE_TIMEOUT": None,
            "ABSOLUTE_TIMEOUT": None,
            "PLACEMENT": "cookie",
        },
        # Below /admin/ this one is request.session, so the admin has its own log-in.
        "admin": {"COOKIE_NAME": "admin_session", "URL_PREFIX": "/admin/"},
        # request.chunked_session, for the page on sizes.
        "chunked": {"PLACEMENT": "chunked"},
    },
}
CACHES = {
    # What the registry said last, so that it is not asked in each request. In the
    # memory of the one process there is. Files would not do: their add() is not atomic,
    # so a session that has just ended could be taken for a living one.
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    # Sessions too large for a cookie. In files, so that they survive the reloads of
    # runserver, which what the registry said need not: its truth is in the database.
    # A site on several hosts has Redis, for both.
    "sessions": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": VAR / "cache",
        "OPTIONS": {"MAX_ENTRIES": 10_000},  # above that, sessions get lost
    },
}

INSTALLED_APPS = [
    "django_secure_session",
    "django_secure_session.api_keys",  # whose only table has digests of keys
    "django_secure_session.registry",  # whose tables have digests of sids
    # No django.contrib.sessions: its only use is the table that this site lacks.
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "testproject.api_keys",
    "testproject.guards",
    "testproject.invoices",
    "testproject.log_ins",
    "testproject.organisations",
    "testproject.pages",
    "testproject.preferences",
    "testproject.shop",
    "testproject.sizes",
    "testproject.thief",
]

# What else Django can keep in the session, so that the demo shows it works.
CSRF_USE_SESSIONS = True
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# An ordinary Django site

ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": VAR / "demo.sqlite3",
    }
}
DEBUG = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {
        # Tells in the terminal why a cookie was refused.
        "django_secure_session": {"handlers": ["console"], "level": "INFO"}
    },
}
LOGIN_REDIRECT_URL = "pages:cookies"
LOGIN_URL = "login"
MIDDLEWARE = [
    "testproject.queries.QueryCountMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django_secure_session.middleware.SecureSessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_secure_session.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "testproject.urls"
SECRET_KEY = secret_key(VAR / "secret.key")
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_URL = "static/"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django_secure_session.context_processors.account",
                "testproject.navigation.navigation",
                "testproject.organisations.context.memberships",
                "testproject.preferences.context.preferences",
                "testproject.shop.cart.cart",
            ]
        },
    }
]
TIME_ZONE = "UTC"
USE_TZ = True
