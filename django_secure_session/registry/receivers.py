"""What happens to users, as far as their sessions have to know."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.db import router, transaction

from django_secure_session import conf
from django_secure_session.accounts import get_provider
from django_secure_session.backends.reports import logger
from django_secure_session.registry import ending
from django_secure_session.registry.models import SessionRecord


def receive_save(
    *,
    instance: Any,
    created: bool,
    using: str,
    update_fields: Collection[str] | None = None,
    raw: bool = False,
    **_: object,
) -> None:
    """Have claims about a user read again who was saved (``post_save``).

    So another role, or that the user is disabled, counts at once. Not for a mere
    ``last_login``, which each log-in saves.
    """
    is_log_in = update_fields is not None and set(update_fields) <= {"last_login"}
    if created or raw or is_log_in or not isinstance(instance, get_user_model()):
        return
    for account_id in _ids_of(instance):
        _in_step(using, partial(ending.note_change, account_id))


def receive_delete(*, instance: Any, using: str, **_: object) -> None:
    """End the sessions of a user who is being deleted (``pre_delete``).

    While the site's provider still knows the account.
    """
    for account_id in _ids_of(instance):
        _in_step(using, partial(ending.end_all, account_id))


def _in_step(using: str, noting: Callable[[], object]) -> None:
    """Note what has happened to a user: not before it has, and not if it is undone.

    In one database the transaction sees to that. In another one a request between the
    two would seal what was true before, as new.
    """
    if router.db_for_write(SessionRecord) == using:
        noting()
    else:
        transaction.on_commit(noting, using=using)


def _ids_of(user: Any) -> set[str]:
    """Return what a user's account may be known as: also without claims it is one."""
    return {str(user.pk), *_known_as(user)}


def _known_as(user: Any) -> set[str]:
    """Return the id that the site's provider has for a user."""
    provider = get_provider(conf.get_config().account_provider)
    try:
        account = provider.account_for_user(user, None)
    except Exception:  # whatever the site's code raises is no reason not to save
        logger.exception("The account of a saved user could not be told.")
        return set()
    return {account.id} if account else set()
