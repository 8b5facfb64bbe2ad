"""A session's part in one HTTP exchange, for SecureSessionMiddleware."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from django.contrib.sessions.backends.base import UpdateError
from django.core.exceptions import ImproperlyConfigured

from django_secure_session import conf
from django_secure_session.backends.choice import LEFT_ALONE
from django_secure_session.backends.registered import RegisteredSession
from django_secure_session.backends.reports import log_too_large
from django_secure_session.codec.metadata import ENDS_WITH_BROWSER
from django_secure_session.exceptions import SessionTooLarge

REFRESHES = 10  # in an idle timeout, at most


Reach = Literal["none", "old", "all"]


class CookieChange(NamedTuple):
    """What a response has to tell the browser.

    A *token* of None deletes the cookie. *reach* tells in which other forms its name
    has to go: in none, in those the site may have had before, or in all that come here.
    """

    token: str | None
    attributes: conf.CookieAttributes
    max_age: int | None
    reach: Reach


class ExchangedSession(RegisteredSession):
    """A session that knows the cookies it came in and those it will go in."""

    #: Whether accept() was called.
    has_accepted = False
    #: The tokens that came; None where nobody told, as for one that a view has made.
    _came: Sequence[str] | None = None
    _candidates: Sequence[str] = ()
    _options: dict[str, Any] | None = None
    _answering = False
    _was_ended = False
    #: Names of cache entries that the browser may still point to, until it hears.
    _superseded: tuple[bytes, ...] = ()

    def accept(self, tokens: Sequence[str]) -> None:
        """Take part in an exchange whose request brought these tokens."""
        self._options = self._options or {}
        self.has_accepted = self._takes_chunks = True
        self._came = tokens
        if len(tokens) > 1 and self._session_key in tokens:
            self._candidates = tokens

    def options(self, **attributes: Any) -> None:
        """Set attributes of the cookie in this response only, and send it.

        They are ``max_age`` (seconds, or None until the browser closes), ``path``,
        ``domain``, ``secure``, ``httponly``, ``samesite`` and ``partitioned``; how long
        the session lives is set_expiry()'s affair. Raise TypeError for others, and
        ValueError for what the cookie can't have.
        """
        if self._options is None and not _has_our_middleware():
            raise ImproperlyConfigured(
                f"session.options() needs {conf.SECURE_SESSION_MIDDLEWARE} in "
                "MIDDLEWARE, in the place of Django's."
            )
        unknown = attributes.keys() - {"max_age", *conf.ATTRIBUTES}
        if unknown:
            raise TypeError(
                f"options() has no {', '.join(sorted(unknown))}; it takes max_age, "
                f"{', '.join(sorted(conf.ATTRIBUTES))}."
            )
        options = {**(self._options or {}), **attributes}
        _refuse_wrong(self._config.cookie, options)
        self._options = options
        self.modified = True

    def is_empty(self) -> bool:
        """Tell whether there is no session, so that its cookie can go.

        A cookie that was refused for a reason to leave it alone is kept for that.
        """
        self.accessed = True  # so a response made from it is told to vary
        return self._is_empty()

    def _is_empty(self) -> bool:
        nothing = super().is_empty() and not self._claims
        return nothing and not self._leaves_cookie_alone()

    def _leaves_cookie_alone(self) -> bool:
        """Tell whether a refused cookie may be good again, or on another host.

        It stays until the site writes something in its place, or ends the session.
        """
        if self._rejection not in LEFT_ALONE or self._was_ended:
            return False
        return not self._loaded() and not self._claims

    def cookie_change(self) -> CookieChange | None:
        """Return what this response has to tell the browser, or None for nothing."""
        token: str | None = self._session_key
        if token is not None and not self._sealed_here:
            return None
        if token is None and (self._came == [] or not self._is_empty()):
            return None
        attributes = self._config.cookie
        if self._options:
            attributes = _with_options(attributes, self._options)
        reach = self._reach_of_change(ending=token is None)
        return CookieChange(token, attributes, self._max_age(), reach)

    def _reach_of_change(self, *, ending: bool) -> Reach:
        """Tell in which other forms the browser may have the cookie.

        Two sealed by us are in two forms, and a sibling host may have set one. The only
        one may be in an old form, if the site has changed the cookie's attributes;
        log-out has to reach that. But what no key of ours has sealed is left to the
        site on a common domain that it may belong to.
        """
        came = self._came or ()
        if len(came) < 2 and not ending:
            return "none"
        ours = sum(map(self._codec.knows, came))
        if ours > 1:
            return "all"
        return "old" if ending and ours == len(came) == 1 else "none"

    def _max_age(self) -> int | None:
        """Return the seconds that the browser keeps the cookie, None until it ends."""
        if self._options and "max_age" in self._options:
            max_age: int | None = self._options["max_age"]
            return max_age
        sealed = self._sealed
        if sealed is None or sealed.flags & ENDS_WITH_BROWSER:
            return None
        return sealed.expires - sealed.issued

    def save_for_response(self) -> None:
        """Save what this response has to bring, if anything."""
        if not (self.modified or self._config.acts_on_reads):
            return
        self._answering = True
        if self._has_to_be_read():
            self._loaded()
        if self._is_due():
            try:
                self.save()
            except SessionTooLarge as error:
                self._keep_as_it_was(error)
            except UpdateError:
                self._give_way()

    async def asave_for_response(self) -> None:
        """See :meth:`save_for_response`."""
        if not (self.modified or self._config.acts_on_reads):
            return
        self._answering = True
        if self._has_to_be_read():
            await self._aloaded()
        if self._is_due():
            try:
                await self.asave()
            except SessionTooLarge as error:
                self._keep_as_it_was(error)
            except UpdateError:
                self._give_way()

    def _give_way(self) -> None:
        """Send no cookie: another request has sent a newer one, or deleted it."""
        self._begin()
        self._session_key, self._session_cache = None, {}
        self._rejection = "revoked"

    def _is_final(self) -> bool:
        """Tell whether what is saved now is what the browser will have.

        What a view saves itself may be followed by an error, which sends no cookie.
        """
        return self._answering or self._options is None

    def _has_to_be_read(self) -> bool:
        """Tell whether only the content can say what the response needs."""
        if self._session_key is None or hasattr(self, "_session_cache"):
            return False
        return self.modified or self._config.save_every_request

    def _keep_as_it_was(self, error: SessionTooLarge) -> None:
        """Pass the error on only if the site has written something.

        Else a smaller PLACEMENT than before would break every page of its readers, and
        so would claims that grew when they were read again.
        """
        if self._is_renewed or not self._has_saved_data():
            raise error
        log_too_large(self._config.cookie_name, error)

    def _is_due(self) -> bool:
        if self.modified:
            # Logging in has sealed it already; unless it changed since, that is it.
            if self._sealed_here and self.is_saved() and self._is_settled():
                return False
            return not self._is_empty() and not self._leaves_cookie_alone()
        config = self._config
        if config.save_every_request:
            return self._session_key is not None
        idle = config.idle_timeout
        return idle is not None and self._needs_refresh(idle)

    def _is_settled(self) -> bool:
        """Tell whether no store has to hear of what the cookie will be."""
        return not self._superseded and self._is_noted()

    def _needs_refresh(self, idle_timeout: int) -> bool:
        """Tell whether the idle clock has run long enough to be set back.

        Not in each response: that would make none of them cacheable. A session that was
        not used in this request, or that ends at a fixed date, is never refreshed.
        """
        sealed = self._sealed
        if sealed is None or sealed.ends_at_date():
            return False
        return time.time() - sealed.issued > (sealed.age or idle_timeout) / REFRESHES


def _has_our_middleware() -> bool:
    stack = conf.middleware_names()
    return any(conf.SECURE_SESSION_MIDDLEWARE in names for names in stack)


def _with_options(
    cookie: conf.CookieAttributes, options: dict[str, Any]
) -> conf.CookieAttributes:
    attributes = {name: options[name] for name in options if name != "max_age"}
    return replace(cookie, **attributes) if attributes else cookie


def _refuse_wrong(cookie: conf.CookieAttributes, options: dict[str, Any]) -> None:
    max_age = options.get("max_age")
    if max_age is not None and (type(max_age) is not int or max_age < 0):
        raise ValueError("options(): max_age must be a number of seconds, or None")
    for attribute, must_be in _with_options(cookie, options).problems():
        raise ValueError(f"options(): {attribute} {must_be}")
