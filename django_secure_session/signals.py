"""Signals about sessions. None of them ever carries a token, key or value.

Both are sent with ``sender`` the store class and ``alias`` the session's name.
A receiver that raises is logged by Django and never breaks the request.
"""

from __future__ import annotations

from django.dispatch import Signal

#: A cookie was refused. Also: ``reason``, a code of ``exceptions.Reason``.
session_rejected = Signal()

#: A cookie opened by a fallback key was sealed anew with KEY. Also: ``sid``.
session_resealed = Signal()
