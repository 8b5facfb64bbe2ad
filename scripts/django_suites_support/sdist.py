"""Bring the tests of exactly the Django that is installed; its wheel has none."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import django


def fetch_tests(cache: Path) -> Path:
    """Return the folder with the tests of the installed Django, below *cache*.

    A folder from an earlier run is used again if it holds the right version.
    """
    home = cache / f"django-{django.__version__}"
    if not _is_complete(home):
        shutil.rmtree(home, ignore_errors=True)
        _download_to(home)
    return home / "tests"


def _is_complete(home: Path) -> bool:
    try:
        lines = (home / "PKG-INFO").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return False
    right_version = f"Version: {django.__version__}" in lines
    return right_version and (home / "tests" / "runtests.py").is_file()


def _download_to(home: Path) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        archive = _download(Path(scratch))
        with tarfile.open(archive) as opened:
            opened.extractall(scratch, members=_wanted(opened), filter="data")
        (root,) = (path for path in Path(scratch).iterdir() if path.is_dir())
        if not _is_complete(root):
            sys.exit(f"{archive.name} does not hold Django {django.__version__}.")
        # Last and at once: a run that was stopped leaves no half a folder behind.
        root.rename(home)


def _download(folder: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        sys.exit(
            f"{sys.executable} has no pip, which downloads Django's tests; try "
            f"{sys.executable} -m ensurepip."
        )
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(folder)]
    what = ["--no-deps", "--no-binary", ":all:", f"django=={django.__version__}"]
    if subprocess.run([*pip, *what]).returncode:
        sys.exit(f"pip could not download the sdist of Django {django.__version__}.")
    (archive,) = folder.glob("*.tar.gz")
    return archive


def _wanted(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in archive:
        if member.name.partition("/")[2].startswith(("PKG-INFO", "tests/")):
            yield member
