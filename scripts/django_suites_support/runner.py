"""A test runner that writes what became of each test into a JSON file."""

from __future__ import annotations

import functools
import inspect
import json
import os
import re
import sys
import unittest
from pathlib import Path
from typing import Any

from django.test.runner import DiscoverRunner

from django_suites_support.listed import WITHOUT_SESSIONS
from django_suites_support.patches import PATCHES


class Recorder(unittest.TextTestResult):
    """Keeps the outcome of each test by its id; one failed subtest fails the test."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.outcomes: dict[str, str] = {}

    def _record(self, test: Any, outcome: str) -> None:
        if self.outcomes.get(test.id()) != "failed":
            self.outcomes[test.id()] = outcome

    def addSuccess(self, test: Any) -> None:
        super().addSuccess(test)
        self._record(test, "passed")

    def addError(self, test: Any, err: Any) -> None:
        super().addError(test, err)
        self._record(test, "failed")

    def addFailure(self, test: Any, err: Any) -> None:
        super().addFailure(test, err)
        self._record(test, "failed")

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._record(test, "failed")

    def addSkip(self, test: Any, reason: str) -> None:
        super().addSkip(test, reason)
        self._record(test, "skipped")

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        super().addExpectedFailure(test, err)
        self._record(test, "failed as expected")

    def addUnexpectedSuccess(self, test: Any) -> None:
        super().addUnexpectedSuccess(test)
        self._record(test, "failed")


class RecordingRunner(DiscoverRunner):
    """Django's runner with the recorder, and the patch that this run asks for."""

    def get_resultclass(self) -> type[unittest.TextTestResult]:
        """Return our recorder in place of unittest's result."""
        return Recorder

    def build_suite(self, *args: Any, **kwargs: Any) -> unittest.TestSuite:
        """Leave out what has nothing to do with sessions."""
        suite = super().build_suite(*args, **kwargs)
        return self.test_suite(test for test in suite if not _is_left_out(test))

    def run_suite(self, suite: unittest.TestSuite, **kwargs: Any) -> Any:
        """Run the tests and write their outcomes."""
        PATCHES[os.environ["DJANGO_SUITES_PATCH"]]()
        result = super().run_suite(suite, **kwargs)
        outcomes = json.dumps(result.outcomes)
        Path(os.environ["DJANGO_SUITES_OUTCOMES"]).write_text(outcomes)
        return result


def _is_left_out(test: unittest.TestCase) -> bool:
    module = type(test).__module__
    return module == WITHOUT_SESSIONS and not _may_use_sessions(module)


@functools.cache
def _may_use_sessions(module: str) -> bool:
    source = inspect.getsource(sys.modules[module])
    return bool(re.search("session|request|client", source, re.IGNORECASE))
