"""Say who may enter, in one line above the view.

A guard runs before the view and lets it run once, or not at all. What the view raises,
it raises as if there were no guard.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from types import MethodType
from typing import Any, NoReturn, TypeVar, overload

from asgiref.sync import iscoroutinefunction

from django_secure_session.guards.policy import (
    KEY_FORM,
    SESSION_FORM,
    KeyPolicy,
    Policy,
    key_policy,
    session_policy,
)
from django_secure_session.guards.routes import mark
from django_secure_session.guards.trees import Included, decorate_tree
from django_secure_session.guards.wrapping import aguarded, guarded

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Guard:
    """What a view wants: that one of the policies passes."""

    policies: tuple[Policy, ...]

    @overload
    def __call__(self, view: View) -> View: ...
    @overload
    def __call__(self, view: Included) -> Included: ...
    def __call__(self, view: Any) -> Any:
        """Return a view, or what include() returned, guarded."""
        if isinstance(view, tuple):
            return decorate_tree(view, self)
        _refuse_no_view(view)
        wrap = aguarded if _is_async(view) else guarded
        return _mark(wrap(view, self.policies), view, self)

    @property
    def takes_keys(self) -> bool:
        """Whether an API key may pass."""
        return any(isinstance(policy, KeyPolicy) for policy in self.policies)

    def __str__(self) -> str:
        if len(self.policies) == 1:
            return str(self.policies[0])
        return f"any_of({', '.join(map(str, self.policies))})"


@dataclass(frozen=True, slots=True)
class Public:
    """The mark of a view that is for everybody."""

    def __call__(self, view: Any) -> Any:
        """Return a view, or what include() returned, marked."""
        if isinstance(view, tuple):
            return decorate_tree(view, self)
        _refuse_no_view(view)
        return _mark(_passed(view), view, self)

    def __str__(self) -> str:
        return "public"


@overload
def authenticated(view: View, /) -> View: ...
@overload
def authenticated(view: Included, /) -> Included: ...
@overload
def authenticated(
    *,
    roles: Collection[str] | None = None,
    verified: bool = False,
    org: bool = False,
    fresh: timedelta | None = None,
) -> Guard: ...
def authenticated(*views: Any, **options: Any) -> Any:
    """Let in who is logged in, by a session: bare, or with what the account must be.

    *roles*: one of these. *verified*, *org*: a verified account, one that acts for an
    organisation. *fresh*: a log-in less than that ago ("sudo mode"). Raise TypeError
    for anything else.

    Nobody else reaches the view. People are sent to LOGIN_URL, or for *fresh* to
    REAUTHENTICATE_URL; programs get 401. Who is logged in and may not enter gets 403.
    """
    return _apply(Guard((session_policy(options),)), views, options, SESSION_FORM)


@overload
def authorized(view: View, /) -> View: ...
@overload
def authorized(view: Included, /) -> Included: ...
@overload
def authorized(*, scopes: Collection[str] | None = None) -> Guard: ...
def authorized(*views: Any, **options: Any) -> Any:
    """Let in who shows an API key with all of the scopes.

    Without a good key the answer is 401, for one that lacks a scope it is 403.

    It needs the app ``django_secure_session.api_keys``; without that no key is good.
    Raise TypeError for wrong options.
    """
    return _apply(Guard((key_policy(options),)), views, options, KEY_FORM)


def any_of(*guards: Guard | Callable[..., Any]) -> Guard:
    """Let in whom one of the guards lets in.

    An API key in the request decides alone: a wrong one is not made good by a cookie.
    Raise TypeError for what is no guard.
    """
    policies: list[Policy] = []
    for each in guards:
        guard = each() if each in (authenticated, authorized) else each
        policies += guard.policies if isinstance(guard, Guard) else _no_guard()
    return Guard(tuple(policies or _no_guard()))


def _no_guard() -> NoReturn:
    raise TypeError(f"any_of() takes guards: any_of({SESSION_FORM}, {KEY_FORM}).")


def public(view: View) -> View:
    """Mark a view as one for everybody, for AccountRequiredMiddleware and `guards`."""
    marked: View = Public()(view)
    return marked


def _apply(
    guard: Guard, views: tuple[Any, ...], options: dict[str, Any], form: str
) -> Any:
    if not views:
        return guard
    is_view = callable(views[0]) or isinstance(views[0], tuple)
    if is_view and len(views) == 1 and not options:
        return guard(views[0])
    name = form.partition("(")[0]
    raise TypeError(f"{name} takes a view alone, @{name}, or options: @{form}.")


# Views


def _passed(view: Callable[..., Any]) -> Any:
    if not _is_async(view):
        return lambda *args, **kwargs: view(*args, **kwargs)

    async def passed(*args: Any, **kwargs: Any) -> Any:
        return await view(*args, **kwargs)

    return passed


def _mark(decorated: Any, view: Callable[..., Any], guard: Guard | Public) -> Any:
    decorated = functools.wraps(view)(decorated)
    mark(decorated, [guard])
    if isinstance(guard, Guard) and guard.takes_keys:
        decorated.csrf_exempt = True  # the guard checks it where a cookie opens
    return decorated


def _is_async(view: Callable[..., Any]) -> bool:
    """Tell whether calling a view gives something to await.

    ``dispatch`` of an async class is a plain function that returns a coroutine, and
    method_decorator hands it on bound, inside a partial.
    """
    if iscoroutinefunction(view):
        return True
    inner = inspect.unwrap(view, stop=_is_bound)
    method = inner.func if isinstance(inner, functools.partial) else inner
    return bool(getattr(getattr(method, "__self__", None), "view_is_async", False))


def _is_bound(view: Callable[..., Any]) -> bool:
    return isinstance(view, (functools.partial, MethodType))


def _refuse_no_view(view: object) -> None:
    if isinstance(view, type):
        raise TypeError(
            f"{view.__qualname__} is a class. Guard it with AuthenticatedMixin, or for "
            'keys AuthorizedMixin, with @method_decorator(the guard, name="dispatch"), '
            "or its as_view()."
        )
    if not callable(view):
        raise TypeError(f"{view!r} is no view. Write @{SESSION_FORM}.")
