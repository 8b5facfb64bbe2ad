"""The links at the top of every page; a new page adds a line here."""

from __future__ import annotations

from typing import NamedTuple

from django.http import HttpRequest
from django.urls import reverse

LINKS = [
    ("Shop", "shop:products"),
    ("Cart", "shop:cart"),
    ("Visits", "pages:visits"),
    ("Organisations", "organisations:list"),
    ("Guards", "guards:list"),
    ("API keys", "api_keys:list"),
    ("Sessions", "log_ins:list"),
    ("Thief", "thief:show"),
    ("Preferences", "preferences:edit"),
    ("Sizes", "sizes:show"),
    ("Cookies", "pages:cookies"),
]


class Link(NamedTuple):
    """A page; ``current`` if it is the one that is shown."""

    title: str
    name: str
    url: str
    current: bool


def navigation(request: HttpRequest) -> dict[str, list[Link]]:
    """Give every template the links."""
    match = request.resolver_match
    here = match.view_name if match else None
    return {
        "navigation": [
            Link(title, name, reverse(name), name == here) for title, name in LINKS
        ]
    }
