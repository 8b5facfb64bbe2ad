"""Run the tests on every supported Python with its Django, then join their coverage.

``python scripts/matrix.py`` runs this project's tests, ``python scripts/matrix.py
upstream`` Django's own, and ``all`` both, which keeps all cores busy. Interpreters are
looked for on PATH and below ~/.pyenv/versions; one that is missing is named loudly and
skipped.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

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


SUFFIXES = {"own": [""], "upstream": ["-upstream"], "all": ["", "-upstream"]}


def main(tests: str = "own") -> None:
    """Run tox for the interpreters found, and report what their tests cover."""
    found = {version: find_interpreter(version) for version in CELLS}
    paths = {version: path for version, path in found.items() if path}
    for version in found.keys() - paths.keys():
        print(f"!!! Python {version} NOT FOUND: {CELLS[version]} is not tested !!!")
    suffixes = SUFFIXES[tests]
    cells = [CELLS[version] + suffix for suffix in suffixes for version in paths]
    # As many at a time as there are cores; what one says is shown when it ends badly.
    how = ["run-parallel", "--parallel", "auto", "--parallel-no-spinner"]
    tox = ["tox", *how, "-e", ",".join(cells), "--discover", *paths.values()]
    if "" not in suffixes:
        run(*tox)
        return
    run("coverage", "erase")
    run(*tox)
    run("coverage", "combine", "--quiet")
    # Code for one version is covered there only, so all is asked of all together.
    complete = paths.keys() == found.keys()
    run("coverage", "report", "--fail-under", "100" if complete else "0")


if __name__ == "__main__":
    main(*sys.argv[1:])
