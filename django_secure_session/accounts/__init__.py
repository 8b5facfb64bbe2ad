"""Accounts: who is logged in, and how a site says what it knows about them.

A log-in is answered once with an :class:`Account`, which is sealed into the session as
a claim. Requests then read it from the cookie and ask nobody, until CLAIMS_MAX_AGE has
passed and the site's :class:`AccountProvider` is asked again.
"""

from __future__ import annotations

from django_secure_session.accounts.log_in import alogin as alogin
from django_secure_session.accounts.log_in import areauthenticate as areauthenticate
from django_secure_session.accounts.log_in import aswitch_org as aswitch_org
from django_secure_session.accounts.log_in import login as login
from django_secure_session.accounts.log_in import reauthenticate as reauthenticate
from django_secure_session.accounts.log_in import switch_org as switch_org
from django_secure_session.accounts.log_out import alogout as alogout
from django_secure_session.accounts.log_out import logout as logout
from django_secure_session.accounts.provider import AccountProvider as AccountProvider
from django_secure_session.accounts.provider import (
    DjangoUserProvider as DjangoUserProvider,
)
from django_secure_session.accounts.provider import get_provider as get_provider
from django_secure_session.identity import Account as Account
from django_secure_session.identity import Org as Org
