"""``manage.py guards``: each URL with its guard."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_secure_session import conf
from django_secure_session.guards.routes import Route, routes

DJANGO_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"
NONE = "-"


class Line(NamedTuple):
    """What is printed of a URL; where a *guard* is NONE everybody is let in."""

    path: str
    guard: str
    view: str

    @property
    def is_open(self) -> bool:
        """Whether a method has no guard."""
        return NONE in self.guard.replace(": ", "; ").split("; ")

    def is_below(self, prefixes: list[str]) -> bool:
        """Tell whether the path, or a regular expression for it, begins so."""
        path = re.sub(r"[\^$]|\\[AZ]|\\(?=\W)", "", self.path)
        return path.startswith(tuple(f"/{prefix.lstrip('/')}" for prefix in prefixes))


class Command(BaseCommand):
    """Print each URL with its guard, and fail for those that should have one."""

    help = (
        "Lists each URL with the guard on its view. A guard inside a view, such as "
        "request.authenticated(), can't be seen from outside."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--fail-unguarded",
            metavar="PREFIX",
            action="append",
            default=[],
            help="end with status 1 if a view below this path has no guard and is not "
            "@public; may be given several times",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the table."""
        default = _default_guard()
        lines = [Line(r.path, _guard(r, default), _name(r.view)) for r in routes()]
        for cells in _aligned(lines):
            self.stdout.write("  ".join(cells).rstrip())
        prefixes = options["fail_unguarded"]
        unguarded = [x.path for x in lines if x.is_open and x.is_below(prefixes)]
        if unguarded:
            raise CommandError("Without a guard: " + ", ".join(unguarded))


def _aligned(lines: list[Line]) -> Iterator[list[str]]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]


def _default_guard() -> str:
    """Return what guards the views that have no guard of their own."""
    names = [name for names in conf.middleware_names() for name in names]
    if conf.ACCOUNT_REQUIRED_CLASS in names:
        return "authenticated (AccountRequiredMiddleware)"
    return "log-in (LoginRequiredMiddleware)" if DJANGO_REQUIRED in names else NONE


def _guard(route: Route, default: str) -> str:
    """Return what guards a view, and what guards which of its methods."""
    whole = _text(route.guards) if route.guards else default
    if not route.guards and not getattr(route.view, "login_required", True):
        whole = "public (login_not_required)"
    methods = route.method_guards
    if route.guards:
        own = [f"{name}: {_text(guards)}" for name, guards in methods.items() if guards]
        return "; ".join([whole, *own])
    own = [f"{name}: {_text(guards) or whole}" for name, guards in methods.items()]
    return "; ".join(own) or whole


def _text(guards: Iterable[object]) -> str:
    return " + ".join(map(str, guards))


def _name(view: Callable[..., Any]) -> str:
    named = getattr(view, "view_class", inspect.unwrap(view))
    own = getattr(named, "__qualname__", None)
    kind = named if own else type(named)
    return f"{kind.__module__}.{own or kind.__qualname__}"
