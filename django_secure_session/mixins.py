"""Guards for class-based views, where Django has LoginRequiredMixin."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta
from itertools import chain
from typing import Any, ClassVar

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.generic import View

from django_secure_session.decorators import Guard, authenticated, authorized
from django_secure_session.guards.routes import guards_of, mark
from django_secure_session.guards.wrapping import aguarded, guarded


class GuardMixin(View):
    """What the mixins share. A subclass says in ``get_guard()`` what it wants."""

    #: What get_guard() returned for the view, asked once in as_view().
    guard: Guard | None = None
    #: Whether what it guards is async, asked once too.
    is_async: bool | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse wrong attributes, and a class whose guard would not count."""
        super().__init_subclass__(**kwargs)
        _refuse_other_first(cls)
        _refuse_two(cls)
        cls.__new__(cls).get_guard()

    def get_guard(self) -> Guard:
        """Return what the view wants. Raise TypeError for wrong attributes.

        It is asked when the class is made and in ``as_view()``, before any request.
        """
        raise NotImplementedError

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """Return the view, marked as guarded."""
        guard = cls(**initkwargs).get_guard()
        known = {"guard": guard, "is_async": cls._is_async()}
        view = super().as_view(**{**initkwargs, **known})
        others = [guards_of(vars(base).get("dispatch")) for base in cls.__mro__]
        mark(view, [guard, *chain.from_iterable(others)])
        if guard.takes_keys:
            view.csrf_exempt = True  # type: ignore[attr-defined]
        return view

    def dispatch(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        """Let the request in, or answer it."""
        guard = self.guard or self.get_guard()
        is_async = self._is_async() if self.is_async is None else self.is_async
        # Not guard(...), which also does what only a URLconf looks at.
        wrapped = (aguarded if is_async else guarded)(super().dispatch, guard.policies)
        response: HttpResponseBase = wrapped(request, *args, **kwargs)
        return response

    @classmethod
    def _is_async(cls) -> bool:
        """Tell whether what the guard lets through to gives something to await."""
        return iscoroutinefunction(super().dispatch) or bool(cls.view_is_async)


def _refuse_other_first(cls: type[GuardMixin]) -> None:
    first = next(base for base in cls.__mro__ if "dispatch" in vars(base))
    if issubclass(first, View) and not issubclass(first, GuardMixin):
        raise TypeError(
            f"{cls.__qualname__}: {first.__qualname__} stands before the guard, which "
            "then guards nothing. Name the mixin first: "
            "class Report(AuthenticatedMixin, View)."
        )


def _refuse_two(cls: type[GuardMixin]) -> None:
    kinds = {base for base in cls.__mro__ if GuardMixin in base.__bases__}
    if len(kinds) > 1 and "get_guard" not in vars(cls):
        raise TypeError(
            f"{cls.__qualname__} has two guards, and one would be forgotten. Decorate "
            "the class: @method_decorator(any_of(authenticated, authorized), "
            'name="dispatch").'
        )


class AuthenticatedMixin(GuardMixin):
    """``@authenticated`` for a class: ``class Report(AuthenticatedMixin, View)``."""

    required_roles: ClassVar[Collection[str] | None] = None
    required_verified: ClassVar[bool] = False
    required_org: ClassVar[bool] = False
    required_fresh: ClassVar[timedelta | None] = None

    def get_guard(self) -> Guard:
        """Return what the attributes say."""
        return authenticated(
            roles=self.required_roles,
            verified=self.required_verified,
            org=self.required_org,
            fresh=self.required_fresh,
        )


class AuthorizedMixin(GuardMixin):
    """``@authorized`` for a class: ``class Report(AuthorizedMixin, View)``."""

    required_scopes: ClassVar[Collection[str] | None] = None

    def get_guard(self) -> Guard:
        """Return what the attribute says."""
        return authorized(scopes=self.required_scopes)
