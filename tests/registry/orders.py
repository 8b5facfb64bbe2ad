"""The orders that the steps of several operations can be taken in."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from tests.registry.interleaving import Actor, Step


class Everything:
    """All orders of steps, but for those that differ in what does not matter.

    That is, two neighbouring steps that don't touch the same place (P. Godefroid,
    Partial-Order Methods, 1996, chapter 5: sleep sets).
    """

    class _Node(NamedTuple):
        runnable: tuple[int, ...]
        asleep: set[int]
        chosen: list[int]

    def __init__(self, limit: int = 0) -> None:
        self._path: list[Everything._Node] = []
        self._limit = limit
        #: Whether the end of the present order was had before.
        self.is_redundant = False

    def __iter__(self) -> Iterator[Everything]:
        number = 0
        while True:
            self._depth, self._asleep, self.is_redundant = 0, set(), False
            yield self
            number += not self.is_redundant
            if number == self._limit or not self._turn_back():
                return

    def choose(self, steps: Mapping[int, Step], runnable: Collection[int]) -> int:
        """Return who takes the next step; *steps* has that of each."""
        if self.is_redundant:
            return min(runnable)
        if self._depth == len(self._path):
            awake = [who for who in runnable if who not in self._asleep]
            if not awake:
                self.is_redundant = True
                return min(runnable)
            self._path.append(
                self._Node(tuple(runnable), set(self._asleep), [awake[0]])
            )
        node = self._path[self._depth]
        self._depth += 1
        chosen = node.chosen[0]
        self._asleep = {
            who for who in node.asleep if steps[who].commutes_with(steps[chosen])
        }
        return chosen

    def _turn_back(self) -> bool:
        """Turn to the next order; tell whether there is one."""
        while self._path:
            node = self._path[-1]
            node.asleep.add(node.chosen[0])
            left = [who for who in node.runnable if who not in node.asleep]
            if left:
                node.chosen[0] = left[0]
                return True
            self._path.pop()
        return False


class AtRandom:
    """Some orders, the same ones for the same seed."""

    is_redundant = False

    def __init__(self, orders: int, seed: int) -> None:
        self._orders = orders
        self._random = random.Random(seed)

    def __iter__(self) -> Iterator[AtRandom]:
        for _ in range(self._orders):
            # Some orders in which nobody is interrupted often.
            self._stays = self._random.choice((0, 0.5, 0.8))
            self._last = -1
            yield self

    def choose(self, steps: Mapping[int, Step], runnable: Collection[int]) -> int:
        if self._last not in runnable or self._random.random() >= self._stays:
            self._last = self._random.choice(sorted(runnable))
        return self._last


class Interruptions:
    """The first stops once, wherever it can, while the others do all that they do."""

    is_redundant = False

    def __iter__(self) -> Iterator[Interruptions]:
        self._stops_after = 0
        while self._stops_after >= 0:
            self._taken = 0
            yield self
            was_stopped = self._taken > self._stops_after
            self._stops_after = self._stops_after + 1 if was_stopped else -1

    def choose(self, steps: Mapping[int, Step], runnable: Collection[int]) -> int:
        others = [who for who in runnable if who]
        if 0 in runnable and not (others and self._taken >= self._stops_after):
            self._taken += 1
            return 0
        return min(others)


def play(actors: list[Actor], operations: list[Callable[[], Any]], order) -> list[Any]:
    """Take all steps of operations in an order, and return who took which."""
    playing = dict(enumerate(actors[: len(operations)]))
    for actor, operation in zip(actors, operations, strict=False):
        actor.begin(operation)
    taken = []
    while steps := {who: actor.next for who, actor in playing.items() if actor.next}:
        locked = {who for who in steps if playing[who].has_lock}
        runnable = [who for who in steps if not (steps[who].locks and locked - {who})]
        who = order.choose(steps, runnable)
        taken.append((who, steps[who]))
        playing[who].step()
    return taken
