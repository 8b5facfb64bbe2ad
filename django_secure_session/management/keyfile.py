"""Write key files so that a damaged or readable one never exists."""

from __future__ import annotations

import contextlib
import errno
import hmac
import os
import secrets
import shutil
from pathlib import Path
from typing import BinaryIO


class Conflict(Exception):
    """Someone else changes the file at the same time; the text says the way out."""


def write_new(path: Path, content: bytes) -> None:
    """Write a new file, mode 0600, that appears complete or not at all.

    The bytes are synced to a hidden file beside it first: on a full disk a write may
    report nothing until then. A hard link then gives it its name, which, unlike a
    rename, fails if anything, be it a dangling symlink, has that name.
    Raise OSError, FileExistsError among them; then nothing is left behind.
    """
    temporary = _beside(path, secrets.token_hex(8))
    new_file = _create(temporary)
    try:
        with new_file:
            temporary.chmod(0o600)  # whatever the umask took away
            _write(new_file, content)
        os.link(temporary, path, follow_symlinks=False)
    finally:
        temporary.unlink()
    _sync_directory(path.parent)


def replace(path: Path, old: bytes, new: bytes) -> None:
    """Replace the content *old* of a file, which stays whole until the new one is.

    A symlink is followed, and stays. Owner, group, mode and, where the system can copy
    them, access lists stay too: the site must be able to read the file afterwards.
    The hidden file beside it, which becomes the new one, also serves as the lock: only
    one process can create it, and the rename releases it. Unlike a lock on an open
    file this holds between hosts that share a directory.
    Raise Conflict if that or another content than *old* is there, or OSError; then the
    file is as it was.
    """
    target = Path(os.path.realpath(path))
    temporary = _beside(target, "lock")
    try:
        new_file = _create(temporary)
    except FileExistsError:
        raise Conflict(
            f"{temporary} exists: another process is changing the file, or one was "
            "interrupted. Try again; if nobody is at it, remove that file first."
        ) from None
    try:
        with new_file:
            _refuse_other_content(target, old)
            _make_alike(temporary, target)
            _write(new_file, new)
        temporary.replace(target)
    except BaseException:
        temporary.unlink()
        raise
    _sync_directory(target.parent)


def _beside(path: Path, suffix: str) -> Path:
    """Return the name of a hidden file in the same directory."""
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return path.with_name(f".{path.name}.{suffix}")


def _create(path: Path) -> BinaryIO:
    """Open a new file that only its owner can read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _write(file: BinaryIO, content: bytes) -> None:
    """Write so that the content is on the disk afterwards."""
    file.write(content)
    file.flush()
    os.fsync(file.fileno())


def _refuse_other_content(path: Path, expected: bytes) -> None:
    if not hmac.compare_digest(path.read_bytes(), expected):
        raise Conflict("The file has changed at this moment. Look at it and try again.")


def _make_alike(path: Path, model: Path) -> None:
    """Give a file, still empty, the owner, group, mode and attributes of another.

    Without its owner or group the site might be locked out of its own keys, or others
    let in, so that is an error.
    """
    wanted, given = model.stat(), path.stat()
    if (wanted.st_uid, wanted.st_gid) != (given.st_uid, given.st_gid):
        os.chown(path, wanted.st_uid, wanted.st_gid)
    shutil.copystat(model, path)


def _sync_directory(directory: Path) -> None:
    """Make the new name itself survive a power cut, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
