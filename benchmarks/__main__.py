"""Run the benchmarks: ``python -m benchmarks [name] [options]``; see PARTS."""

from __future__ import annotations

import sys

import benchmarks.api_keys.__main__
import benchmarks.codec.__main__
import benchmarks.guards.__main__
import benchmarks.registry.__main__
import benchmarks.requests.__main__

PARTS = {
    "codec": benchmarks.codec.__main__.main,
    "requests": benchmarks.requests.__main__.main,
    "guards": benchmarks.guards.__main__.main,
    "api_keys": benchmarks.api_keys.__main__.main,
    "registry": benchmarks.registry.__main__.main,
}


def main() -> None:
    """Run the part that is named first, or all; the options go to each."""
    arguments = sys.argv[1:]
    named = [arguments.pop(0)] if arguments and arguments[0] in PARTS else PARTS
    for name in named:
        print(f"\n=== {name}\n", flush=True)
        PARTS[name](arguments)


if __name__ == "__main__":
    main()
