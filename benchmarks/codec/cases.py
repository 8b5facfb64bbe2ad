"""What is measured: each case is a function that is called again and again.

Both sides read the clock and put the time into the token, because Django's signer does.
Each case is tried once when it is built: measuring something broken is worthless.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping

from django.conf import settings
from django.contrib.sessions.serializers import JSONSerializer
from django.core import signing

from benchmarks.measuring import Case
from benchmarks.sessions import Session
from django_secure_session.codec import Codec
from django_secure_session.codec.metadata import Lifetime, Metadata
from django_secure_session.exceptions import BadToken
from django_secure_session.keyring import Keyring, RootKey, generate_key
from django_secure_session.serializers import CompactJSON

RINGS = (1, 4, 16, 64)

LIMIT = 65536  # characters that the package reads of a token that is not a cookie
_AGE = 14 * 86400  # Django's SESSION_COOKIE_AGE, seconds
_LIFETIME = Lifetime(_AGE, absolute=30 * 86400)
_SID = bytes(16)
_SALT = "django.contrib.sessions.backends.signed_cookies"


def configure_django() -> None:
    settings.configure(SECRET_KEY=secrets.token_urlsafe(50))


def groups(of_size: Mapping[str, Session]) -> list[dict[str, Case]]:
    """Return the cases by name, those together that are compared with each other.

    Only these take turns: a case that walks through 64 kB leaves cold caches to the
    next one, and that must not decide a comparison it is not part of.
    """
    return [_round_trips(of_size), _rings(of_size["log-in"]), _refusals(of_size)]


def sealed(session: Session) -> str:
    """Return the cookie value of this package."""
    return _encode(_codec(_roots(1)), session)


def signed(session: Session) -> str:
    """Return the cookie value of signed_cookies."""
    return signing.dumps(session, compress=True, salt=_SALT, serializer=JSONSerializer)


def token_lengths(of_size: Mapping[str, Session]) -> dict[str, int]:
    """Return how many characters each refused token has."""
    tokens = refused_tokens(_codec(_roots(1)), of_size)
    return {name: len(token) for name, (token, _) in tokens.items()}


def refused_tokens(
    codec: Codec, of_size: Mapping[str, Session]
) -> dict[str, tuple[str, str]]:
    """Return tokens that *codec* must refuse, and the reason it must give."""
    own, foreign = _encode(codec, of_size["log-in"]), sealed(of_size["log-in"])
    return {
        "unknown key, short": (foreign, "unknown_key"),
        "unknown key, long": (sealed(of_size["wizard"]), "unknown_key"),
        "unknown key, 64 kB": (foreign.ljust(LIMIT, "A"), "unknown_key"),
        "unknown version, 64 kB": ("Ag".ljust(LIMIT, "A"), "unknown_version"),
        "too long": (own.ljust(LIMIT + 1, "A"), "malformed"),
        "a signed_cookies value": (signed(of_size["log-in"]), "malformed"),
        "no base64, 64 kB": ("%" * LIMIT, "malformed"),
        "known key, changed tag": (_with_changed_tag(own), "tampered"),
        "known key, junk of 64 kB": (own.ljust(LIMIT, "A"), "tampered"),
    }


def _with_changed_tag(token: str) -> str:
    changed = "A" if token[44] != "A" else "B"
    return token[:44] + changed + token[45:]


def _round_trips(of_size: Mapping[str, Session]) -> dict[str, Case]:
    cases = {}
    for size, session in of_size.items():
        cases[f"sealed {size}"] = _round_trip(_codec(_roots(1)), session)
        cases[f"signed {size}"] = _signed_round_trip(session)
    return cases


def _rings(session: Session) -> dict[str, Case]:
    """Measure one key twice: what those two differ by is the noise of this run."""
    cases = {}
    for ring in ("control", *RINGS):
        roots = _roots(1 if ring == "control" else int(ring))
        codec, last = _codec(roots), _codec(roots[-1:])
        by_current, by_last = _encode(codec, session), _encode(last, session)
        cases[f"round trip {ring}"] = _round_trip(codec, session)
        cases[f"open current {ring}"] = _opening(codec, by_current, session)
        cases[f"open last {ring}"] = _opening(codec, by_last, session)
    return cases


def _refusals(of_size: Mapping[str, Session]) -> dict[str, Case]:
    codec = _codec(_roots(1))
    openings = {
        f"open {size}": _opening(codec, _encode(codec, session), session)
        for size, session in of_size.items()
    }
    refusals = {
        f"refuse {name}": _refusal(codec, token, reason)
        for name, (token, reason) in refused_tokens(codec, of_size).items()
    }
    return openings | refusals


def _roots(count: int) -> list[RootKey]:
    return [RootKey(generate_key(), f"key {i}") for i in range(count)]


def _codec(roots: list[RootKey]) -> Codec:
    return Codec(Keyring(roots).box("session", "default", ""), CompactJSON(), LIMIT)


def _encode(codec: Codec, session: Session) -> str:
    now = int(time.time())
    return codec.seal(Metadata(_SID, now, now, now + _AGE), codec.dump(session))


def _decode(codec: Codec, token: str) -> tuple[Session, bool]:
    """Ask what the session store asks: for the data, and whether to seal it anew."""
    now = int(time.time())
    _, _, body = codec.open(token, now=now, lifetime=_LIFETIME)
    return codec.read_body(body), codec.is_stale(token)


def _round_trip(codec: Codec, session: Session) -> Case:
    def round_trip() -> Session:
        data, _ = _decode(codec, _encode(codec, session))
        return data

    return _checked(round_trip, session)


def _signed_round_trip(session: Session) -> Case:
    def round_trip() -> object:
        return signing.loads(
            signed(session), serializer=JSONSerializer, max_age=_AGE, salt=_SALT
        )

    return _checked(round_trip, session)


def _opening(codec: Codec, token: str, session: Session) -> Case:
    return _checked(lambda: _decode(codec, token)[0], session)


def _refusal(codec: Codec, token: str, reason: str) -> Case:
    def refusal() -> str | None:
        try:
            _decode(codec, token)
        except BadToken as refused:
            return refused.reason
        return None

    return _checked(refusal, reason)


def _checked(case: Case, expected: object) -> Case:
    if (result := case()) != expected:
        raise RuntimeError(f"{case} returned {result!r:.80}, not {expected!r:.80}")
    return case
