"""What the middleware answers itself."""

from __future__ import annotations

from django.http import HttpResponse

RETRY_AFTER = 5  # seconds that a client is told to wait for a store that is down


def too_large() -> HttpResponse:
    """Answer a header that nothing further in shall parse (RFC 6585 section 5)."""
    return HttpResponse(
        "The Cookie header is too large. Delete the cookies of this site.\n",
        status=431,
        headers={"Content-Type": "text/plain", "Cache-Control": "no-store"},
    )


def unavailable() -> HttpResponse:
    """Answer without a word on cookies: the session is there when the store is."""
    return HttpResponse(
        "This can't be answered at the moment. Try again soon.\n",
        status=503,
        headers={
            "Content-Type": "text/plain",
            "Cache-Control": "no-store",
            "Retry-After": str(RETRY_AFTER),
        },
    )
