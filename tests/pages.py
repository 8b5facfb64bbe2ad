"""The pages of the documentation, and the blocks of code on them."""

from __future__ import annotations

import doctest
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def read(path: Path) -> str:
    return path.read_text("utf-8")


PAGES = {
    str(path.relative_to(ROOT)): read(path)
    for path in sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
    if "_build" not in path.parts
}

FENCE = re.compile(
    r"^(?P<indent> *)```(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, ``:caption:`` and text."""

    where: str
    language: str
    caption: str
    text: str


def blocks_of(page: str) -> list[Block]:
    return [_block(page, match) for match in FENCE.finditer(PAGES[page])]


def _block(page: str, match: re.Match[str]) -> Block:
    line = PAGES[page].count("\n", 0, match.start()) + 1
    text = textwrap.dedent(match["body"]).strip("\n")
    caption = ""
    if found := re.match(r":caption: (.*)\n\n", text):
        caption, text = found[1], text[found.end() :]
    if match["info"].endswith(" diff"):  # dedent would take off its first column
        text = match["body"].partition("\n\n")[2].rstrip("\n")
    language = match["info"].removeprefix("{code-block} ")
    return Block(f"{page}:{line}", language, caption, text)


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def assert_shown(block: Block, got: str) -> None:
    """Compare what the page of documentation shows, where ``...`` is anything."""
    want, got = f"{block.text}\n", f"{got.rstrip()}\n"
    same = doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS)
    assert same, f"{block.where} shows\n{want}\nbut it is\n{got}"
