"""Keys that each clone makes for itself, so that none stands in the repository."""

from __future__ import annotations

import base64
import contextlib
import secrets
from collections.abc import Callable
from pathlib import Path

from django_secure_session.keyring import generate_key
from django_secure_session.management.keyfile import write_new


def secret_key(path: Path) -> str:
    """Return Django's SECRET_KEY from a file, made at the first use."""
    return _made(path, lambda: secrets.token_urlsafe(50)).read_text().strip()


def session_key(path: Path) -> Path:
    """Return the path of a session key file, made at the first use."""
    return _made(path, lambda: base64.b64encode(generate_key()).decode())


def _made(path: Path, make: Callable[[], str]) -> Path:
    """Make the file unless it is there; of two processes at once, one makes it."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            write_new(path, f"{make()}\n".encode())
    return path
