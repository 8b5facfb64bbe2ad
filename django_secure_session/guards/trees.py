"""Decorate whole trees of URLs: what ``include()`` returns."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from django.urls import URLPattern, URLResolver

Included = tuple[Any, str | None, str | None]
Decorator = Callable[[Any], Any]


def decorate_tree(included: tuple[Any, ...], decorate: Decorator) -> Included:
    """Return what include() returned with every view in it decorated.

    Raise TypeError for another tuple. The views are wrapped, so ``reverse()`` finds
    them by name and not by function.
    """
    if len(included) != 3 or not _is_urlconf(included[0]):
        raise TypeError(f'A guard takes include("..."), not {included!r}.')
    urlconf, app_name, namespace = included
    return DecoratedTree(urlconf, decorate), app_name, namespace


class DecoratedTree:
    """What stands for a URLconf in which every view is decorated."""

    def __init__(self, urlconf: Any, decorate: Decorator) -> None:
        self.undecorated = urlconf
        self._decorate = decorate

    @cached_property
    def urlpatterns(self) -> list[URLPattern | URLResolver]:
        """The patterns, decorated when they are needed: a tree may include itself."""
        patterns = getattr(self.undecorated, "urlpatterns", self.undecorated)
        return [_decorated(each, self._decorate) for each in patterns]


def _decorated(
    pattern: URLPattern | URLResolver, decorate: Decorator
) -> URLPattern | URLResolver:
    if isinstance(pattern, URLResolver):
        tree: Any = DecoratedTree(pattern.urlconf_module, decorate)
        return URLResolver(
            pattern.pattern,
            tree,
            pattern.default_kwargs,
            pattern.app_name,
            pattern.namespace,
        )
    return URLPattern(
        pattern.pattern, decorate(pattern.callback), pattern.default_args, pattern.name
    )


def _is_urlconf(value: Any) -> bool:
    # Looking into a tree would decorate it.
    is_tree = isinstance(value, (list, tuple, DecoratedTree))
    return is_tree or hasattr(value, "urlpatterns")
