"""Mutants of the telling of people: planted in the running process, each found by a check that takes a second."""

from typing import NamedTuple

from tests.resilience import edits
from tests.resilience.edits import Change


class NotificationMutant(NamedTuple):
    """A broken promise about who is told of alarms."""

    name: str
    change: Change
    check: str
    """The one of `tests/integration/notifications/test_mutants.py` that finds it."""


_NOTHING = edits.instead("pass")
_NEVER = edits.if_is(value=False)
_PROGRESS = "missionops.domain.notification.progress"
_COMPOSER = "missionops.notifications.composer"
_NOTIFIER = "missionops.notifications.notifier"
_MESSAGES = "missionops.store.notification_messages"

NOTIFICATION_MUTANTS = (
    NotificationMutant(
        "removes a message before it is sent",
        Change(
            _NOTIFIER,
            "Notifier.turn",
            edits.all_of(edits.calls("create_task"), edits.uses("_send")),
            edits.before("await notification_messages.remove(connection, claimed)"),
        ),
        "killed_while_it_sends",
    ),
    NotificationMutant(
        "acknowledges a transition that was not taken in",
        Change(
            "subscribers.alarms",
            "AlarmRouter._handle",
            edits.calls("_take"),
            edits.instead("await self._take(found, until)"),
        ),
        "database_away_for_a_moment",
    ),
    NotificationMutant(
        "gives up a message that a target refuses",
        Change(
            _NOTIFIER,
            "Notifier._record",
            edits.calls("put_off"),
            edits.instead("await notification_messages.remove(connection, claimed)"),
        ),
        "refused_at_first",
    ),
    NotificationMutant(
        "forgets what it has told",
        Change(_COMPOSER, "Composer._take", edits.calls("told"), _NOTHING),
        "told_once",
    ),
    NotificationMutant(
        "takes a message that another instance sends",
        Change(
            _MESSAGES,
            "claim",
            edits.assigns("row"),
            edits.instead(
                "row = await connection.fetchrow("
                "_CLAIM.replace('next_attempt_at <= $2', '$2::timestamptz IS NOT NULL'), "
                "target, now, until, longest_pause)"
            ),
        ),
        "two_instances",
    ),
    NotificationMutant(
        "forgets the others of a group",
        Change(
            _COMPOSER,
            "Composer._take",
            edits.calls("add"),
            edits.instead("if not digest.message(): digest.add(due.news, alarm)"),
        ),
        "two_in_a_group",
    ),
    NotificationMutant(
        "repeats what somebody has acknowledged",
        Change(_PROGRESS, "follow", edits.assigns("waits"), edits.instead("waits = route.match.holds(alarm)")),
        "acknowledged_after_it_was_told",
    ),
    NotificationMutant(
        "tells what somebody has acknowledged meanwhile",
        Change(
            _PROGRESS,
            "news",
            edits.all_of(edits.is_if, edits.uses("acknowledged")),
            edits.without_condition("acknowledged"),
        ),
        "acknowledged_before_it_was_told",
    ),
    NotificationMutant(
        "escalates at once",
        Change(_PROGRESS, "due", edits.all_of(edits.is_if, edits.uses("RISEN")), _NEVER),
        "escalated_after_a_while",
    ),
    NotificationMutant(
        "tells what is shelved",
        Change(_PROGRESS, "due", edits.all_of(edits.is_if, edits.uses("shelved")), _NEVER),
        "shelved",
    ),
    NotificationMutant(
        "lets no alarm through in quiet hours",
        Change(
            "missionops.domain.notification.quiet_hours",
            "QuietHours.until",
            edits.all_of(edits.is_if, edits.uses("below")),
            _NEVER,
        ),
        "critical_in_quiet_hours",
    ),
)
