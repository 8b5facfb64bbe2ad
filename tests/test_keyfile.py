from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from pathlib import Path

import pytest

from django_secure_session.management.keyfile import Conflict, replace, write_new

CONTENT = secrets.token_bytes(32)
OLD = secrets.token_bytes(32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "session.key"


def no_space(*args: object, **kwargs: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def files_in(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


# A new file


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


# In the place of an old file


@pytest.fixture
def old(path: Path) -> Path:
    path.write_bytes(OLD)
    path.chmod(0o600)
    return path


def test_the_new_content_replaces_the_old(old):
    replace(old, OLD, CONTENT)

    assert files_in(old.parent) == {old.name: CONTENT}


def test_a_reader_keeps_the_whole_old_file(old):
    with old.open("rb") as reader:
        replace(old, OLD, CONTENT)

        assert reader.read() == OLD


@pytest.mark.parametrize("umask", [0, 0o077, 0o777], ids=oct)
@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640, 0o664], ids=oct)
def test_the_mode_stays_whatever_the_umask(mode, umask, old):
    old.chmod(mode)
    before = os.umask(umask)
    try:
        replace(old, OLD, CONTENT)
    finally:
        os.umask(before)

    assert oct(mode_of(old)) == oct(mode)


def test_the_time_of_the_change_is_new(old):
    os.utime(old, (0, 0))

    replace(old, OLD, CONTENT)

    assert old.stat().st_mtime > 0  # or what copies changed files would skip it


def test_extended_attributes_such_as_access_lists_stay(old):
    try:
        os.setxattr(old, "user.note", b"kept")
    except (AttributeError, OSError):
        pytest.skip("this file system has no extended attributes")

    replace(old, OLD, CONTENT)

    assert os.getxattr(old, "user.note") == b"kept"


class Owned:
    """Makes it look as if the old file were somebody else's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, old: Path) -> None:
        self.given: list[tuple] = []
        self.content_then: list[bytes] = []
        original = Path.stat

        def stat_of(path, **options):
            result = original(path, **options)
            if path != old:
                return result
            return os.stat_result([*result[:4], 1234, 5678, *result[6:]])

        monkeypatch.setattr(Path, "stat", stat_of)
        monkeypatch.setattr(os, "chown", self.chown, raising=False)

    def chown(self, path, uid, gid):
        self.content_then.append(path.read_bytes())
        self.given.append((uid, gid))


def test_owner_and_group_stay(old, monkeypatch):
    owned = Owned(monkeypatch, old)

    replace(old, OLD, CONTENT)

    assert owned.given == [(1234, 5678)]
    assert owned.content_then == [b""]  # nobody reads keys in between


def test_own_files_need_no_change_of_owner(old, monkeypatch):
    monkeypatch.delattr(os, "chown", raising=False)

    replace(old, OLD, CONTENT)

    assert old.read_bytes() == CONTENT


def test_a_file_whose_owner_would_change_is_left_alone(old, monkeypatch):
    Owned(monkeypatch, old)

    def not_permitted(*args):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "chown", not_permitted)

    with pytest.raises(PermissionError):
        replace(old, OLD, CONTENT)

    assert files_in(old.parent) == {old.name: OLD}


@pytest.mark.parametrize(
    ("module", "function"),
    [(os, "fsync"), (shutil, "copystat"), (Path, "replace"), (Path, "stat")],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_a_full_disk_leaves_the_old_file(module, function, old, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(module, function, no_space)

        with pytest.raises(OSError, match="No space left"):
            replace(old, OLD, CONTENT)

    assert files_in(old.parent) == {old.name: OLD}


def test_an_interruption_leaves_the_old_file(old, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)

    with pytest.raises(KeyboardInterrupt):
        replace(old, OLD, CONTENT)

    assert files_in(old.parent) == {old.name: OLD}


def test_the_new_content_is_on_the_disk_before_it_has_the_name(old, monkeypatch):
    steps: list[str] = []
    fsync, rename = os.fsync, Path.replace

    def recording_fsync(descriptor):
        found = os.fstat(descriptor)
        steps.append(
            "sync directory"
            if stat.S_ISDIR(found.st_mode)
            else f"sync {found.st_size} bytes, {stat.S_IMODE(found.st_mode):o}"
        )
        fsync(descriptor)

    def recording_rename(source, target):
        assert old.read_bytes() == OLD
        assert source.read_bytes() == CONTENT
        steps.append("rename")
        return rename(source, target)

    old.chmod(0o640)
    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(Path, "replace", recording_rename)

    replace(old, OLD, CONTENT)

    assert steps == ["sync 32 bytes, 640", "rename", "sync directory"]


def test_nobody_else_reads_the_hidden_file_of_a_private_one(old, monkeypatch):
    modes: list[str] = []
    create, copystat = os.open, shutil.copystat

    def recording(name, *arguments, **options):
        descriptor = create(name, *arguments, **options)
        modes.append(oct(stat.S_IMODE(os.fstat(descriptor).st_mode)))
        return descriptor

    def recording_copystat(source, target):
        copystat(source, target)
        modes.append(oct(mode_of(target)))

    monkeypatch.setattr(os, "open", recording)
    monkeypatch.setattr(shutil, "copystat", recording_copystat)
    before = os.umask(0)
    try:
        replace(old, OLD, CONTENT)
    finally:
        os.umask(before)

    assert modes[:2] == ["0o600", "0o600"]


def test_only_one_process_can_change_a_file_at_a_time(old, monkeypatch):
    fsync = os.fsync
    refused: list[str] = []

    def overtaken(descriptor):
        with pytest.raises(Conflict) as caught:
            replace(old, OLD, b"theirs")
        refused.append(str(caught.value))
        monkeypatch.setattr(os, "fsync", fsync)

    monkeypatch.setattr(os, "fsync", overtaken)

    replace(old, OLD, CONTENT)

    (text,) = refused
    assert "another process is changing the file" in text
    assert files_in(old.parent) == {old.name: CONTENT}


def test_a_lock_that_an_interrupted_process_left_is_named_and_stays(old):
    lock = old.with_name(f".{old.name}.lock")
    lock.write_bytes(b"theirs")

    with pytest.raises(Conflict, match=r"\.session\.key\.lock exists: .* remove that"):
        replace(old, OLD, CONTENT)

    assert files_in(old.parent) == {old.name: OLD, lock.name: b"theirs"}


def test_the_lock_is_free_again_after_each_change(old):
    replace(old, OLD, CONTENT)
    replace(old, CONTENT, OLD)

    assert files_in(old.parent) == {old.name: OLD}


@pytest.mark.parametrize("content", [b"", OLD[:-1], OLD + b"\n", CONTENT])
def test_what_someone_else_has_written_is_left_alone(content, old):
    old.write_bytes(content)

    with pytest.raises(Conflict, match="has changed"):
        replace(old, OLD, secrets.token_bytes(32))

    assert files_in(old.parent) == {old.name: content}


@pytest.mark.parametrize("relative", [False, True])
def test_the_file_behind_a_symlink_is_replaced_and_the_link_stays(relative, old):
    folder = old.with_name("mounted")
    folder.mkdir()
    link, second = folder / "a", folder / "b"
    link.symlink_to(Path("..", old.name) if relative else old)
    second.symlink_to(link)

    replace(second, OLD, CONTENT)

    assert old.read_bytes() == CONTENT
    assert (link.is_symlink(), second.is_symlink()) == (True, True)
    assert sorted(folder.iterdir()) == [link, second]
    assert sorted(old.parent.iterdir()) == sorted([folder, old])


def test_a_file_that_is_gone_does_not_come_back(old):
    old.unlink()

    with pytest.raises(FileNotFoundError):
        replace(old, OLD, CONTENT)

    assert files_in(old.parent) == {}


def test_a_system_that_cannot_sync_directories_still_replaces(old, monkeypatch):
    fsync = os.fsync

    def only_files(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)

    replace(old, OLD, CONTENT)

    assert old.read_bytes() == CONTENT


def test_the_root_directory_is_no_file():
    with pytest.raises(IsADirectoryError):
        replace(Path("/"), OLD, CONTENT)
