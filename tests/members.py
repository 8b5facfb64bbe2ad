"""The public members of a session, found in its class, and how to use each.

A member that is added later is used by the tests of all members at once: it has to be
given arguments here if it needs any, or be listed where it tells nothing of a session.
"""

from __future__ import annotations

import contextlib
import inspect

from django_secure_session.backends.encrypted_cookies import SessionStore

#: What tells nothing about the session of the request: functions of their arguments
#: and of the settings, and what the middleware alone calls.
SILENT = {
    *("encode", "decode", "exists", "aexists", "clear_expired", "aclear_expired"),
    *("get_session_cookie_age", "key_salt", "lifetime", "serializer"),
    *(
        "accept",
        "has_accepted",
        "cookie_change",
        "save_for_response",
        "asave_for_response",
        "take_log_in",
    ),
}
ARGUMENTS = {
    "__contains__": ("a",),
    "__delitem__": ("a",),
    "__getitem__": ("a",),
    "__setitem__": ("a", 1),
    "get": ("a",),
    "has_key": ("a",),
    "pop": ("a",),
    "renew": (b"{}",),
    "replace_claims": (b"{}",),
    "set": ("a", 1),
    "set_expiry": (60,),
    "setdefault": ("a", 1),
    "update": ({"b": 1},),
}
KEYWORDS = {
    "options": {"samesite": "Strict"},
    "seal": {"purpose": "test"},
}


def is_public(name: str) -> bool:
    member = inspect.getattr_static(SessionStore, name)
    if name.startswith("__"):  # Python's operators
        inherited = getattr(object, name, None)
        return inspect.isfunction(member) and inherited is None
    is_code = inspect.isfunction(member) or isinstance(member, (property, classmethod))
    return is_code and not name.startswith("_")


PUBLIC = [name for name in dir(SessionStore) if is_public(name)]
TELLING = sorted(set(PUBLIC) - SILENT)
#: Those with a twin to await, and the others.
TWINS = [name for name in TELLING if f"a{name}" in TELLING]
ASYNC = [
    name
    for name in TELLING
    if inspect.iscoroutinefunction(inspect.getattr_static(SessionStore, name))
]
SYNC = sorted(set(TELLING) - set(ASYNC))


def use(session, name):
    """Use a member, whatever comes of it."""
    member = getattr(session, name)
    return _call(member, name) if callable(member) else member


async def ause(session, name):
    """Use a member that is to be awaited."""
    return await _call(getattr(session, name), name.removeprefix("a"))


def _call(member, name):
    return member(*ARGUMENTS.get(name, ()), **KEYWORDS.get(name, {}))


#: What a session without data raises for a key.
no_such_key = contextlib.suppress(KeyError)
