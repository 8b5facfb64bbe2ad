"""What each guard answers to whom, written down; nothing here asks the package.

A word in ``OUTCOMES`` says what happens to a visitor at a guard, ``expected`` what that
means for a kind of request.
"""

from __future__ import annotations

from typing import NamedTuple

# The rows are who asks, the columns what guards the view. "runs" is the view; what else
# there is refuses.
OUTCOMES = """
                  bare     roles       verified      org     fresh   strict
nobody            log_in   log_in      log_in        log_in  log_in  log_in
anonymous         log_in   log_in      log_in        log_in  log_in  log_in
expired           log_in   log_in      log_in        log_in  log_in  log_in
disabled          log_in   log_in      log_in        log_in  log_in  log_in
deleted           log_in   log_in      log_in        log_in  log_in  log_in
changed_password  log_in   log_in      log_in        log_in  log_in  log_in
unverified        runs     runs        not_verified  runs    runs    not_verified
wrong_role        runs     wrong_role  runs          runs    runs    wrong_role
right_role        runs     runs        runs          runs    runs    runs
no_org            runs     runs        runs          no_org  runs    no_org
stale             runs     runs        runs          runs    prove   prove
nothing_right     runs     wrong_role  not_verified  no_org  prove   wrong_role
two_things_wrong  runs     runs        not_verified  no_org  runs    not_verified
two_others_wrong  runs     runs        runs          no_org  prove   no_org

                  role_or_key  either        public
nobody            log_in       log_in        runs
anonymous         log_in       log_in        runs
expired           log_in       log_in        runs
disabled          log_in       log_in        runs
deleted           log_in       log_in        runs
changed_password  log_in       log_in        runs
unverified        runs         not_verified  runs
wrong_role        wrong_role   runs          runs
right_role        runs         runs          runs
no_org            runs         no_org        runs
stale             runs         runs          runs
nothing_right     wrong_role   not_verified  runs
two_things_wrong  runs         not_verified  runs
two_others_wrong  runs         no_org        runs
"""

#: What a view behind a guard is told of an account: id, role, verified, organisation.
SEEN = {
    "unverified": ["ada", "owner", False, "acme"],
    "wrong_role": ["ada", "reader", True, "acme"],
    "right_role": ["ada", "owner", True, "acme"],
    "no_org": ["ada", "owner", True, None],
    "stale": ["ada", "owner", True, "acme"],
    "nothing_right": ["ada", "guest", False, None],
    "two_things_wrong": ["ada", "owner", False, None],
    "two_others_wrong": ["ada", "owner", True, None],
}

#: Whose session cookie an answer deletes, and whose it replaces: the log-ins that are
#: older than the claims may become. A view that asks nothing leaves every cookie alone.
#: Django itself ends a session whose hash is not that of the password.
DELETED = {"expired", "changed_password"}
SEALED_ANEW = {"stale", "nothing_right", "two_others_wrong"}

VIEWS = [
    *("function", "class", "method_decorator", "include", "in_view"),
    *("async_function", "async_class", "async_method_decorator"),
    *("async_include", "async_in_view"),
]
FUNCTIONS = ["function", "async_function"]
#: What tells in which order things are refused; only functions have to show it.
RARE = {
    *("nothing_right", "two_things_wrong", "two_others_wrong"),
    *("strict", "either"),
}
#: These are no options of request.authenticated(), so no view can ask for them.
NOT_IN_VIEW = {"role_or_key", "either"}


class Kind(NamedTuple):
    """A way to ask; people are sent to a page, programs get a problem to read."""

    method: str
    headers: dict[str, str]
    of_people: bool


HTML = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"
KINDS = {
    "navigation": Kind("GET", {"Sec-Fetch-Mode": "navigate", "Accept": HTML}, True),
    "json": Kind("GET", {"Accept": "application/json"}, False),
    "head": Kind("HEAD", {}, True),
    "post": Kind("POST", {"Sec-Fetch-Mode": "navigate", "Accept": HTML}, True),
    # Where the two headers say different things the first decides, and an old browser
    # has only the second.
    "fetch": Kind("GET", {"Sec-Fetch-Mode": "cors", "Accept": HTML}, False),
    "embedding": Kind("GET", {"Sec-Fetch-Mode": "navigate", "Accept": "*/*"}, True),
    "old_browser": Kind("GET", {"Accept": HTML}, True),
    "curl": Kind("GET", {"Accept": "*/*"}, False),
    "json_head": Kind("HEAD", {"Accept": "application/json"}, False),
    "json_post": Kind("POST", {"Accept": "application/json"}, False),
}
#: What is asked of every view; the other kinds are only asked of a function.
EVERYWHERE = ["navigation", "json", "head", "post"]


class Expected(NamedTuple):
    """An answer; ``page`` is where a redirect leads, ``code`` that of the problem."""

    status: int
    content_type: str
    page: str | None = None
    challenge: str | None = None
    code: str | None = None


LOG_IN_PAGE, PROVING_PAGE = "/sign-in/", "/prove-it/"
JSON, PROBLEM = "application/json", "application/problem+json"
PAGE = "text/html; charset=utf-8"
COOKIE = 'Cookie realm="session"'
TOO_OLD = f'{COOKIE}, error="insufficient_user_authentication", max_age="600"'

FOR_PEOPLE = {
    "runs": Expected(200, JSON),
    "log_in": Expected(302, PAGE, page=LOG_IN_PAGE),
    "prove": Expected(302, PAGE, page=PROVING_PAGE),
    "wrong_role": Expected(403, PAGE),
    "not_verified": Expected(403, PAGE),
    "no_org": Expected(403, PAGE),
}
FOR_PROGRAMS = {
    "runs": Expected(200, JSON),
    "log_in": Expected(401, PROBLEM, challenge=COOKIE, code="not_authenticated"),
    "prove": Expected(401, PROBLEM, challenge=TOO_OLD, code="not_fresh"),
    "wrong_role": Expected(403, PROBLEM, code="wrong_role"),
    "not_verified": Expected(403, PROBLEM, code="not_verified"),
    "no_org": Expected(403, PROBLEM, code="no_org"),
}


def _read(table: str) -> dict[tuple[str, str], str]:
    outcomes = {}
    for block in table.strip("\n").split("\n\n"):
        (*guards,), *rows = [line.split() for line in block.splitlines()]
        for identity, *cells in rows:
            for guard, outcome in zip(guards, cells, strict=True):
                outcomes[identity, guard] = outcome
    return outcomes


OUTCOME = _read(OUTCOMES)
IDENTITIES = list(dict.fromkeys(identity for identity, _ in OUTCOME))
GUARDS = list(dict.fromkeys(guard for _, guard in OUTCOME))


def views_for(identity: str, guard: str) -> list[str]:
    """Return the views at which somebody meets a guard."""
    if identity in RARE or guard in RARE:
        return FUNCTIONS
    return views_with(guard)


def views_with(guard: str) -> list[str]:
    """Return the views that can have a guard."""
    return [v for v in VIEWS if "in_view" not in v or guard not in NOT_IN_VIEW]


def kinds_to(view: str) -> list[str]:
    """Return the ways to ask a view."""
    return list(KINDS) if view == "function" else EVERYWHERE


def expected(identity: str, guard: str, kind: str) -> Expected:
    """Return the answer that a request has to get."""
    outcome = OUTCOME[identity, guard]
    if KINDS[kind].of_people:
        return FOR_PEOPLE[outcome]
    answer = FOR_PROGRAMS[outcome]
    if guard == "role_or_key" and outcome == "log_in":
        return answer._replace(challenge=f'{COOKIE}, Bearer realm="api"')
    return answer


def cookie(identity: str, guard: str) -> str | None:
    """Return what an answer does to the session cookie, None for nothing."""
    if guard == "public":
        return None
    if identity in DELETED:
        return "deleted"
    return "sealed" if identity in SEALED_ANEW else None
