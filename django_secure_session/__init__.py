"""Django sessions that live encrypted in the cookie.

The public names are imported at their first use, so that a settings file can say
``from django_secure_session import Passphrase`` while Django is not set up yet.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django_secure_session.accounts.log_in import alogin as alogin
    from django_secure_session.accounts.log_in import areauthenticate as areauthenticate
    from django_secure_session.accounts.log_in import aswitch_org as aswitch_org
    from django_secure_session.accounts.log_in import login as login
    from django_secure_session.accounts.log_in import reauthenticate as reauthenticate
    from django_secure_session.accounts.log_in import switch_org as switch_org
    from django_secure_session.accounts.log_out import alogout as alogout
    from django_secure_session.accounts.log_out import logout as logout
    from django_secure_session.accounts.provider import (
        AccountProvider as AccountProvider,
    )
    from django_secure_session.accounts.provider import (
        DjangoUserProvider as DjangoUserProvider,
    )
    from django_secure_session.decorators import any_of as any_of
    from django_secure_session.decorators import authenticated as authenticated
    from django_secure_session.decorators import authorized as authorized
    from django_secure_session.decorators import public as public
    from django_secure_session.exceptions import BadToken as BadToken
    from django_secure_session.exceptions import InvalidKey as InvalidKey
    from django_secure_session.exceptions import NotAuthenticated as NotAuthenticated
    from django_secure_session.exceptions import NotAuthorized as NotAuthorized
    from django_secure_session.exceptions import (
        SecureSessionError as SecureSessionError,
    )
    from django_secure_session.exceptions import SessionReadOnly as SessionReadOnly
    from django_secure_session.exceptions import SessionTooDeep as SessionTooDeep
    from django_secure_session.exceptions import SessionTooLarge as SessionTooLarge
    from django_secure_session.exceptions import StoreUnavailable as StoreUnavailable
    from django_secure_session.identity import Account as Account
    from django_secure_session.identity import Org as Org
    from django_secure_session.keyring import DERIVED as DERIVED
    from django_secure_session.keyring import Passphrase as Passphrase
    from django_secure_session.middleware.requests import (
        AccountRequest as AccountRequest,
    )
    from django_secure_session.mixins import AuthenticatedMixin as AuthenticatedMixin
    from django_secure_session.mixins import AuthorizedMixin as AuthorizedMixin
    from django_secure_session.signals import api_key_rejected as api_key_rejected
    from django_secure_session.signals import api_key_used as api_key_used
    from django_secure_session.signals import session_rejected as session_rejected
    from django_secure_session.signals import session_resealed as session_resealed
    from django_secure_session.signals import session_revoked as session_revoked
    from django_secure_session.tokens import acreate_session as acreate_session
    from django_secure_session.tokens import adecode_session as adecode_session
    from django_secure_session.tokens import aencode_session as aencode_session
    from django_secure_session.tokens import create_session as create_session
    from django_secure_session.tokens import decode_session as decode_session
    from django_secure_session.tokens import encode_session as encode_session

__version__ = "0.1.0"

_HOMES = {
    "Account": "identity",
    "AccountProvider": "accounts.provider",
    "AccountRequest": "middleware.requests",
    "AuthenticatedMixin": "mixins",
    "AuthorizedMixin": "mixins",
    "BadToken": "exceptions",
    "DERIVED": "keyring",
    "DjangoUserProvider": "accounts.provider",
    "InvalidKey": "exceptions",
    "NotAuthenticated": "exceptions",
    "NotAuthorized": "exceptions",
    "Org": "identity",
    "Passphrase": "keyring",
    "SecureSessionError": "exceptions",
    "SessionReadOnly": "exceptions",
    "SessionTooDeep": "exceptions",
    "SessionTooLarge": "exceptions",
    "StoreUnavailable": "exceptions",
    "acreate_session": "tokens",
    "adecode_session": "tokens",
    "aencode_session": "tokens",
    "alogin": "accounts.log_in",
    "alogout": "accounts.log_out",
    "any_of": "decorators",
    "api_key_rejected": "signals",
    "api_key_used": "signals",
    "areauthenticate": "accounts.log_in",
    "aswitch_org": "accounts.log_in",
    "authenticated": "decorators",
    "authorized": "decorators",
    "create_session": "tokens",
    "decode_session": "tokens",
    "encode_session": "tokens",
    "login": "accounts.log_in",
    "logout": "accounts.log_out",
    "public": "decorators",
    "reauthenticate": "accounts.log_in",
    "session_rejected": "signals",
    "session_resealed": "signals",
    "session_revoked": "signals",
    "switch_org": "accounts.log_in",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
