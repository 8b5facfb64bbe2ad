"""One run of some of Django's tests in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

SETTINGS = "django_suites_support.settings"
SCRIPTS = Path(__file__).resolve().parents[1]
TIMEOUT = 1800  # seconds; a run takes one or two minutes

Outcomes = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Tests to run with a session engine, and under one of our patches of Django."""

    name: str
    engine: str
    labels: tuple[str, ...]
    patch: str = ""

    def outcomes(self, tests: Path) -> Outcomes:
        """Run the tests and return the outcome of each by its id.

        What they print goes into a log beside the folder *tests*.
        """
        log = tests.parent / f"{self.name}.log"
        with tempfile.TemporaryDirectory() as scratch, log.open("w") as output:
            path = Path(scratch, "outcomes.json")
            subprocess.run(
                self._command(tests),
                cwd=tests,
                env=self._environment(path),
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=TIMEOUT,
                check=False,  # failing tests are expected; a missing file is not
            )
            outcomes: Outcomes = json.loads(path.read_text()) if path.exists() else {}
        if not outcomes:
            sys.exit(f"Django's tests did not run; the end of {log}:\n{_tail(log)}")
        return outcomes

    def _command(self, tests: Path) -> list[str]:
        # One process: parallel ones need tblib to report a failure, and the runs side
        # by side keep the processors busy anyway.
        options = ["--parallel=1", "--noinput", f"--settings={SETTINGS}"]
        return [sys.executable, str(tests / "runtests.py"), *options, *self.labels]

    def _environment(self, outcomes: Path) -> dict[str, str]:
        path = [str(SCRIPTS), os.environ.get("PYTHONPATH", "")]
        return os.environ | {
            "DJANGO_SUITES_ENGINE": self.engine,
            "DJANGO_SUITES_OUTCOMES": str(outcomes),
            "DJANGO_SUITES_PATCH": self.patch,
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
        }


def _tail(log: Path) -> str:
    return "\n".join(log.read_text().splitlines()[-20:])
