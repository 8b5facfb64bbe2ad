"""The sessions that the benchmarks seal: what Django sites keep, always the same.

The realistic set mixes what compresses (key names, English) with what does not (the
log-in's hash, tokens, ids) as real sessions do. In the repetitive set the same few
words come again and again; that favours an engine that compresses.
"""

from __future__ import annotations

import hashlib
import json
import string
from typing import Any

Session = dict[str, Any]

_LETTERS_AND_DIGITS = string.ascii_letters + string.digits


def realistic() -> dict[str, Session]:
    """Return sessions of about 230 B, 1 kB and 2.8 kB of JSON."""
    shop = _log_in() | _shop()
    return {"log-in": _log_in(), "shop": shop, "wizard": shop | _wizard()}


def repetitive() -> dict[str, Session]:
    """Return sessions of the same sizes that hold little but repetition."""
    return {
        "log-in": _numbered_lines(6),
        "shop": _numbered_lines(28),
        "wizard": _numbered_lines(80),
    }


def json_bytes(session: Session) -> bytes:
    """Return its JSON as Django's serializer writes it."""
    return json.dumps(session, separators=(",", ":")).encode()


def _random_text(label: str, length: int, alphabet: str = _LETTERS_AND_DIGITS) -> str:
    """Return text that no compression shortens by more than its alphabet allows."""
    stream = hashlib.shake_256(label.encode()).digest(length)
    return "".join(alphabet[byte % len(alphabet)] for byte in stream)


def _log_in() -> Session:
    """Return what log-in and CSRF_USE_SESSIONS leave, and the chosen language."""
    return {
        "_auth_user_id": "48213",
        "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
        "_auth_user_hash": hashlib.sha256(b"password hash").hexdigest(),
        "_csrftoken": _random_text("csrf", 32),
        "lang": "en",
    }


def _shop() -> Session:
    """Return a cart, what was looked at and a message that waits to be shown."""
    names = (
        "Merino crew-neck jumper, navy, M",
        "Enamel coffee pot 0.8 l",
        "Field notes, dotted, pack of 3",
        "Linen tea towels, set of 2, clay",
        "USB-C charger 65 W",
    )
    prices, quantities = ("89.00", "34.50", "12.95", "18.00", "29.99"), (1, 1, 2, 3, 1)
    return {
        "cart": [
            {"sku": _sku(name), "name": name, "qty": quantity, "price": price}
            for name, price, quantity in zip(names, prices, quantities, strict=True)
        ],
        "recent": [int(_random_text(f"seen{i}", 5, "123456789")) for i in range(12)],
        "cart_id": _uuid("cart"),
        "_messages": json.dumps(
            [["__json_message", 0, 25, "“USB-C charger 65 W” is in your cart.", ""]]
        ),
        "referrer": f"/c/kitchen/?page=3&gclid={_random_text('click', 48)}",
        "tz": "Europe/Lisbon",
    }


def _wizard() -> Session:
    """Return the half-filled form of someone who asks for a return."""
    return {
        "wizard_return_request": {
            "step": "details",
            "step_data": {
                "order": {
                    "csrfmiddlewaretoken": [_random_text("form", 64)],
                    "return_request-current_step": ["order"],
                    "order-number": ["R-20931-7745"],
                    "order-email": ["h.okonkwo-larsen@example.org"],
                    "order-phone": ["+351 21 555 01 78"],
                },
                "details": {"details-reason": ["damaged"], "details-text": [_PROSE]},
            },
            "step_files": {"order": {}, "details": {}},
            "extra_data": {"draft": _uuid("draft"), "photo": _uuid("photo")},
        },
        "address": {
            "name": "Hanne Okonkwo-Larsen",
            "lines": ["Rua da Boavista 112, 3.º Esq.", "1200-069 Lisboa"],
            "country": "PT",
            "vat": None,
            "geo": [38.70928, -9.14541],
        },
        "filters": {"brand": [17, 402, 88], "in_stock": True, "sort": "-rating"},
        "experiments": {"checkout_v3": "b", "sticky_cart": "control", "hero": "a"},
        "last_seen": "2025-11-21T08:26:43.518207+00:00",
        "device": _uuid("device"),
        "next": "/account/returns/",
    }


_PROSE = """\
Hello, the coffee pot from my last order came with a chip on the rim, about the size
of a fingernail, and a hairline crack runs from it towards the handle. The box itself
looked fine from outside, so I guess it was packed that way; there was only one sheet
of paper between the pot and the lid. I'd rather have the same colour again than my
money back, unless it is out of stock until spring. In that case please send the cream
one, or the smaller one in green if the cream has gone too. I've thrown away the outer
carton but still have everything else.

My neighbour at number 114 can take the parcel on weekdays after four. Could you also
say whether the return label works at any post office? The nearest one to me closed in
May, and the next is across the river, which is a long way with a parcel under one arm
and a dog on the other. Thanks a lot!
"""


def _numbered_lines(count: int) -> Session:
    return {
        "cart_items": [
            {"id": 10_000 + i, "name": "item", "qty": 1} for i in range(count)
        ]
    }


def _sku(name: str) -> str:
    return _random_text(name, 8, string.ascii_uppercase + string.digits)


def _uuid(label: str) -> str:
    digits = hashlib.sha256(label.encode()).hexdigest()
    return "-".join(
        (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32])
    )
