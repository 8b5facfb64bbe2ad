from __future__ import annotations

import secrets

# Random in each run, so that no key ever stands in the repository.
SECRET_KEY = secrets.token_urlsafe(50)

ALLOWED_HOSTS = ["*"]
AUTH_PASSWORD_VALIDATORS: list[dict[str, str]] = []
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
}
DEBUG = False
INSTALLED_APPS = [
    "django_secure_session",
    "django_secure_session.api_keys",
    "django_secure_session.registry",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
]
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ROOT_URLCONF = "tests.urls"
SECURE_SESSION = {"KEY": secrets.token_bytes(32)}
SESSION_ENGINE = "django_secure_session.backends.encrypted_cookies"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
USE_TZ = True
