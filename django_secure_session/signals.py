"""Signals about sessions and API keys. None ever carries a token, key or value.

Those about sessions are sent with ``sender`` the store class and ``alias`` the
session's name, those about keys with the model ``ApiKey``. A receiver that raises is
logged by Django and never breaks the request. Where a view is in a transaction, so are
the receivers of what is told of its keys.
"""

from __future__ import annotations

from django.dispatch import Signal

#: A cookie was refused. Also: ``reason``, a code of ``exceptions.Reason``.
session_rejected = Signal()

#: A cookie opened by a fallback key was sealed anew with KEY. Also: ``sid``.
session_resealed = Signal()

#: An API key has let a request in. ``key_id``, ``account``, ``org``, ``view`` (its name
#: in the URLconf, or its dotted path), ``method`` and ``path``: what an access log has.
api_key_used = Signal()

#: An API key was refused. ``reason``, a code of ``exceptions.KeyRejection``, ``key_id``
#: ("" for what is no key), ``view``, ``method`` and ``path``.
api_key_rejected = Signal()

#: A session has ended in the registry. ``account_id``, and ``handle``: "" for all of
#: the account's. Sent with the model ``SessionRecord``, once that is committed.
session_revoked = Signal()
