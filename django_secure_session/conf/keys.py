"""KEY and KEY_FALLBACKS to a keyring."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings

from django_secure_session.conf.options import Options
from django_secure_session.exceptions import InvalidKey
from django_secure_session.keyring import (
    DERIVED,
    Keyring,
    RootKey,
    refuse_duplicates,
    root_from_secret_key,
    root_keys,
)


def keyring(options: Options) -> Keyring:
    """Return the keys of a session, the one that seals first. Raise InvalidKey."""
    fallbacks = [] if _ignores_fallbacks(options) else options.get("KEY_FALLBACKS")
    where = options.where("KEY_FALLBACKS")
    if not isinstance(fallbacks, (list, tuple)):
        raise InvalidKey(
            f"{where} must be a list of keys, newest first; it is a "
            f"{type(fallbacks).__name__}."
        )
    key = options.get("KEY")
    roots = list(_entry(key, options.where("KEY"), derived_from=""))
    for i, fallback in enumerate(fallbacks):
        place = f"{where}[{i}]"
        roots += _entry(fallback, place, derived_from=f"{place} from ")
    refuse_duplicates(roots)
    return Keyring(roots)


def _ignores_fallbacks(options: Options) -> bool:
    """Tell whether the session has a key of its own, so that the site's say nothing."""
    return options.has_own("KEY") and not options.has_own("KEY_FALLBACKS")


def _entry(value: object, where: str, *, derived_from: str) -> Iterator[RootKey]:
    if value is DERIVED:
        yield from _derived_roots(derived_from)
    else:
        yield from root_keys(value, where)


def _derived_roots(origin: str) -> Iterator[RootKey]:
    secret_keys: dict[str, object] = {"SECRET_KEY": settings.SECRET_KEY}
    for i, fallback in enumerate(settings.SECRET_KEY_FALLBACKS):
        secret_keys[f"SECRET_KEY_FALLBACKS[{i}]"] = fallback
    for label, secret_key in secret_keys.items():
        yield root_from_secret_key(secret_key, f"{origin}{label}")
