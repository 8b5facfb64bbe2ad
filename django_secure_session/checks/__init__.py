"""System checks: ``secure_session.E0xx`` is broken, ``W0xx`` could be harder.

``manage.py check`` tells in one line what would otherwise be a traceback at start-up,
or a page that nobody can reach.
"""

from __future__ import annotations

from django_secure_session.checks.guards import check_guards as check_guards
from django_secure_session.checks.sessions import check_deployment as check_deployment
from django_secure_session.checks.sessions import check_settings as check_settings
