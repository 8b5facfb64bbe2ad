"""Benchmarks, run by hand: nothing here is asserted in the test suite."""

from __future__ import annotations
