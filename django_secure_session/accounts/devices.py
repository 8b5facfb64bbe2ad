"""Where a request comes from, for people who look at the list of their sessions."""

from __future__ import annotations

import ipaddress

from django.http import HttpRequest

from django_secure_session.protocols import Device

MAX_USER_AGENT = 255  # characters


def device_of(request: HttpRequest | None) -> Device:
    """Return what a request tells of where it comes from; none of it is proof.

    The address is the server's REMOTE_ADDR: anybody can send X-Forwarded-For.
    """
    sent = getattr(request, "META", {})  # what libraries send may be no request
    user_agent = str(sent.get("HTTP_USER_AGENT", ""))[:MAX_USER_AGENT]
    # PostgreSQL stores no NUL, and a terminal obeys control characters.
    printable = "".join(filter(str.isprintable, user_agent))
    return Device(_address(sent.get("REMOTE_ADDR", "")), printable)


def _address(text: object) -> str:
    # What follows "%" is the name of an interface, which may be anything.
    text = str(text).partition("%")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:  # as behind a server that listens on a socket of the file system
        return ""
