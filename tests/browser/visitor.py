"""A person at a browser, and the addresses such a person goes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Response


class Site(NamedTuple):
    """The same site at the addresses that the tests need."""

    app: str  # https://app.example.test, where visitors go by default
    app_over_http: str
    sibling: str  # another subdomain of example.test, where anybody may be
    stranger: str  # two that share no domain with the others
    other_stranger: str
    localhost: str  # http://localhost


class Visitor:
    """A browser with cookies of its own and one tab."""

    def __init__(self, context: BrowserContext, site: Site) -> None:
        self.context = context
        self.site = site
        self.page = context.new_page()

    # Going to pages

    def get(self, path: str, origin: str = "") -> str:
        """Go to a page and return its text."""
        return text_of(self.page.goto((origin or self.site.app) + path))

    def reload(self) -> str:
        return text_of(self.page.reload())

    def log_in(self, username: str) -> None:
        assert self.get(f"/log-in/?username={username}") == username

    def log_out(self) -> None:
        self.get("/log-out/")

    def who(self) -> str:
        """Return whom the site takes the visitor for, "" for nobody."""
        return self.get("/who/")

    def visit_sibling(self, *, that_sets: str) -> None:
        """Visit a page of the sibling that has this Set-Cookie header."""
        self.get(f"/set-cookie/?{urlencode({'cookie': that_sets})}", self.site.sibling)

    # Cookies

    def cookies(self, name: str = "") -> list[dict[str, Any]]:
        """Return the stored cookies, but for Django's CSRF cookie."""
        found = [dict(cookie) for cookie in self.context.cookies()]
        return [
            c for c in found if c["name"] != "csrftoken" and name in ("", c["name"])
        ]

    def cookie(self, name: str) -> dict[str, Any]:
        """Return the only cookie of a name."""
        (cookie,) = self.cookies(name)
        return cookie

    def names(self) -> list[str]:
        """Return the names of the stored cookies."""
        return sorted(cookie["name"] for cookie in self.cookies())

    def sent(self) -> list[str]:
        """Return the names of the cookies that come with a request."""
        pairs = self.get("/echo/").split("; ")
        return sorted(pair.partition("=")[0] for pair in pairs if pair)


def text_of(response: Response | None) -> str:
    assert response is not None
    assert response.ok, response.status
    return response.text()
