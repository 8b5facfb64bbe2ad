"""Measure whole requests in process, with each session engine and with none."""

from __future__ import annotations
