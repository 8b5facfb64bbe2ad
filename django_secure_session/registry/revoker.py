"""Which log-ins have ended: what the sessions ask, and what they tell."""

from __future__ import annotations

import time
from functools import partial

from django.db import connections, transaction
from django.utils import timezone

from django_secure_session.accounts import claims
from django_secure_session.exceptions import BadToken
from django_secure_session.protocols import Device, LogIn, Registration
from django_secure_session.registry import adoption, cached, ending, pruning, records
from django_secure_session.registry.models import SessionRecord


class Revoker:
    """Fulfils :class:`~django_secure_session.protocols.SessionRevoker`."""

    def check(self, log_in: LogIn) -> Registration:
        """Return where a session stands. Raise BadToken ``revoked`` if it has ended.

        The cache says so; a query where it does not know, or can't be reached.
        """
        digest = records.digest_of(log_in.sid)
        account_id = records.account_of(log_in, claims.parse(log_in.claims))
        row, state = cached.look(digest, account_id)
        if row == cached.ENDED:
            raise BadToken("revoked")
        if isinstance(row, cached.Row) and state and row.epoch >= state.revoked_epoch:
            where = row.handle, log_in.sid, account_id
            return Registration(*where, state.epoch, row.expires)
        return self._ask(log_in, digest, account_id)

    def _ask(self, log_in: LogIn, digest: str, account_id: str) -> Registration:
        read_at = time.time()  # before: what changes while it is asked counts as later
        with records.reaching() as using:
            row = records.find(using, digest)
            if row is None and adoption.adopt(using, log_in, account_id):
                row = records.find(using, digest)
                if connections[using].in_atomic_block:
                    cached.doubt([digest])  # it may be undone: nobody shall believe it
            now = timezone.now()
            if row is None or not row.opens(digest, account_id, now):
                _remember_end(using, digest, row)
                raise BadToken("revoked")
            if now - row.last_seen >= records.INTERVAL:
                # When the view's transaction is over, or it would hold up a log-out.
                touching = partial(records.touch, using, row, now)
                transaction.on_commit(touching, using=using, robust=True)
        if row.digest == digest:  # else it was given up, and is good for a moment only
            cached.add(row, read_at)
        return _registration(row, log_in.sid)

    def keep(
        self,
        log_in: LogIn,
        before: Registration | None,
        device: Device,
        *,
        has_grace: bool,
    ) -> Registration | None:
        """Note what will be in a cookie, None if the session must not go on.

        The database is asked, however sure the cache is: what goes into a cookie must
        not take the place of what another request has put there.
        """
        found = claims.parse(log_in.claims)
        account_id = records.account_of(log_in, found)
        with records.reaching() as using:
            if before and before.sid == log_in.sid:
                # A cookie from before its claims takes no account away.
                known = account_id if found else before.account_id
                row = records.prolong(using, log_in, known, before)
                if known != before.account_id:
                    cached.doubt([records.digest_of(before.sid)])
            elif before and before.account_id == account_id:
                row = records.move(using, log_in, before, device, has_grace=has_grace)
                cached.doubt([records.digest_of(before.sid)])
            else:
                if before:  # whose place somebody else has taken
                    self.end(before)
                epoch = found.epoch if found else 0
                epoch = epoch or records.epoch_of(using, account_id)
                row = records.insert(using, log_in, account_id, epoch, device)
        return None if row is None else _registration(row, log_in.sid)

    def end(self, registration: Registration) -> None:
        """End a session for good, under whatever sid it goes on."""
        if ending.end(registration.handle) is None:
            # Undone with the transaction that adopted it: adopted once more, to end.
            with records.reaching() as using:
                handle = adoption.again(using, registration)
            if handle:
                ending.end(handle)

    def epoch(self, account_id: str) -> int:
        """Return the epoch of an account now."""
        with records.reaching() as using:
            return records.epoch_of(using, account_id)

    def prune(self) -> int:
        """Forget sessions whose tokens are all too old, and return how many."""
        with records.reaching() as using:
            return pruning.prune(using)


def _registration(row: SessionRecord, sid: bytes) -> Registration:
    expires = int(row.expires.timestamp())
    return Registration(row.handle, sid, row.account_id, row.state_epoch, expires)


def _remember_end(using: str, digest: str, row: SessionRecord | None) -> None:
    """Spare the next look-up of a session that has ended, which it does but once.

    Said, not added: whoever has ended it may have died before that was said. Not from
    within a transaction: it may be this one that ends it, and fail.
    """
    if row is not None:
        telling = partial(cached.end, [digest])
        transaction.on_commit(telling, using=using, robust=True)
