"""What must hold after a race."""

from __future__ import annotations

from itertools import permutations

from tests.registry.operations import cycle_and_go_on
from tests.registry.racing import SESSIONS, Response, is_alive, visit


def judge(world, taken, operations) -> list[str]:
    """Return what is wrong after a race."""
    if world.has_ended:
        _judge_end(world, taken, operations)
    elif not world.has_given_up:
        _judge_life(world, taken, operations)
    _judge_bystanders(world)
    return world.problems


def _judge_end(world, taken, operations) -> None:
    ends = [n for n, (_, step) in enumerate(taken) if step.name == "look"]
    for who, operation in enumerate(operations):
        if operation is cycle_and_go_on:  # its last step is not of the response
            continue
        response = world.responses.get(operation, Response())
        is_theirs = response.token in world.tokens and response.account_id
        if is_theirs and ends and _last(who, taken) > ends[0]:
            world.problems.append(f"{operation.__name__} sent a cookie after the end")
    if world.rows and world.rows != world.sids():
        world.problems.append("the session got another sid after its end")
    world.refuse_all("at once")
    world.clock.tick(41)  # more than any entry of the cache is believed, and the grace
    world.refuse_all("later")


def _judge_bystanders(world) -> None:
    if not is_alive(world.stranger):
        world.problems.append("a stranger was logged out")
    spared = [
        token
        for token, whose in world.others
        if not (whose == world.person and world.have_others_ended)
    ]
    if not all(map(is_alive, spared)):
        world.problems.append("whoever had logged in was logged out")
    if is_alive(world.elsewhere) == world.have_others_ended:
        ended = "ended" if world.have_others_ended else "lived"
        world.problems.append(f"the other session should have {ended}")


def _judge_life(world, taken, operations) -> None:
    """See that the browser is signed in, whichever response came last."""
    finals = {
        _final(world.token, order) for order in permutations(world.responses.values())
    }
    world.problems += [
        "the browser is signed out" for token in finals if not _is_theirs(world, token)
    ]
    world.clock.tick(11)
    world.problems += [
        "the browser is signed out after the grace"
        for token in finals
        if not _is_theirs(world, token)
        and not _is_late(world, token, taken, operations)
    ]


def _is_theirs(world, token) -> bool:
    return visit(token).account_id == world.person


def _final(token, responses) -> str:
    """Return the cookie that a browser has after responses in this order."""
    for response in responses:
        token = token if response.token is None else response.token
    return token


def _is_late(world, token, taken, operations) -> bool:
    """Tell whether a cookie was made before another response gave the session a sid.

    When it comes last it takes the place of the better one. No server can know that;
    with Django's own engines it is the same.
    """
    sent = [who for who, each in enumerate(operations) if _sent(world, each) == token]
    if not sent or any(who == sent[0] and _moves(step) for who, step in taken):
        return False
    last = max(
        n for n, (who, step) in enumerate(taken) if who == sent[0] and _asks(step)
    )
    return any(_moves(step) for _, step in taken[last:])


def _sent(world, operation) -> str | None:
    return world.responses.get(operation, Response()).token


def _last(who, taken) -> int:
    """Return when somebody last asked the database about a session."""
    return max(n for n, (each, step) in enumerate(taken) if each == who and _asks(step))


def _asks(step) -> bool:
    statement = step.name.lstrip()
    return SESSIONS in step.places and statement.startswith(("SELECT", "UPDATE"))


def _moves(step) -> bool:
    return step.name.startswith("UPDATE") and '"previous_digest" = ' in step.name
