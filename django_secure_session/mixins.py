"""Guards for class-based views, where Django has LoginRequiredMixin."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta
from difflib import get_close_matches
from itertools import chain
from typing import Any, ClassVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.generic import View

from django_secure_session.decorators import Guard, authenticated, authorized
from django_secure_session.guards.routes import guards_of, mark


class GuardMixin(View):
    """What the mixins share. A subclass says in ``get_guard()`` what it wants."""

    #: The guard that as_view() has put around the view; None where it has not.
    _guard: Guard | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse wrong attributes, and a class whose guard would not count."""
        super().__init_subclass__(**kwargs)
        _refuse_other_first(cls)
        _refuse_two(cls)
        _refuse_unasked(cls)
        cls.__new__(cls).get_guard()

    def get_guard(self) -> Guard:
        """Return what the view wants. Raise TypeError for wrong attributes.

        It is asked when the class is made and in ``as_view()``, before any request.
        """
        raise NotImplementedError

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """Return the view, guarded as a whole: nothing of it runs before."""
        guard = cls(**initkwargs).get_guard()
        view = super().as_view(**{**initkwargs, "_guard": guard})
        others = [guards_of(vars(base).get("dispatch")) for base in cls.__mro__]
        mark(view, chain.from_iterable(others))
        return guard(view)

    def dispatch(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        """Let the request in, or answer it, where no view of as_view() has done so."""
        inner = super().dispatch
        view = self.get_guard()(inner) if self._guard is None else inner
        return view(request, *args, **kwargs)


def _refuse_other_first(cls: type[GuardMixin]) -> None:
    first = next(base for base in cls.__mro__ if "dispatch" in vars(base))
    if issubclass(first, View) and not issubclass(first, GuardMixin):
        raise TypeError(
            f"{cls.__qualname__}: {first.__qualname__} stands before the guard and may "
            "pass it by. Name the mixin first: "
            "class Report(AuthenticatedMixin, View)."
        )


def _refuse_two(cls: type[GuardMixin]) -> None:
    kinds = [base for base in cls.__mro__ if GuardMixin in base.__bases__]
    speaker = next(base for base in cls.__mro__ if "get_guard" in vars(base))
    if len(kinds) > 1 and not all(issubclass(speaker, kind) for kind in kinds):
        raise TypeError(
            f"{cls.__qualname__} has two guards, and one would be forgotten. Decorate "
            "the class: @method_decorator(any_of(authenticated, authorized), "
            'name="dispatch").'
        )


def _refuse_unasked(cls: type[GuardMixin]) -> None:
    """Refuse an option that nobody asks for: another mixin's, or a slip of the pen."""
    speaker = next(base for base in cls.__mro__ if "get_guard" in vars(base))
    if GuardMixin not in speaker.__bases__:
        return  # a get_guard() of its own knows what it reads
    own = _options(speaker)
    others = {name for kind in GuardMixin.__subclasses__() for name in _options(kind)}
    for name in set(_options(cls)).difference(own):
        if name in others or get_close_matches(name, own, cutoff=0.9):
            raise TypeError(
                f"{cls.__qualname__} has {name}, which {speaker.__qualname__} does not "
                f"ask for; it asks for {', '.join(own)}."
            )


def _options(cls: type) -> list[str]:
    return [name for name in dir(cls) if name.startswith("required_")]


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
