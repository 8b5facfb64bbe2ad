"""The session engine: the whole session, encrypted, is the value of the cookie.

``session_key`` is the sealed token itself, because that is what Django's
SessionMiddleware puts into the cookie. What names a session across its tokens is
``sid``, sealed inside. Where the settings put large sessions into the cache, the token
is a sealed pointer to an entry there. Only then is there I/O, and one thread hop in an
``a...`` method; whatever else those do, they do as their twins.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY
from django.utils.crypto import constant_time_compare
from django.utils.encoding import force_str

from django_secure_session import conf
from django_secure_session.backends import spill
from django_secure_session.backends.choice import Opened
from django_secure_session.backends.registered import Task
from django_secure_session.backends.reports import log_undecodable
from django_secure_session.backends.saving import SavedSession, do
from django_secure_session.exceptions import BadToken
from django_secure_session.protocols import Registration

# A site with a wrong key must not start; Django imports its engine at start-up.
conf.get_configs()


class Ending(NamedTuple):
    """What there is of a session that is to end."""

    sid: bytes = b""
    entries: frozenset[bytes] = frozenset()
    registration: Registration | None = None

    def __repr__(self) -> str:
        return "<Ending>"  # no sid is for an error page


class SessionStore(SavedSession):
    """A session kept whole in its own cookie, encrypted and authenticated."""

    # Beginning and ending

    def create(self) -> None:
        """Begin a new session with whatever data is loaded, and seal it."""
        self._begin_anew()
        self.save()

    async def acreate(self) -> None:
        """See :meth:`create`."""
        self._begin_anew()
        await self.asave()

    def _begin_anew(self) -> None:
        if not hasattr(self, "_session_cache"):
            self._session_cache: dict[str, Any] = {}
        self._end_sid()
        claims, created = self._claims, self._created
        self._begin()
        if claims or SESSION_KEY in self._session_cache:
            # The data stays, and so does a log-in, which must not get younger.
            self._claims, self._created = claims, created

    def cycle_key(self) -> None:
        """Give the session a new sid and seal it at once; the data stays.

        An anonymous session begins anew with it, as at log-in; one that is logged in
        keeps ``created_at``, or a site could outlive ABSOLUTE_TIMEOUT by cycling.
        """
        self._loaded()
        self._renew_sid()
        self.save()

    async def acycle_key(self) -> None:
        """See :meth:`cycle_key`."""
        await self._aloaded()
        self._renew_sid()
        await self.asave()

    def clear(self) -> None:
        """Remove all data, and with it any log-in; the session itself goes on."""
        self._loaded()  # or its sid and its age would be lost
        super().clear()
        self._claims = b""

    def delete(self, session_key: str | None = None) -> None:
        """Drop this session and its data, or end another one named by its token.

        Raise StoreUnavailable; then it has not ended everywhere.
        """
        __traceback_hide__ = True
        self._loaded()
        ending = self._itself()
        if session_key is not None:
            ending = self._named(session_key)
        if tasks := self._ending_in_stores(ending):
            self._reach(do, tasks)
        self._end(ending.sid, itself=session_key is None)

    async def adelete(self, session_key: str | None = None) -> None:
        """See :meth:`delete`."""
        __traceback_hide__ = True
        await self._aloaded()
        ending = self._itself()
        if session_key is not None:
            ending = await self._anamed(session_key)
        if tasks := self._ending_in_stores(ending):
            await self._areach(do, tasks)
        self._end(ending.sid, itself=session_key is None)

    def _itself(self) -> Ending:
        return Ending(self._sid, frozenset(self._old_entries()), self._registration)

    def _named(self, token: str) -> Ending:
        """Return what there is of the session with a token, as old as it may be."""
        __traceback_hide__ = True
        ending, opened = self._told_by(token)
        try:
            registration = opened and self._find(opened).registration
        except BadToken:  # it has ended, or its entry is lost
            registration = None
        return ending._replace(registration=registration)

    async def _anamed(self, token: str) -> Ending:
        """See :meth:`_named`."""
        __traceback_hide__ = True
        ending, opened = self._told_by(token)
        try:
            registration = opened and (await self._afind(opened)).registration
        except BadToken:
            registration = None
        return ending._replace(registration=registration)

    def _told_by(self, token: str) -> tuple[Ending, Opened | None]:
        """Return what a token itself tells, and what is to be looked up, if any."""
        __traceback_hide__ = True
        try:
            opened = Opened(token, *self._codec.unseal(token))
            name = opened.entry_name()
        except BadToken:
            return Ending(), None
        sid = opened.metadata.sid
        ours = self._old_entries() if sid == self._sid else ()
        ending = Ending(sid, frozenset([*ours, *([name] if name else [])]))
        return ending, opened if conf.revoker() else None

    def _ending_in_stores(self, ending: Ending) -> list[Task]:
        # The registry first: without it a copy of the cookie would go on.
        tasks: list[Task] = []
        if (revoker := conf.revoker()) and ending.registration:
            tasks.append(partial(revoker.end, ending.registration))
        if ending.entries:
            alias = self._config.cache_alias
            tasks.append(partial(spill.remove, alias, ending.entries))
        return tasks

    def _end(self, sid: bytes, *, itself: bool) -> None:
        if sid:
            self._ended |= {sid}
        if itself or (sid and constant_time_compare(sid, self._sid)):
            self._begin()
            self._session_cache = {}
            self._session_key = self._entry_name = None
            self._superseded = ()
            self._registration = None
            self.modified = self._was_ended = True

    async def aflush(self) -> None:
        """End the session: no data, no sid, and the cookie will be deleted."""
        await self._aloaded()
        await super().aflush()

    @classmethod
    def clear_expired(cls) -> None:
        """Forget what a registry has of expired sessions; nothing else has any."""
        if revoker := conf.revoker():
            revoker.prune()

    @classmethod
    async def aclear_expired(cls) -> None:
        """See :meth:`clear_expired`."""
        if revoker := conf.revoker():
            await sync_to_async(revoker.prune)()

    # For other storage than the cookie

    def encode(self, session_dict: dict[str, Any]) -> str:
        """Seal any dict into a text that only :meth:`decode` opens, never a cookie."""
        other = type(self)(alias=self.alias, purpose=conf.ENCODE_PURPOSE)
        other.update(session_dict)
        other.save()
        return str(other.session_key)

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """Open what :meth:`encode` returned; ``{}`` and a warning for anything else."""
        other = type(self)(alias=self.alias, purpose=conf.ENCODE_PURPOSE)
        try:
            opened = other._open(force_str(session_data, errors="replace"))
            return other._codec.read_body(opened.body)
        except BadToken:
            log_undecodable()
            return {}
