"""Whose cookie gets stolen: a user of the demonstration alone, with no password."""

from __future__ import annotations

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User

NAME = "bob"


def ensure_bob() -> User:
    """Return bob, as whom nobody can log in."""
    defaults = {"password": make_password(None)}
    return User.objects.get_or_create(username=NAME, defaults=defaults)[0]
