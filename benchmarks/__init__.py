"""Benchmarks, run by hand: the test suite asserts that they run, no figure."""

from __future__ import annotations
