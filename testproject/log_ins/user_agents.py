"""A few plain words for what a browser says of itself."""

from __future__ import annotations

# What stands in the text, and what it is called. The first that is found counts: Edge
# and Opera say "Chrome" too, and all of these but Firefox say "Safari".
BROWSERS = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("Python", "A Python program"),
]
# Android says "Linux" too, and iOS "Mac OS X".
SYSTEMS = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
]


def in_words(user_agent: str) -> str:
    """Return browser and system, as far as the few names above go; it guesses none."""
    browser = _first(BROWSERS, user_agent) or "Unknown browser"
    system = _first(SYSTEMS, user_agent)
    return f"{browser} on {system}" if system else browser


def _first(names: list[tuple[str, str]], text: str) -> str:
    return next((name for part, name in names if part in text), "")
