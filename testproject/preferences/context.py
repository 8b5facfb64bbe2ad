"""The preferences, for every template and view."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

DEFAULTS = {"theme": "auto", "per_page": 6}


def preferences(request: HttpRequest) -> dict[str, dict[str, Any]]:
    """Give every template the preferences; who has none gets the defaults."""
    session = request.prefs_session
    return {
        "preferences": {name: session.get(name, DEFAULTS[name]) for name in DEFAULTS}
    }
