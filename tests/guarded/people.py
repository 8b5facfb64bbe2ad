"""Who visits the guarded site, with the cookie that each brings."""

from __future__ import annotations

import secrets

from django.contrib.auth import login as django_login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.http import HttpResponse

from django_secure_session import create_session, login
from django_secure_session.accounts import Account, Org
from tests.guarded.provider import Member, Members
from tests.http import wsgi
from tests.visits import NAME, value

CLAIMS_MAX_AGE, FRESH = 300, 600  # seconds
PASSWORD = secrets.token_urlsafe()


def join(member: Member | None = None, name: str = "ada") -> Member:
    """Take a member in, the right one for every guard if none is given."""
    return Members.members.setdefault(name, member or Member())


def django_log_in(name: str = "ada") -> str:
    """Log a Django user in who is a member; return the cookie."""
    return log_in_as(User.objects.create_user(name, password=PASSWORD))


def log_in_as(user: User) -> str:
    return _cookie(lambda request: django_login(request, user))


def own_log_in(name: str = "ada") -> str:
    """Log a member in who is no Django user; return the cookie."""
    member = Members.members[name]
    org = next(iter(member.roles), None)
    role = member.roles[org] if org else member.role
    account = Account(id=name, role=role, verified=member.verified)
    return _cookie(
        lambda request: login(request, account, Org(id=org) if org else None)
    )


def _cookie(log_in) -> str:
    @login_not_required
    def view(request):
        log_in(request)
        return HttpResponse()

    return value(wsgi(view))


# What may happen to an account while its session goes on


def disable(name: str = "ada") -> None:
    User.objects.filter(username=name).update(is_active=False)


def delete(name: str = "ada") -> None:
    User.objects.filter(username=name).delete()
    Members.members.pop(name, None)


def lock_out(name: str = "ada") -> None:
    """Disable an account that is no Django user."""
    Members.members.pop(name)


def change_password(name: str = "ada") -> None:
    user = User.objects.get(username=name)
    user.set_password(secrets.token_urlsafe())
    user.save()


def change_role(name: str = "ada") -> None:
    Members.members[name].roles["acme"] = "reader"


def lose_membership(name: str = "ada") -> None:
    Members.members[name].roles.clear()


def promote(name: str = "ada") -> None:
    Members.members[name].roles["acme"] = "admin"


# The rows of the table


def nobody(log_in, clock) -> str:
    return ""


def anonymous(log_in, clock) -> str:
    return create_session({"cart": [1, 2]}).session_key


def expired(log_in, clock) -> str:
    return _after(log_in, clock, days=15)


def disabled(log_in, clock) -> str:
    return _after(log_in, clock, disable if log_in is django_log_in else lock_out)


def deleted(log_in, clock) -> str:
    return _after(log_in, clock, delete)


def changed_password(log_in, clock) -> str:
    return _after(log_in, clock, change_password)


def unverified(log_in, clock) -> str:
    join(Member(verified=False))
    return log_in()


def wrong_role(log_in, clock) -> str:
    join(Member(role="owner", roles={"acme": "reader"}))
    return log_in()


def right_role(log_in, clock) -> str:
    join(Member(role="guest", roles={"acme": "owner"}))
    return log_in()


def no_org(log_in, clock) -> str:
    join(Member(role="owner", roles={}))
    return log_in()


def stale(log_in, clock) -> str:
    return _after(log_in, clock, seconds=FRESH)


def nothing_right(log_in, clock) -> str:
    join(Member(verified=False, roles={}))
    return _after(log_in, clock, seconds=FRESH)


def two_things_wrong(log_in, clock) -> str:
    join(Member(role="owner", verified=False, roles={}))
    return log_in()


def two_others_wrong(log_in, clock) -> str:
    join(Member(role="owner", roles={}))
    return _after(log_in, clock, seconds=FRESH)


def _after(log_in, clock, happens=lambda: None, **since) -> str:
    """Log in, let something happen, and come back when the claims are too old."""
    join()
    token = log_in()
    happens()
    clock.tick(**(since or {"seconds": CLAIMS_MAX_AGE}))
    return token


COME = {
    come.__name__: come
    for come in (
        *(nobody, anonymous, expired, disabled, deleted, changed_password),
        *(unverified, wrong_role, right_role, no_org, stale, nothing_right),
        *(two_things_wrong, two_others_wrong),
    )
}


def cookie_header(token: str, **others: str) -> tuple[bytes, ...]:
    """Return the Cookie header for a token, "" for none, and other cookies."""
    cookies = {NAME: token, **others} if token else others
    header = "; ".join(f"{name}={text}" for name, text in cookies.items())
    return (header.encode(),) if header else ()
