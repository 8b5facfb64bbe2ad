"""Measure guarded views against Django's ``@login_required``."""

from __future__ import annotations
