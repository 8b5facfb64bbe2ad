"""What these sessions can do beyond Django's."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from django.contrib.auth import SESSION_KEY

from django_secure_session import conf
from django_secure_session.backends.claimed import ClaimedSession
from django_secure_session.codec.metadata import Metadata
from django_secure_session.exceptions import SessionTooLarge


class ExtendedSession(ClaimedSession):
    """Members that work in every engine of sealed sessions, each with its twin."""

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded())

    def __len__(self) -> int:
        return len(self._loaded())

    def __bool__(self) -> bool:
        """Be what a session is in this version of Django: always true before 6.1."""
        self.accessed = True
        return getattr(super(), "__bool__", lambda: True)()

    async def adelete_test_cookie(self) -> None:
        """Do as its twin; Django's own forgets to mark the session as modified."""
        await self._aloaded()
        self.delete_test_cookie()

    def touch(self) -> None:
        """Send the cookie again with a fresh age and the same data."""
        self._loaded()
        self.modified = True

    async def atouch(self) -> None:
        """See :meth:`touch`."""
        await self._aloaded()
        self.modified = True

    def data(self) -> dict[str, Any]:
        """Return a deep copy of the session's data as a plain dict."""
        return copy.deepcopy(self._loaded())

    async def adata(self) -> dict[str, Any]:
        """See :meth:`data`."""
        return copy.deepcopy(await self._aloaded())

    def reload(self) -> None:
        """Forget unsaved changes and read the last sealed state again."""
        self._forget_changes()
        self._loaded()

    async def areload(self) -> None:
        """See :meth:`reload`."""
        self._forget_changes()
        await self._aloaded()

    def _forget_changes(self) -> None:
        self.__dict__.pop("_session_cache", None)
        self._claims = self._sealed_claims
        self.modified = self._sealed_here

    def is_saved(self) -> bool:
        """Tell whether the token holds data and claims exactly as they are now."""
        return self._has_saved_data() and self._claims == self._sealed_claims

    def _has_saved_data(self) -> bool:
        data = self._loaded()
        if self._session_key is None:
            return False
        return self._codec.dump(data) == self._sealed_body

    async def ais_saved(self) -> bool:
        """See :meth:`is_saved`."""
        await self._aloaded()
        return self.is_saved()

    def is_modified(self) -> bool:
        """Tell whether there is data that only saving would keep.

        Unlike ``modified`` this sees changes inside nested values.
        """
        content = self._loaded() or self._claims
        nothing_to_keep = self._session_key is None and not content
        return not nothing_to_keep and not self.is_saved()

    async def ais_modified(self) -> bool:
        """See :meth:`is_modified`."""
        await self._aloaded()
        return self.is_modified()

    def regenerate(self, keep: Iterable[str] = ()) -> None:
        """Give the session a new sid and drop its data but for the keys in *keep*.

        That ends a log-in, unless the keys of Django's are kept.
        """
        self._loaded()
        self._keep_data(keep)
        self._renew_sid()
        self.save()

    async def aregenerate(self, keep: Iterable[str] = ()) -> None:
        """See :meth:`regenerate`."""
        await self._aloaded()
        self._keep_data(keep)
        self._renew_sid()
        await self.asave()

    def _keep_data(self, keep: Iterable[str]) -> None:
        if isinstance(keep, str):
            raise TypeError(f"keep is a list of keys: regenerate(keep=[{keep!r}])")
        self._keep_only(keep)
        if SESSION_KEY not in self._loaded():
            self._claims = b""

    def _seal_as(
        self, purpose: str, max_age: float | timedelta | None
    ) -> tuple[str, Metadata]:
        """Return a token of the session as it is now, and what is sealed in it."""
        codec = conf.get_codec(self.alias, purpose)
        body = codec.dump(self._loaded())
        metadata = self._next_metadata(max_age)
        token = codec.seal(metadata, body, self._claims)
        self._refuse_large(token, purpose)
        return token, metadata

    #: Whether a response can bring the session in several cookies: Django's can't.
    _takes_chunks = False

    def _cookie_capacity(self) -> int:
        """Return the characters that a token in the cookie may have."""
        config = self._config
        in_chunks = self._takes_chunks and config.placement == "chunked"
        return config.chunked_capacity if in_chunks else config.single_capacity

    def _refuse_large(self, token: str, purpose: str) -> None:
        if purpose != conf.SESSION_PURPOSE:
            limit = conf.get_codec(self.alias, purpose).limit
            if len(token) > limit:
                raise self._too_large("token", len(token), limit)
        elif len(token) > self._cookie_capacity():
            name = self._config.cookie_name
            size, limit = len(name) + len(token), len(name) + self._cookie_capacity()
            raise self._too_large(f"cookie {name!r}", size, limit)

    def _too_large(self, what: str, size: int, limit: int) -> SessionTooLarge:
        data = self._loaded()
        sizes = {str(key): len(self._codec.dump({key: data[key]})) for key in data}
        return SessionTooLarge(what, size, limit, sizes)
