"""Visitors of a site, and what they are sent: helpers over tests/http.py."""

from __future__ import annotations

import re
import secrets
from collections import Counter

from django.conf import settings
from django.http import HttpResponse
from django.test import override_settings

from django_secure_session import create_session, decode_session
from django_secure_session.codec import Codec
from django_secure_session.conf import get_config
from tests.http import Answer, Browser

NAME = "sessionid"


class Visitor(Browser):
    """A browser that may bring a cookie of any value."""

    def get(self, view=None, **kwargs) -> Answer:
        return super().get(view, **kwargs)

    def put(self, value: str, name: str = NAME) -> None:
        assert self.store(f"{name}={value}; Path=/")

    def begin(self, data, alias: str = "default") -> str:
        """Come with a new session from now on."""
        token = create_session(data, alias=alias).session_key
        self.put(token, get_config(alias).cookie_name)
        return token


# Answers


def answered(response) -> Answer:
    """Return what a server makes of a response."""
    headers = [(name.lower(), text) for name, text in response.items()]
    for morsel in response.cookies.values():
        headers.append(("set-cookie", morsel.OutputString()))
    return Answer(response.status_code, headers, response.content)


def cookie(answer: Answer, name: str = NAME) -> str | None:
    """Return the Set-Cookie line of a name, the last if there are several."""
    lines = [line for line in answer.set_cookies if line.startswith(f"{name}=")]
    return lines[-1] if lines else None


def value(answer: Answer, name: str = NAME) -> str | None:
    line = cookie(answer, name)
    return None if line is None else line[len(name) + 1 :].partition(";")[0].strip('"')


def attributes(answer: Answer, name: str = NAME) -> set[str]:
    """Return what the Set-Cookie line says beside name and value."""
    _, *said = (cookie(answer, name) or "").split("; ")
    return set(said)


def max_age(answer: Answer, name: str = NAME) -> int | None:
    found = re.search(r"; Max-Age=(-?\d+)", cookie(answer, name) or "")
    return int(found[1]) if found else None


def deletes(answer: Answer, name: str = NAME) -> bool:
    """Tell whether the browser is told to forget the cookie."""
    return value(answer, name) == "" and max_age(answer, name) == 0


def sent(answer: Answer, alias: str = "default"):
    """Return the session in the answer's cookie, None for no good one."""
    return decode_session(value(answer, get_config(alias).cookie_name), alias=alias)


def sent_data(answer: Answer, alias: str = "default"):
    session = sent(answer, alias)
    return None if session is None else session.data()


# Settings and views


def site(**options):
    """Return SECURE_SESSION with other options."""
    return {**settings.SECURE_SESSION, **options}


def untouched(request):
    return HttpResponse("ok")


def read(request):
    return HttpResponse(repr(request.session.data()))


def write(**data):
    """Return a view that writes into the session."""
    return does(lambda session: session.update(data))


def call(*names, status=200):
    """Return a view that calls methods of the session."""

    def view(request):
        for name in names:
            getattr(request.session, name)()
        return HttpResponse(status=status)

    return view


def does(action):
    """Return a view that does something with the session and shows the outcome."""

    def view(request):
        return HttpResponse(repr(action(request.session)))

    return view


# The codec


def counted_codec(monkeypatch) -> Counter:
    """Count what the codec is asked for from now on, by the methods' names."""
    calls: Counter = Counter()
    for name in ("dump", "read_body", "seal", "open", "unseal", "knows", "is_stale"):
        monkeypatch.setattr(Codec, name, _counting(getattr(Codec, name), name, calls))
    return calls


def _counting(method, name, calls):
    def counted(self, *args, **kwargs):
        calls[name] += 1
        return method(self, *args, **kwargs)

    return counted


# Cookies that are refused

DELETED = [
    *("malformed", "unknown_version", "tampered", "undecodable", "expired", "idle")
]
LEFT_ALONE = ["unknown_key", "future"]


def refused_cookie(reason, clock) -> str:
    """Return a cookie that is refused for a reason now."""
    shift = {"expired": -15 * 86400, "idle": -3601, "future": 3600}.get(reason)
    if shift is not None:
        clock.tick(shift)
        token = create_session({"old": 1}).session_key
        clock.tick(-shift)
        return token
    make = {
        "malformed": lambda: "!" * 128,
        "unknown_version": lambda: "A" * 128,
        "unknown_key": _of_another_key,
        "tampered": _tampered,
        "undecodable": _of_no_session,
    }[reason]
    return make()


def _of_another_key() -> str:
    with override_settings(SECURE_SESSION={"KEY": secrets.token_bytes(32)}):
        return create_session({"old": 1}).session_key


def _tampered() -> str:
    token = create_session({"old": 1}).session_key
    return token[:-1] + ("A" if token[-1] != "A" else "B")


def _of_no_session() -> str:
    """Return a token that we sealed and that holds no dict."""
    session = create_session({})
    return session._codec.seal(session._next_metadata(), b"[]")
