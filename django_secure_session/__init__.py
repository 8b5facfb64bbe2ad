"""Django sessions that live encrypted in the cookie.

The public names are imported at their first use, so that a settings file can say
``from django_secure_session import Passphrase`` while Django is not set up yet.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django_secure_session.exceptions import BadToken as BadToken
    from django_secure_session.exceptions import InvalidKey as InvalidKey
    from django_secure_session.exceptions import (
        SecureSessionError as SecureSessionError,
    )
    from django_secure_session.exceptions import SessionTooDeep as SessionTooDeep
    from django_secure_session.exceptions import SessionTooLarge as SessionTooLarge
    from django_secure_session.exceptions import StoreUnavailable as StoreUnavailable
    from django_secure_session.keyring import DERIVED as DERIVED
    from django_secure_session.keyring import Passphrase as Passphrase
    from django_secure_session.signals import session_rejected as session_rejected
    from django_secure_session.signals import session_resealed as session_resealed
    from django_secure_session.tokens import acreate_session as acreate_session
    from django_secure_session.tokens import adecode_session as adecode_session
    from django_secure_session.tokens import aencode_session as aencode_session
    from django_secure_session.tokens import create_session as create_session
    from django_secure_session.tokens import decode_session as decode_session
    from django_secure_session.tokens import encode_session as encode_session

__version__ = "0.1.0"

_HOMES = {
    "DERIVED": "keyring",
    "BadToken": "exceptions",
    "InvalidKey": "exceptions",
    "Passphrase": "keyring",
    "SecureSessionError": "exceptions",
    "SessionTooDeep": "exceptions",
    "SessionTooLarge": "exceptions",
    "StoreUnavailable": "exceptions",
    "acreate_session": "tokens",
    "adecode_session": "tokens",
    "aencode_session": "tokens",
    "create_session": "tokens",
    "decode_session": "tokens",
    "encode_session": "tokens",
    "session_rejected": "signals",
    "session_resealed": "signals",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
