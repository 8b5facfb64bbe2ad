"""The views of a URLconf, and the guards on them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

from django.core.signals import setting_changed
from django.urls import (
    NoReverseMatch,
    URLResolver,
    get_resolver,
    get_urlconf,
    reverse,
)

from django_secure_session.guards.policy import Policy

#: How the attributes of a guarded view begin that hold its guards. Each guard has one
#: of its own, because method_decorator copies attributes over each other.
GUARD = "secure_session_guard: "


class Route(NamedTuple):
    """A view in a URLconf; *path* is a pattern, and *name* has its namespaces."""

    path: str
    name: str
    view: Callable[..., Any]

    @property
    def guards(self) -> tuple[Any, ...]:
        """The guards of the view."""
        return guards_of(self.view)

    @property
    def method_guards(self) -> dict[str, tuple[Any, ...]]:
        """The guards on the methods of a class, if any of them has one."""
        view_class = getattr(self.view, "view_class", None)
        names = getattr(view_class, "http_method_names", ())
        methods = {name: getattr(view_class, name, None) for name in names}
        found = {name: guards_of(method) for name, method in methods.items() if method}
        if found.get("options") == ():
            del found["options"]  # Django's tells which methods there are
        return found if any(found.values()) else {}

    @property
    def policies(self) -> list[Policy]:
        """What the guards want, wherever they are; nothing for a public view."""
        guards = [*self.guards, *chain.from_iterable(self.method_guards.values())]
        return [policy for guard in guards for policy in policies_of(guard)]


def policies_of(guard: object) -> tuple[Policy, ...]:
    """Return what one guard wants."""
    policies: tuple[Policy, ...] = getattr(guard, "policies", ())
    return policies


def guards_of(view: object) -> tuple[Any, ...]:
    """Return the guards of a view, the outer first."""
    attributes = getattr(view, "__dict__", {})
    found = [attributes[name] for name in attributes if name.startswith(GUARD)]
    return tuple(reversed(found))


def mark(view: Any, guards: Iterable[Any]) -> None:
    """Note guards on a view, the inner first."""
    for guard in guards:
        setattr(view, f"{GUARD}{guard}", guard)
    # Django's LoginRequiredMiddleware leaves it to the guard.
    view.login_required = False


def routes(urlconf: str | None = None) -> Iterator[Route]:
    """Yield all views of a URLconf, the site's own by default."""
    yield from _below(get_resolver(urlconf), "/", (), ())


def _below(
    resolver: URLResolver, above: str, spaces: tuple[str, ...], parents: tuple[Any, ...]
) -> Iterator[Route]:
    tree: Any = resolver.urlconf_module
    tree = getattr(tree, "undecorated", tree)
    if any(tree is parent for parent in parents):
        return  # a tree may include itself
    for pattern in resolver.url_patterns:
        path = above + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = (*spaces, pattern.namespace) if pattern.namespace else spaces
            yield from _below(pattern, path, inner, (*parents, tree))
        else:
            name = ":".join((*spaces, pattern.name)) if pattern.name else ""
            yield Route(path, name, pattern.callback)


def reauthenticate_view() -> Any:
    """Return what reverses to the site's ReauthenticateView, None if nothing does.

    A request may have a URLconf of its own.
    """
    return _reauthenticate_view(get_urlconf())


@functools.lru_cache(64)
def _reauthenticate_view(urlconf: Any) -> Any:
    for route in routes(urlconf):
        # By what it says of itself, because this can't import ReauthenticateView.
        view_class = getattr(route.view, "view_class", None)
        if getattr(view_class, "confirms_who_it_is", False) and _reverses(route):
            return route.name or route.view
    return None


def _reverses(route: Route) -> bool:
    try:
        reverse(route.name or route.view)
    except NoReverseMatch:  # it wants arguments, or a name in its namespace
        return False
    return True


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "ROOT_URLCONF":
        _reauthenticate_view.cache_clear()


setting_changed.connect(_forget)
