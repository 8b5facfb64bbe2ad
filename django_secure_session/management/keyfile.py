"""Write key files so that a damaged or readable one never exists."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path


def write_new(path: Path, content: bytes) -> None:
    """Write a new file, mode 0600, that appears complete or not at all.

    The bytes are synced to a hidden file beside it first: on a full disk a write may
    report nothing until then. A hard link then gives it its name, which, unlike a
    rename, fails if anything, be it a dangling symlink, has that name.
    Raise OSError, FileExistsError among them; then nothing is left behind.
    """
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        temporary.chmod(0o600)  # whatever the umask took away
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.link(temporary, path, follow_symlinks=False)
    finally:
        temporary.unlink()
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    """Make the new name itself survive a power cut, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
