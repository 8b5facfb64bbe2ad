"""Measure requests with API keys against what Django REST framework has for it."""

from __future__ import annotations
