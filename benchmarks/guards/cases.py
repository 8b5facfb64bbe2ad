"""What is measured: each case sends one request of a user who is logged in.

A guarded view that shows the account stands against one with ``@login_required`` that
shows the user. Beside that the forms that our guards have stand against a view that
reads the session and lets everybody in.

Each case is tried once when it is built: measuring something broken is worthless.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks import site
from benchmarks.guards import project
from benchmarks.guards.project import ACCOUNT, OURS, USER, VALUE
from benchmarks.measuring import Case
from benchmarks.sessions import Session
from benchmarks.transports import ASGI, WSGI, Answer

SIZES = ("log-in", "wizard")
GUARDED, USUAL_VIEW = "guarded", "user"

#: Views with our sessions, and the one without a guard that each is held against.
FORMS = {
    **dict.fromkeys(("guarded-read", "account", GUARDED), "read"),
    **dict.fromkeys(("narrow", "any_of", "inside"), "read"),
    "class": "class-read",
}
FORM = "form"  # in the place of the session's size


def name(view: str, size: str, setup: str) -> str:
    """Return what a case is called in the figures of a process."""
    return f"{view}/{size}/{setup}"


def view_of(setup: str) -> str:
    """Return the view that wants a log-in in a setup."""
    return GUARDED if setup == OURS else USUAL_VIEW


class Cases:
    """The cases of one transport."""

    def __init__(self, transport: WSGI | ASGI) -> None:
        self._transport = transport
        self._setups = project.setups()
        self._handlers = {
            name: site.handler(transport.handler, setup)
            for name, setup in self._setups.items()
        }

    def groups(self, of_size: Mapping[str, Session]) -> Iterator[dict[str, Case]]:
        """Yield the cases by name, those together that are compared with each other."""
        for size in SIZES:
            yield {
                name(view_of(setup), size, setup): self._case(setup, of_size[size])
                for setup in self._setups
            }
        session = of_size[SIZES[0]]
        yield {
            name(view, FORM, OURS): self._case(OURS, session, view)
            for view in dict.fromkeys((*FORMS.values(), *FORMS))
        }

    def _case(self, setup: str, session: Session, view: str = "") -> Case:
        view = view or view_of(setup)
        cookie = project.cookie(self._setups[setup], session)
        path = f"{self._transport.prefix}{view}/"
        case = self._transport.case(self._handlers[setup], path, cookie)
        _check(self._transport.answer(case), _shown_by(view))
        return case


def _shown_by(view: str) -> str:
    if view == USUAL_VIEW:
        return USER
    return VALUE if view.endswith("read") else ACCOUNT


def _check(answer: Answer, body: str) -> None:
    if answer != Answer(200, "", body):
        raise RuntimeError(f"This is not the answer that is to be measured: {answer}")
