"""Measure sealing and opening against the signer of Django's signed_cookies."""

from __future__ import annotations
