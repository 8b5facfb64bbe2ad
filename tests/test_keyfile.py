from __future__ import annotations

import errno
import os
import secrets
import stat
from pathlib import Path

import pytest

from django_secure_session.management.keyfile import write_new

CONTENT = secrets.token_bytes(32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "session.key"


def no_space(*args: object, **kwargs: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_file_holds_the_content_and_nothing_stands_beside_it(path):
    write_new(path, CONTENT)

    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o277, 0o777], ids=oct)
def test_only_the_owner_can_read_and_write_it_whatever_the_umask(umask, path):
    before = os.umask(umask)
    try:
        write_new(path, CONTENT)
    finally:
        os.umask(before)

    assert oct(mode_of(path)) == "0o600"


def test_an_existing_file_is_left_alone(path):
    path.write_bytes(b"old")

    with pytest.raises(FileExistsError):
        write_new(path, CONTENT)

    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_a_symlink_is_not_followed(path):
    target = path.with_name("target")
    target.write_bytes(b"old")
    path.symlink_to(target)

    with pytest.raises(FileExistsError):
        write_new(path, CONTENT)

    assert target.read_bytes() == b"old"
    assert path.readlink() == target
    assert sorted(path.parent.iterdir()) == sorted([path, target])


def test_a_dangling_symlink_is_not_followed(path):
    target = path.with_name("target")
    path.symlink_to(target)

    with pytest.raises(FileExistsError):
        write_new(path, CONTENT)

    assert path.is_symlink()
    assert list(path.parent.iterdir()) == [path]


def test_a_directory_of_that_name_is_left_alone(path):
    path.mkdir()

    with pytest.raises(OSError, match="exists"):
        write_new(path, CONTENT)

    assert list(path.iterdir()) == []
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_directory_is_an_error(path):
    with pytest.raises(FileNotFoundError):
        write_new(path / "more" / "session.key", CONTENT)

    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("function", ["fsync", "link"])
def test_a_full_disk_leaves_nothing_behind(function, path, monkeypatch):
    monkeypatch.setattr(os, function, no_space)

    with pytest.raises(OSError, match="No space left"):
        write_new(path, CONTENT)

    assert list(path.parent.iterdir()) == []


def test_an_interruption_leaves_nothing_behind(path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)

    with pytest.raises(KeyboardInterrupt):
        write_new(path, CONTENT)

    assert list(path.parent.iterdir()) == []


def test_the_content_is_on_the_disk_before_the_name_appears(path, monkeypatch):
    steps: list[str] = []
    fsync, link = os.fsync, os.link

    def recording_fsync(descriptor):
        kind = "directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        steps.append(f"sync {kind}")
        fsync(descriptor)

    def recording_link(source, target, **options):
        assert source.read_bytes() == CONTENT
        assert mode_of(source) == 0o600
        assert not path.exists()
        steps.append("link")
        link(source, target, **options)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(os, "link", recording_link)

    write_new(path, CONTENT)

    assert steps == ["sync file", "link", "sync directory"]


def test_a_file_that_another_process_makes_meanwhile_is_left_alone(path, monkeypatch):
    fsync = os.fsync

    def overtaken(descriptor):
        path.write_bytes(b"theirs")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", overtaken)

    with pytest.raises(FileExistsError):
        write_new(path, CONTENT)

    assert path.read_bytes() == b"theirs"
    assert list(path.parent.iterdir()) == [path]


def test_a_system_that_cannot_sync_directories_still_gets_its_file(path, monkeypatch):
    fsync = os.fsync

    def only_files(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)

    write_new(path, CONTENT)

    assert path.read_bytes() == CONTENT


def test_a_system_that_cannot_open_directories_still_gets_its_file(path, monkeypatch):
    original = os.open

    def only_files(name, *arguments, **options):
        if Path(name).is_dir():
            raise PermissionError(errno.EACCES, "Permission denied")
        return original(name, *arguments, **options)

    monkeypatch.setattr(os, "open", only_files)

    write_new(path, CONTENT)

    assert path.read_bytes() == CONTENT


def test_a_relative_name_is_a_file_in_the_current_directory(path, monkeypatch):
    monkeypatch.chdir(path.parent)

    write_new(Path(path.name), CONTENT)

    assert path.read_bytes() == CONTENT
