"""What may happen to a session at once. Each says what it has brought about."""

from __future__ import annotations

from django.db import transaction

from django_secure_session import login, logout, reauthenticate
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.registry import (
    account_changed,
    revoke,
    revoke_account,
    revoke_others,
)
from tests.registry.interleaving import ALL, Step, pause
from tests.registry.racing import ALIAS, account, cycle_key, visit


def read(world):
    world.send(read)


def read_too(world):
    world.send(read_too)


def read_before(world):
    """Come with the cookie that the browser had before the last one."""
    world.send(read_before, token=world.tokens[0])


def write_before(world):
    world.send(
        write_before, lambda request: request.session.update({"n": 3}), world.tokens[0]
    )


def write(world):
    world.send(write, lambda request: request.session.update({"n": 1}))


def write_too(world):
    world.send(write_too, lambda request: request.session.update({"n": 2}))


def cycle(world):
    world.send(cycle, cycle_key)


def cycle_too(world):
    world.send(cycle_too, cycle_key)


def cycle_and_go_on(world):
    """Cycle, and use what came of it."""
    token = world.send(cycle_and_go_on, cycle_key)
    if token.token:
        visit(token.token, None, world.middleware)


def prove(world):
    world.send(prove, reauthenticate)


def log_in_again(world):
    world.send(log_in_again, lambda request: login(request, account(world.person)))


def log_out(world):
    world.end_by(world.send(log_out, logout))


def flush(world):
    world.end_by(world.send(flush, lambda request: request.session.flush()))


def cycle_and_log_out(world):
    def view(request):
        request.session.cycle_key()
        logout(request)

    world.end_by(world.send(cycle_and_log_out, view))


def log_in_as_another(world):
    view = lambda request: login(request, account("eve"))  # noqa: E731
    response = visit(world.token, view, world.middleware)
    if response.token:
        world.others.append((response.token, "eve"))
    if response.account_id:
        world.end()


def log_out_before(world):
    """Log out with the cookie that the browser had before the last one."""
    world.end_by(world.send(log_out_before, logout, world.tokens[0]))


def delete_elsewhere(world):
    SessionStore().delete(world.token)
    world.end()


def revoke_it(world):
    revoke(world.handle)
    world.end()


def revoke_all(world):
    revoke_account(world.person)
    world.have_others_ended = True
    world.end()


def revoke_others_elsewhere(world):
    if visit(world.elsewhere, revoke_others, world.middleware).account_id:
        world.end()


def revoke_others_here(world):
    if world.send(revoke_others_here, revoke_others).account_id:
        world.have_others_ended = True


def change(world):
    account_changed(world.person)


def revoke_late(world):
    """Revoke in a transaction that goes on for a while."""
    with transaction.atomic(using=ALIAS):
        revoke(world.handle)
        visit(world.stranger)
    world.end()


def revoke_all_late(world):
    with transaction.atomic(using=ALIAS):
        revoke_account(world.person)
        visit(world.stranger)
    world.have_others_ended = True
    world.end()


def revoke_in_vain(world):
    """Revoke in a transaction that sees it so, and is rolled back."""
    try:
        with transaction.atomic(using=ALIAS):
            revoke(world.handle)
            visit(world.token)
            revoke_account(world.person)
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass


def waiting(seconds):
    """Return an operation that lets time pass, in one step."""

    def wait(world):
        pause(Step("wait", frozenset([ALL]), writes=True))
        world.clock.tick(seconds)

    return wait
