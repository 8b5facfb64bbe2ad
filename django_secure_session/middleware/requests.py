"""What AccountMiddleware adds to a request."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Literal, TypeVar

from django.http import HttpRequest

from django_secure_session.accounts.current import MEMORY, acurrent, current
from django_secure_session.guards.admission import aadmit, admit
from django_secure_session.guards.policy import key_policy, session_policy
from django_secure_session.identity import Account, Org

Answer = TypeVar("Answer", covariant=True)


class Demand(Generic[Answer]):
    """A guard to call; forgetting to must not look like a yes."""

    __slots__ = ("_call", "_hold")

    def __init__(self, call: str, hold: Callable[[dict[str, Any]], Answer]) -> None:
        self._call = call
        self._hold = hold

    def __call__(self, *unnamed: Any, **options: Any) -> Answer:
        """Return the account, or raise what stands against it."""
        if unnamed:
            raise TypeError(f"{self._call} takes no positional arguments.")
        return self._hold(options)

    def __bool__(self) -> bool:
        raise TypeError(
            f"This is to be called, and raises for whoever may not go on: {self._call}"
            "(...). To ask only who it is, look at request.account."
        )


class AccountRequest(HttpRequest):
    """A request that knows who it is from; a type to annotate views with.

    What it tells is looked up when it is asked for, so a request that nobody asks
    leaves its session untouched.
    """

    @property
    def account(self) -> Account | None:
        """Who is logged in, or None for nobody."""
        return current(self).account

    @property
    def org(self) -> Org | None:
        """The organisation that the account acts for, or None."""
        return current(self).org

    @property
    def auth_via(self) -> Literal["session", "api_key"] | None:
        """What says so."""
        return current(self).via

    async def aaccount(self) -> Account | None:
        """See :attr:`account`."""
        return (await acurrent(self)).account

    async def aorg(self) -> Org | None:
        """See :attr:`org`."""
        return (await acurrent(self)).org

    _plain: type[HttpRequest] = HttpRequest

    def __reduce__(self) -> tuple[Any, ...]:
        # Its class has no place to be imported from.
        return blank, (self._plain,), self.__getstate__()

    # Guards for the middle of a view; they return the account.

    @property
    def authenticated(self) -> Demand[Account]:
        """Want a log-in as ``@authenticated`` does, in a view."""
        return Demand(
            "request.authenticated", lambda o: admit(self, (session_policy(o),))
        )

    @property
    def aauthenticated(self) -> Demand[Awaitable[Account]]:
        """See :attr:`authenticated`."""
        return Demand(
            "await request.aauthenticated", lambda o: aadmit(self, (session_policy(o),))
        )

    @property
    def authorized(self) -> Demand[Account]:
        """Want an API key as ``@authorized`` does, in a view."""
        return Demand("request.authorized", lambda o: admit(self, (key_policy(o),)))

    @property
    def aauthorized(self) -> Demand[Awaitable[Account]]:
        """See :attr:`authorized`."""
        return Demand(
            "await request.aauthorized", lambda o: aadmit(self, (key_policy(o),))
        )


@functools.lru_cache
def request_class(base: type[HttpRequest]) -> type[HttpRequest]:
    """Return a server's class of requests with :class:`AccountRequest` mixed in."""
    if issubclass(base, AccountRequest):
        return base
    own = {"__module__": base.__module__, "__qualname__": base.__qualname__}
    return type(base.__name__, (AccountRequest, base), {**own, "_plain": base})


def blank(base: type[HttpRequest]) -> HttpRequest:
    """Return a request that copy or pickle will fill."""
    mixed = request_class(base)  # type: ignore[arg-type]
    return mixed.__new__(mixed)


def prepare(request: HttpRequest) -> None:
    """Make a request one that knows who it is from."""
    # A property on the class, because an attribute would be looked up for each request,
    # and Django's lazy objects are never None.
    request.__class__ = request_class(type(request))  # type: ignore[arg-type]
    setattr(request, MEMORY, None)
