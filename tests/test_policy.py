from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from django_secure_session import Account, Org, any_of, authenticated, authorized
from django_secure_session.guards.policy import (
    KEY_FORM,
    SESSION_FORM,
    KeyPolicy,
    SessionPolicy,
    key_policy,
    nearest_refusal,
    session_policy,
)
from django_secure_session.identity import NOBODY, Identity

NOW = 1_800_000_000
ACME = Org(id="acme")


def somebody(role="admin", *, verified=True, org=ACME, via="session", ago=0):
    account = Account(id="1", role=role, verified=verified)
    return Identity(account, org, via, NOW - ago)


def reason_of(policy, identity):
    return policy.refusal(identity, NOW)


# What one policy says


def test_a_policy_that_wants_nothing_lets_any_account_in():
    unlikely = somebody("any", verified=False, org=None, ago=10**9)

    assert reason_of(SessionPolicy(), unlikely) is None


def test_nobody_passes_no_policy():
    assert reason_of(SessionPolicy(), NOBODY) == "not_authenticated"
    assert reason_of(KeyPolicy(), NOBODY) == "not_authenticated"


@pytest.mark.parametrize("via", ["api_key", None])
def test_a_session_policy_lets_nobody_in_who_came_another_way(via):
    assert reason_of(SessionPolicy(), somebody(via=via)) == "not_authenticated"


@pytest.mark.parametrize("role", ["admin", "owner"])
def test_any_of_the_roles_will_do(role):
    policy = session_policy({"roles": ["admin", "owner"]})

    assert reason_of(policy, somebody(role)) is None


@pytest.mark.parametrize(
    "role", ["member", "Admin", "admin ", "admi", "administrator", "admin,owner"]
)
def test_no_other_role_will_do(role):
    policy = session_policy({"roles": ["admin", "owner"]})

    assert reason_of(policy, somebody(role)) == "wrong_role"


@pytest.mark.parametrize(
    ("option", "identity", "reason"),
    [
        ({"verified": True}, somebody(verified=False), "not_verified"),
        ({"org": True}, somebody(org=None), "no_org"),
        ({"fresh": timedelta(minutes=1)}, somebody(ago=60), "not_fresh"),
    ],
)
def test_each_option_refuses_with_its_own_reason(option, identity, reason):
    assert reason_of(session_policy(option), identity) == reason
    assert reason_of(session_policy(option), somebody()) is None


@pytest.mark.parametrize("option", ["verified", "org"])
def test_false_is_as_if_the_option_were_not_there(option):
    assert session_policy({option: False}) == SessionPolicy()


@pytest.mark.parametrize("option", ["roles", "fresh"])
def test_none_is_as_if_the_option_were_not_there(option):
    assert session_policy({option: None}) == SessionPolicy()


@pytest.mark.parametrize(
    ("ago", "reason"), [(0, None), (59, None), (60, "not_fresh"), (61, "not_fresh")]
)
def test_a_log_in_is_fresh_for_less_than_the_time(ago, reason):
    assert reason_of(SessionPolicy(fresh=60), somebody(ago=ago)) == reason


def test_a_log_in_that_nobody_saw_is_never_fresh():
    unseen = somebody()._replace(authenticated_at=0)

    assert reason_of(SessionPolicy(fresh=10**8), unseen) == "not_fresh"


ORDER = ["wrong_role", "not_verified", "no_org", "not_fresh"]
STRICT = SessionPolicy(roles=("admin",), verified=True, org=True, fresh=60)


@pytest.mark.parametrize("wrong", list(itertools.product([False, True], repeat=4)))
def test_the_first_thing_that_is_wrong_is_told(wrong):
    role, verified, org, fresh = wrong
    identity = somebody(
        "member" if role else "admin",
        verified=not verified,
        org=None if org else ACME,
        ago=60 if fresh else 0,
    )
    expected = next(itertools.compress(ORDER, wrong), None)

    assert reason_of(STRICT, identity) == expected


# What several policies say

ADMINS = SessionPolicy(roles=("admin",))
WITH_ORG = SessionPolicy(org=True)
VERIFIED = SessionPolicy(verified=True)
FRESH = SessionPolicy(fresh=60)


def test_one_policy_that_passes_is_enough_wherever_it_stands():
    for policies in itertools.permutations([ADMINS, WITH_ORG, KeyPolicy()]):
        assert nearest_refusal(policies, somebody("member"), NOW) is None


def test_all_that_is_wanted_has_to_be_in_one_of_the_policies():
    policies = [
        SessionPolicy(roles=("admin",), verified=True),
        SessionPolicy(roles=("owner",), org=True),
    ]
    neither = somebody("admin", verified=False)

    assert nearest_refusal(policies, neither, NOW) is not None


NEAREST = [
    ("not_fresh", FRESH),
    ("no_org", WITH_ORG),
    ("not_verified", VERIFIED),
    ("wrong_role", SessionPolicy(roles=("owner",))),
    ("not_authenticated", KeyPolicy()),
]


@pytest.mark.parametrize(
    ("near", "far"), list(itertools.combinations(range(len(NEAREST)), 2))
)
def test_of_several_refusals_the_nearest_way_in_is_told(near, far):
    (reason, nearest), (_, other) = NEAREST[near], NEAREST[far]
    identity = somebody("member", verified=False, org=None, ago=60)

    for policies in ([nearest, other], [other, nearest]):
        assert nearest_refusal(policies, identity, NOW) == (nearest, reason)


def test_nobody_is_told_to_log_in_whatever_the_policies_want():
    assert nearest_refusal([STRICT, KeyPolicy()], NOBODY, NOW) == (
        STRICT,
        "not_authenticated",
    )


# Policies as values


def test_a_policy_cannot_be_changed():
    with pytest.raises(AttributeError):
        session_policy({}).roles = ("admin",)  # type: ignore[misc]


def test_a_list_of_roles_that_is_changed_later_changes_no_policy():
    roles = ["admin"]
    policy = session_policy({"roles": roles})
    roles.append("member")

    assert policy.roles == ("admin",)


@pytest.mark.parametrize(
    "roles", [["a", "b"], ("a", "b"), {"a", "b"}, frozenset("ab"), {"a": 1, "b": 2}]
)
def test_roles_may_be_any_collection(roles):
    assert sorted(session_policy({"roles": roles}).roles) == ["a", "b"]


def test_scopes_may_be_any_collection():
    assert key_policy({"scopes": ("a", "b")}).scopes == ("a", "b")


def test_fresh_counts_whole_seconds():
    assert session_policy({"fresh": timedelta(days=1, seconds=1.9)}).fresh == 86401


def test_the_shortest_fresh_is_a_second():
    assert session_policy({"fresh": timedelta(seconds=1)}).fresh == 1


@pytest.mark.parametrize("form", [SESSION_FORM, KEY_FORM])
def test_the_forms_that_errors_show_are_right(form):
    names = {
        "authenticated": authenticated,
        "authorized": authorized,
        "timedelta": timedelta,
    }

    assert eval(form, names).policies


# What people read


@pytest.mark.parametrize(
    ("guard", "text"),
    [
        (authenticated(), "authenticated"),
        (authenticated(roles=["a", "b"]), "authenticated(roles=['a', 'b'])"),
        (authenticated(verified=True), "authenticated(verified=True)"),
        (authenticated(org=True), "authenticated(org=True)"),
        (authenticated(fresh=timedelta(minutes=10)), "authenticated(fresh=0:10:00)"),
        (
            authenticated(
                fresh=timedelta(days=1), org=True, verified=True, roles=["a"]
            ),
            "authenticated(roles=['a'], verified=True, org=True, fresh=1 day, 0:00:00)",
        ),
        (authorized(), "authorized"),
        (authorized(scopes=["a:b"]), "authorized(scopes=['a:b'])"),
        (any_of(authenticated), "authenticated"),
        (
            any_of(authenticated(org=True), authorized),
            "any_of(authenticated(org=True), authorized)",
        ),
    ],
)
def test_a_guard_reads_as_it_is_written(guard, text):
    assert str(guard) == text
