"""Run every benchmark: ``python -m benchmarks``, with the options of the codec's."""

from __future__ import annotations

from benchmarks.codec.__main__ import main

main()
