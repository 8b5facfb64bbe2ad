"""What these sessions can do beyond Django's."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django_secure_session import conf
from django_secure_session.backends.sealed import SealedSession
from django_secure_session.codec import Metadata
from django_secure_session.exceptions import SessionTooLarge


class ExtendedSession(SealedSession):
    """Members that work in every engine of sealed sessions, each with its twin."""

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
        self.modified = self._sealed_here

    def is_saved(self) -> bool:
        """Tell whether the token holds the data exactly as it is now."""
        data = self._loaded()
        if self.session_key is None:
            return False
        _, _, sealed_body = self._codec.unseal(self.session_key)
        return self._codec.body(data) == sealed_body

    async def ais_saved(self) -> bool:
        """See :meth:`is_saved`."""
        await self._aloaded()
        return self.is_saved()

    def is_modified(self) -> bool:
        """Tell whether there is data that only saving would keep.

        Unlike ``modified`` this sees changes inside nested values.
        """
        nothing_to_keep = self.session_key is None and not self._loaded()
        return not nothing_to_keep and not self.is_saved()

    async def ais_modified(self) -> bool:
        """See :meth:`is_modified`."""
        await self._aloaded()
        return self.is_modified()

    def regenerate(self, keep: Iterable[str] = ()) -> None:
        """Give the session a new sid and drop its data but for the keys in *keep*."""
        self._loaded()
        self._keep_only(keep)
        self._renew_sid()
        self.save()

    async def aregenerate(self, keep: Iterable[str] = ()) -> None:
        """See :meth:`regenerate`."""
        await self._aloaded()
        self._keep_only(keep)
        self._renew_sid()
        await self.asave()

    def _keep_only(self, keep: Iterable[str]) -> None:
        if isinstance(keep, str):
            raise TypeError(f"keep is a list of keys: regenerate(keep=[{keep!r}])")
        data = self._loaded()
        self._session_cache = {key: data[key] for key in keep if key in data}

    def seal(self, *, purpose: str, max_age: float | timedelta | None = None) -> str:
        """Return a token of the session as it is now; the session is left alone.

        With *max_age*, in seconds, it lives that long, not what the session would.
        """
        self._loaded()
        return self._encode(self._next_metadata(max_age), purpose)

    async def aseal(
        self, *, purpose: str, max_age: float | timedelta | None = None
    ) -> str:
        """See :meth:`seal`."""
        await self._aloaded()
        return self.seal(purpose=purpose, max_age=max_age)

    def _encode(self, metadata: Metadata, purpose: str) -> str:
        __traceback_hide__ = True
        codec = conf.get_codec(self.alias, purpose)
        token = codec.encode(metadata, self._loaded())
        if len(token) > codec.limit:
            cookie = (
                self._config.cookie_name if purpose == conf.SESSION_PURPOSE else None
            )
            raise SessionTooLarge(cookie, len(token), codec.limit, self._key_sizes())
        return token

    def _key_sizes(self) -> dict[str, int]:
        data = self._loaded()
        return {str(key): len(self._codec.body({key: data[key]})) for key in data}
