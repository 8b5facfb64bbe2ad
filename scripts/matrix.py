"""Run the tests on every supported Python with its Django, then join their coverage.

``python scripts/matrix.py`` runs this project's tests, ``python scripts/matrix.py
upstream`` Django's own, and ``all`` both, which keeps all cores busy. Interpreters are
looked for on PATH and below ~/.pyenv/versions; one that is missing is named loudly and
skipped.

With ``--without-this`` this project's tests do not run on the Python and Django that
run the script. Who asks for that runs those otherwise, under coverage, and joins all
coverage with ``python scripts/matrix.py coverage`` afterwards.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import django

CELLS = {
    "3.11": "py311-django52",
    "3.12": "py312-django60",
    "3.13": "py313-django61",
}


def find_interpreter(version: str) -> str | None:
    """Return the path of a Python of this version."""
    installed = Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")
    candidates = [shutil.which(f"python{version}"), *map(str, sorted(installed))]
    return next((path for path in candidates if path and runs(path)), None)


def runs(path: str) -> bool:
    """Tell whether it starts; the shim of an inactive pyenv version does not."""
    return subprocess.run([path, "--version"], capture_output=True).returncode == 0


def run(*command: str) -> None:
    """Run a module's command with this Python; end if it fails."""
    status = subprocess.run([sys.executable, "-m", *command]).returncode
    if status:
        sys.exit(status)


def this_cell() -> str:
    """Return the name that the Python and Django running this have, or would have."""
    (python, minor), version = sys.version_info[:2], django.VERSION
    return f"py{python}{minor}-django{version[0]}{version[1]}"


def run_tox(cells: list[str], interpreters: list[str]) -> None:
    """Run cells, as many at a time as there are cores; show what ends badly."""
    how = ["run-parallel", "--parallel", "auto", "--parallel-no-spinner"]
    run("tox", *how, "-e", ",".join(cells), "--discover", *interpreters)


def join_coverage(required: int) -> None:
    """Join the coverage of the cells: code for one version is covered there only."""
    run("coverage", "combine", "--quiet")
    run("coverage", "report", "--fail-under", str(required))


SUFFIXES = {"own": [""], "upstream": ["-upstream"], "all": ["", "-upstream"]}


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = [*SUFFIXES, "coverage"]
    parser.add_argument("tests", nargs="?", default="own", choices=what)
    parser.add_argument("--without-this", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Run tox for the interpreters found, and report what their tests cover."""
    asked = arguments()
    found = {version: find_interpreter(version) for version in CELLS}
    paths = {version: path for version, path in found.items() if path}
    for version in found.keys() - paths.keys():
        print(f"!!! Python {version} NOT FOUND: {CELLS[version]} is not tested !!!")
    required = 100 if paths.keys() == found.keys() else 0
    if asked.tests == "coverage":
        join_coverage(required)
        return
    suffixes = SUFFIXES[asked.tests]
    cells = [CELLS[version] + suffix for suffix in suffixes for version in paths]
    if asked.without_this and this_cell() in cells:
        print(f"{this_cell()} is left out: its tests have to run elsewhere")
        cells = [cell for cell in cells if cell != this_cell()]
    is_all_of_ours = "" in suffixes and not asked.without_this
    if is_all_of_ours:
        run("coverage", "erase")
    run_tox(cells, [*paths.values()])
    if is_all_of_ours:
        join_coverage(required)


if __name__ == "__main__":
    main()
