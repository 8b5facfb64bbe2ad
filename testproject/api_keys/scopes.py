"""What a key can be for; the views below /api/ name these."""

from __future__ import annotations

SCOPES = [
    ("invoices:read", "Read invoices"),
    ("invoices:write", "Make invoices"),
    ("team:read", "List members, as admin or owner"),
]
