"""What is sealed beside the session dict, and when it makes a token too old."""

from __future__ import annotations

from typing import NamedTuple

from django_secure_session.exceptions import BadToken

MAX_CLOCK_SKEW = 60  # seconds that the clocks of two hosts may be apart
U32_MAX = 0xFFFFFFFF  # times stop in the year 2106

ENDS_WITH_BROWSER = 1
COMPRESSED = 2  # the body is zlib-compressed
POINTER = 4  # the body names an entry of the cache
FIXED_DATE = 8  # `expires` is a date that saving does not move
KNOWN_FLAGS = ENDS_WITH_BROWSER | COMPRESSED | POINTER | FIXED_DATE


class Lifetime(NamedTuple):
    """The site's policy of today, in seconds.

    ``age`` counts from the last save and gives way to a custom lifetime; ``absolute``
    counts from ``created`` and never does. ``idle`` tells whether ``age`` is an idle
    timeout, for the reason alone.
    """

    age: int
    absolute: int | None = None
    idle: bool = False


class Metadata(NamedTuple):
    """What is sealed beside the session dict; times are Unix seconds.

    ``age`` is a custom lifetime in seconds counted from the last save, 0 for the
    site's policy.
    """

    sid: bytes
    created: int
    issued: int
    expires: int
    age: int = 0
    flags: int = 0

    def deadline(self, lifetime: Lifetime) -> int:
        """Return when the session dies under the site's policy of today.

        So shortening a timeout takes effect at once, also for cookies that are out.
        """
        _, created, issued, deadline, own_age, flags = self
        age, absolute, _ = lifetime
        if not own_age and not flags & FIXED_DATE and issued + age < deadline:
            deadline = issued + age
        if absolute is not None and created + absolute < deadline:
            deadline = created + absolute
        return deadline

    def ends_at_date(self) -> bool:
        """Tell whether saving does not move the end: set_expiry() was given a date."""
        return bool(self.flags & FIXED_DATE)


def check_times(metadata: Metadata, now: int, lifetime: Lifetime) -> None:
    """Raise BadToken ``future``, ``idle`` or ``expired``. The deadline is too late."""
    if metadata.issued > now + MAX_CLOCK_SKEW:
        raise BadToken("future")
    if now >= metadata.deadline(lifetime):
        raise BadToken("idle" if _was_idle(metadata, now, lifetime) else "expired")


def _was_idle(metadata: Metadata, now: int, lifetime: Lifetime) -> bool:
    """Tell whether a dead session died of the site's IDLE_TIMEOUT."""
    custom = metadata.age or metadata.ends_at_date()
    absolute = lifetime.absolute
    too_old = absolute is not None and now >= metadata.created + absolute
    return lifetime.idle and not custom and not too_old
