"""The steps of a rotation, as changes of a key file's content.

Two comments, each right above a key, keep the state in the file itself::

    <the key that seals>
    # replaced 2026-11-22T10:00:00Z
    <a key that sealed until then>
    # staged 2026-12-20T10:00:00Z
    <a key that will seal>

Times are in UTC. All other comments are left where they are.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django_secure_session.keyring import KEY_BYTES, generate_key, refuse_duplicates
from django_secure_session.keyring.forms import (
    KEY_FILE_BYTES,
    holds_key,
    keys_in_file,
)

STAGED = "staged"
REPLACED = "replaced"


class StepRefused(Exception):
    """The step can't be done with this file now; the text says the way out."""


@dataclass(frozen=True, slots=True)
class Key:
    """Where in a file a key stands, and what the comment above it says."""

    index: int  # of its line
    state: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The lines of a key file. The first key seals."""

    lines: Sequence[bytes] = field(repr=False)
    keys: Sequence[Key]

    @property
    def staged(self) -> Key | None:
        """The key that is to seal next."""
        return self.keys[-1] if self.keys[-1].state == STAGED else None

    @property
    def fallbacks(self) -> Sequence[Key]:
        """The keys that sealed once, newest first."""
        return [key for key in self.keys[1:] if key.state != STAGED]

    def replaced_at(self, fallback: Key) -> datetime | None:
        """Return the time after which a fallback did not seal, if the file says it.

        Where it has no comment it is older than the one above it.
        """
        above = [key.since for key in self.fallbacks if key.index <= fallback.index]
        return next((since for since in reversed(above) if since), None)


def read(content: bytes, name: str) -> KeyFile:
    """Read the content of the file called *name*.

    Raise InvalidKey for what no site could read, StepRefused for comments that
    contradict the order of the keys.
    """
    refuse_duplicates(keys_in_file(content, name))
    if len(content) == KEY_BYTES:
        return KeyFile([base64.b64encode(content)], [Key(0)])
    lines = content.splitlines()
    keys = [_key(i, lines) for i, line in enumerate(lines) if holds_key(line)]
    for key in keys:
        _refuse_contradiction(key, keys, name)
    return KeyFile(lines, keys)


def _key(index: int, lines: Sequence[bytes]) -> Key:
    match lines[index - 1].split() if index else []:
        case [b"#", (b"staged" | b"replaced") as state, time]:
            with contextlib.suppress(ValueError):
                since = datetime.strptime(time.decode(), "%Y-%m-%dT%H:%M:%S%z")
                return Key(index, state.decode(), since)
    return Key(index)


def _refuse_contradiction(key: Key, keys: Sequence[Key], name: str) -> None:
    if key is keys[0] and key.state is not None:
        problem = f"is the first key, which seals, and can't be {key.state}"
    elif key is not keys[-1] and key.state == STAGED:
        problem = "is staged and not the last key"
    else:
        return
    raise StepRefused(
        f"{name} line {key.index + 1} {problem}. Remove the comment above it, or bring "
        "the lines back into the order they had."
    )


def stage(file: KeyFile, now: datetime) -> bytes:
    """Return the content with a new key that only decrypts. Raise StepRefused.

    It is the last, so that whatever ignores comments reads it as a fallback too.
    """
    if file.staged is not None:
        raise StepRefused(
            f"Line {file.staged.index + 1} is staged already. When all hosts have it, "
            "the next step is --promote."
        )
    new = base64.b64encode(generate_key())
    return _content([*file.lines, _comment(STAGED, now), new])


def promote(file: KeyFile, now: datetime) -> bytes:
    """Return the content with the staged key before the first. Raise StepRefused."""
    if file.staged is None:
        raise StepRefused(
            "No key is staged: either it was promoted already, or the rotation begins "
            "with --stage."
        )
    first, last = file.keys[0].index, file.staged.index
    new = [file.lines[last], _comment(REPLACED, now)]
    rest = [*file.lines[first : last - 1], *file.lines[last + 1 :]]
    return _content([*file.lines[:first], *new, *rest])


def retire(
    file: KeyFile, now: datetime, lifetime: timedelta | None, *, force: bool = False
) -> bytes:
    """Return the content without the fallbacks that no session needs any more.

    Those are the ones replaced a *lifetime* of a session ago, None where that is not
    known, or with *force* all of them. Raise StepRefused if there is none.
    """
    if not file.fallbacks:
        step = "--promote" if file.staged else "--stage"
        raise StepRefused(f"There is no old key to retire. The next step is {step}.")
    old = [
        key
        for key in file.fallbacks
        if force or _is_over(file.replaced_at(key), now, lifetime)
    ]
    if not old:
        raise StepRefused(_too_early(file, lifetime))
    gone = {i for key in old for i in (key.index, key.index - (key.state is not None))}
    return _content(line for i, line in enumerate(file.lines) if i not in gone)


def _is_over(since: datetime | None, now: datetime, lifetime: timedelta | None) -> bool:
    return since is not None and lifetime is not None and now - since >= lifetime


def _too_early(file: KeyFile, lifetime: timedelta | None) -> str:
    """Say why none of the fallbacks can be retired yet."""
    known = [since for key in file.fallbacks if (since := file.replaced_at(key))]
    if not known:
        return (
            "The file does not say when its old keys were replaced. If that is longer "
            "ago than a session may live, add --force."
        )
    if lifetime is None:
        return (
            f"A key was replaced on {show(min(known))}. How long a session may live "
            "is known only with the settings of a site that has these keys. If that "
            "time is over, add --force."
        )
    return (
        f"Sessions may need an old key until {show(min(known) + lifetime)}. Wait, or "
        "end those sessions with --force."
    )


def show(time: datetime) -> str:
    """Return a time as people read it."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _comment(state: str, now: datetime) -> bytes:
    return f"# {state} {now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}".encode()


def _content(lines: Iterable[bytes]) -> bytes:
    content = b"".join(line + b"\n" for line in lines)
    if len(content) > KEY_FILE_BYTES:
        raise StepRefused(
            f"The file would have more than {KEY_FILE_BYTES} bytes, which no site "
            "reads. Remove comments or old keys."
        )
    return content
