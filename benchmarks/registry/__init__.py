"""Measure sessions that the registry knows against Django's engines with a store."""

from __future__ import annotations
