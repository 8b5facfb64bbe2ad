"""A person with a session, and what their browser, others and time do to it at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.cache import cache
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from django_secure_session import (
    Account,
    AccountProvider,
    conf,
    decode_session,
    login,
)
from django_secure_session.exceptions import NotAuthenticated
from django_secure_session.middleware import (
    AccountMiddleware,
    SecureSessionMiddleware,
)
from django_secure_session.registry.models import (
    AccountState,
    Adoption,
    SessionRecord,
)
from django_secure_session.registry.records import digest_of
from tests.registry.interleaving import (
    ADOPTION,
    ALL,
    TABLES,
    Step,
    pause,
    unpaused,
    watch,
)

ALIAS = "races"
NAME = "sessionid"
SESSIONS = TABLES[0]


class Provider(AccountProvider):
    """Whoever has logged in is still somebody."""

    def get_account(self, account_id, org_id):
        return account(account_id)


class Router:
    """Has all tables in the database that the threads share."""

    def db_for_read(self, model, **_):
        return ALIAS

    db_for_write = db_for_read


def account(account_id: str) -> Account:
    return Account(id=account_id, role="user", verified=True)


@dataclass
class Response:
    """What came of a request: who it was from, and what the browser is to store."""

    account_id: str | None = None
    #: None where there is no cookie, "" to delete it.
    token: str | None = None


def visit(token, view=None, middleware=SecureSessionMiddleware) -> Response:
    """Send a request with a cookie. A response that can't be given has none."""
    response = Response()

    def see(request):
        response.account_id = request.account.id if request.account else None
        if view is not None:
            view(request)
        return HttpResponse()

    request = HttpRequest()
    request.method, request.COOKIES[NAME] = "GET", token
    request.META |= {"HTTP_COOKIE": f"{NAME}={token}", "SERVER_NAME": "server"}
    request.META["SERVER_PORT"] = "80"
    try:
        answer = middleware(AccountMiddleware(see))(request)
    except (NotAuthenticated, SessionInterrupted, UpdateError):
        return response
    if answer.status_code == 200 and NAME in answer.cookies:
        response.token = answer.cookies[NAME].value
    return response


def cycle_key(request) -> None:
    request.session.cycle_key()


def log_in(account_id: str, token: str = "") -> Response:
    return visit(token, lambda request: login(request, account(account_id)))


def is_alive(token: str) -> bool:
    """Tell whether a cookie is that of somebody; it may be one of nobody."""
    session = decode_session(token)
    return session is not None and session.claims != b""


def row_of(token: str) -> SessionRecord:
    session = decode_session(token)
    return SessionRecord.objects.get(handle=session.registration.handle)


class World:
    """A person, their session, and what others have. It can be had again as it was."""

    def __init__(
        self, clock, middleware=SecureSessionMiddleware, is_warm=False
    ) -> None:
        self.clock, self.middleware, self.is_warm = clock, middleware, is_warm
        self.person = "ada"
        for model in (Adoption, AccountState, SessionRecord):
            model.objects.all().delete()
        self.token = log_in(self.person).token
        self.elsewhere = log_in(self.person).token  # the same person's
        self.stranger = log_in("bob").token
        self.handle = row_of(self.token).handle
        self._past = [self.token]
        self.keep()

    def keep(self) -> None:
        """Have each race begin as it is now, but for the cache."""
        with connections[ALIAS].cursor() as cursor:
            for table in (*TABLES, ADOPTION):
                cursor.execute(f"DELETE FROM {table}_kept")
                cursor.execute(f"INSERT INTO {table}_kept SELECT * FROM {table}")
        self._now = self.clock.now

    def cycle(self) -> None:
        """Give the session another sid, before any race."""
        self.token = visit(self.token, cycle_key).token
        self._past.append(self.token)
        self.keep()

    def age(self) -> None:
        """Let so much time pass that a look-up and a new cookie are noted."""
        self.clock.tick(minutes=11)
        self.keep()

    def forget(self) -> None:
        """Be a session from before the registry was installed."""
        before = timezone.now() + timedelta(minutes=1)
        Adoption.objects.update_or_create(pk=1, defaults={"sealed_before": before})
        SessionRecord.objects.filter(handle=self.handle).delete()
        self.handle = ""  # it will get one
        self.keep()

    def begin(self) -> None:
        """Be as it was, with nothing in the cache, or with all that was used."""
        with connections[ALIAS].cursor() as cursor:
            for table in (*TABLES, ADOPTION):
                cursor.execute(f"DELETE FROM {table}")
                cursor.execute(f"INSERT INTO {table} SELECT * FROM {table}_kept")
        self.clock.now = self._now
        cache.clear()
        for token in (*self._past, self.elsewhere) if self.is_warm else ():
            visit(token)
        #: Cookies of the session that the race is about, also those of its past.
        self.tokens = list(self._past)
        #: Cookies of sessions that begin in the race, and whose they are.
        self.others: list[tuple[str, str]] = []
        self.responses: dict[Callable, Response] = {}
        self.has_ended = self.have_others_ended = False
        #: Whether the browser has given the cookie up, which was no good any more.
        self.has_given_up = False
        self.problems: list[str] = []
        #: The sids that the database had when the session had ended.
        self.rows: list[tuple[str, str]] = []

    def sids(self) -> list[tuple[str, str]]:
        """Return what the database has of the session's sids."""
        rows = SessionRecord.objects.filter(handle=self.handle)
        return list(rows.values_list("digest", "previous_digest"))

    def send(self, operation, view=None, token=None) -> Response:
        """Send a request of the person's browser, and note what comes back."""
        response = visit(token or self.token, view, self.middleware)
        self.responses[operation] = response
        if response.token and self._is_another(response.token):
            self.others.append((response.token, self.person))
        elif response.token:
            self.tokens.append(response.token)
        if response.account_id not in (None, self.person):
            self.problems.append(f"{operation.__name__} was {response.account_id}")
        return response

    def _is_another(self, token) -> bool:
        """Tell whether a cookie is of a log-in that the database knows as another."""
        metadata, *_ = conf.get_codec("default", conf.SESSION_PURPOSE).unseal(token)
        rows = SessionRecord.objects.filter(digest=digest_of(metadata.sid))
        with unpaused():
            found = rows.first()
        return bool(self.handle and found and found.handle != self.handle)

    def playing(self, operation) -> Callable[[], None]:
        """Return an operation on this world, for a thread that is watched."""

        def played():
            watch(connections[ALIAS])
            operation(self)

        return played

    def end(self) -> None:
        """Note that the session has ended, as somebody was told, and see it so."""
        # Not while another holds the lock: what is looked up may have to be noted.
        pause(Step("look", frozenset([ALL]), writes=False, locks=True))
        with unpaused():
            self.rows = self.rows or self.sids()
        self.has_ended = True
        self.refuse_all("when it had just ended")

    def end_by(self, response: Response) -> None:
        """Note what a log-out has brought about."""
        if response.account_id:
            self.end()
        elif response.token is not None:
            self.has_given_up = True

    def refuse_all(self, when: str) -> None:
        """See that no cookie of the session is good, and leave no trace of that."""
        kept = dict(cache._cache), dict(cache._expire_info)
        with unpaused():
            self.problems += [
                f"cookie {number} was good {when}"
                for number, token in enumerate(self.tokens)
                if is_alive(token)
            ]
        for now, before in zip((cache._cache, cache._expire_info), kept, strict=True):
            now.clear()
            now.update(before)
