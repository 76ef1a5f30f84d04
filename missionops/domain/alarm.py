"""An alarm: an episode that was told, and what operators did about it; each change of it is a transition.

A transition changes the alarm, raises its revision by one and yields what is published: the alarm as it is then.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from missionops.domain import checks, timestamp
from missionops.domain.anomaly import Limit
from missionops.domain.episodes.episode import Episode, Reason, SampleAt
from missionops.domain.parameter_set import Value
from missionops.domain.recompute.matching import GoesOn
from missionops.domain.severity import AT_LEVEL, Severity
from missionops.domain.timestamp import Timestamp

SILENT = "SILENT"
"""The check that is about a whole spacecraft: nothing was received from it."""
CHECKS = (*checks.KINDS, SILENT)

MAX_COMMENTS = 30
"""Comments that an alarm shows; its history has all of them."""
_MAX_COMMENT_BYTES = 128 << 10
"""Of the comments that it shows, as JSON: an alarm is published as one message."""


class State(StrEnum):
    """Where an alarm stands."""

    ACTIVE_UNACKNOWLEDGED = "ACTIVE_UNACKNOWLEDGED"
    ACTIVE_ACKNOWLEDGED = "ACTIVE_ACKNOWLEDGED"
    RETURNED_UNACKNOWLEDGED = "RETURNED_UNACKNOWLEDGED"
    CLOSED = "CLOSED"
    RETRACTED = "RETRACTED"


class Transition(StrEnum):
    """What happened to an alarm."""

    RAISED = "RAISED"
    SEVERITY_INCREASED = "SEVERITY_INCREASED"
    RETURNED = "RETURNED"
    CLOSED = "CLOSED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    SHELVED = "SHELVED"
    UNSHELVED = "UNSHELVED"
    COMMENTED = "COMMENTED"
    REVISED = "REVISED"
    RETRACTED = "RETRACTED"


class Cause(msgspec.Struct, rename="camel"):
    """The limit at which the severity last rose, and what its rule says for people."""

    limit: Limit
    config_version: int
    description: str
    unit: str | None = None
    subsystem: str | None = None
    guidance: str | None = None
    documents: list[str] = []


class AlarmSample(msgspec.Struct, rename="camel"):
    """A value that was reported."""

    timestamp: Timestamp
    value: Value
    snapshot_id: str


class Acknowledgement(msgspec.Struct):
    """Who took note."""

    by: str
    at: Timestamp
    comment: str | None = None


class Comment(msgspec.Struct):
    """What somebody wrote to an alarm."""

    by: str
    at: Timestamp
    comment: str


class Shelf(msgspec.Struct):
    """That an alarm is put aside for a while."""

    by: str
    until: Timestamp
    reason: str


class AlarmRecord(msgspec.Struct, rename="camel"):
    """An alarm as it is published and answered."""

    id: str
    spacecraft_id: str
    parameter: str | None
    """Null for SILENT."""
    check: str
    severity: Severity
    level: Severity | None
    """That of the last sample; null where it is nominal."""
    state: State
    shelved: Shelf | None
    masked: bool
    start: Timestamp
    raised_at: Timestamp
    end: Timestamp | None
    found_at: Timestamp
    late: bool
    reason: Reason | None
    merged_into: str | None
    samples: int
    first: AlarmSample | None
    peak: AlarmSample | None
    last: AlarmSample | None
    limit: Limit
    config_version: int
    description: str
    unit: str | None
    subsystem: str | None
    guidance: str | None
    documents: list[str]
    acknowledged: Acknowledgement | None
    comments: list[Comment]
    revision: int
    updated_at: Timestamp


class AlarmMessage(msgspec.Struct):
    """A transition as it is published."""

    transition: Transition
    alarm: AlarmRecord
    by: str | None
    """Null: the service itself."""
    at: Timestamp


class Told(msgspec.Struct):
    """A transition that is to be kept and published."""

    alarm_id: str
    spacecraft_id: str
    revision: int
    comment: str | None
    message: AlarmMessage


class Alarm(msgspec.Struct):
    """An alarm as it is kept."""

    id: str
    spacecraft_id: str
    parameter: str
    """Empty for SILENT."""
    check: str
    episode: Episode
    cause: Cause
    found_at: datetime
    updated_at: datetime
    masked_by: str | None = None
    waits: bool = True
    """Whether it waits for an operator once it has returned."""
    is_late: bool = False
    is_retracted: bool = False
    merged_into: str | None = None
    acknowledged: Acknowledgement | None = None
    comments: list[Comment] = []
    revision: int = 0
    shelf: Shelf | None = None
    """Which shelf it is on now."""
    is_masked: bool = False
    """Whether the parameter that masks it has an active alarm now."""

    @property
    def state(self) -> State:
        """Where it stands."""
        if self.is_retracted:
            return State.RETRACTED
        if self.episode.end is None:
            return State.ACTIVE_ACKNOWLEDGED if self.acknowledged else State.ACTIVE_UNACKNOWLEDGED
        return State.RETURNED_UNACKNOWLEDGED if self.waits and not self.acknowledged else State.CLOSED

    def record(self) -> AlarmRecord:
        """The alarm as it is answered."""
        episode, facts, cause = self.episode, self.episode.facts, self.cause
        is_active = episode.end is None and not self.is_retracted
        return AlarmRecord(
            id=self.id,
            spacecraft_id=self.spacecraft_id,
            parameter=self.parameter or None,
            check=self.check,
            severity=AT_LEVEL[episode.severity],
            level=AT_LEVEL[facts.level] if is_active and facts.level else None,
            state=self.state,
            shelved=self.shelf,
            masked=self.is_masked,
            start=timestamp.from_microseconds(episode.start),
            raised_at=timestamp.from_microseconds(episode.raised_at[0]),
            end=None if episode.end is None else timestamp.from_microseconds(episode.end),
            found_at=self.found_at,
            late=self.is_late,
            reason=episode.reason,
            merged_into=self.merged_into,
            samples=facts.samples,
            first=_sample(facts.first),
            peak=_sample(facts.peak),
            last=_sample(facts.last),
            limit=cause.limit,
            config_version=cause.config_version,
            description=cause.description,
            unit=cause.unit,
            subsystem=cause.subsystem,
            guidance=cause.guidance,
            documents=cause.documents,
            acknowledged=self.acknowledged,
            comments=self.comments,
            revision=self.revision,
            updated_at=self.updated_at,
        )

    def tell(self, transition: Transition, at: datetime, by: str | None = None, comment: str | None = None) -> Told:
        """Count a transition that has just changed it."""
        self.revision += 1
        self.updated_at = at
        message = AlarmMessage(transition, self.record(), by, at)
        return Told(self.id, self.spacecraft_id, self.revision, comment, message)

    def begin(self, at: datetime) -> Iterator[Told]:
        """It was found: the first message is always that it was raised, also where it has returned since."""
        now = self.episode
        self.episode = _still_open(now)
        yield self.tell(Transition.RAISED, at)
        self.episode = now
        if now.end is not None:
            yield self.tell(Transition.RETURNED, at)
        if self.state is State.CLOSED:
            yield self.tell(Transition.CLOSED, at)

    def go_on(self, becomes: GoesOn, at: datetime) -> Iterator[Told]:
        """It goes on as an episode that was found anew; an acknowledgement of something less bad is taken back.

        Each message has what it and those before it tell, and nothing of what only the next one tells.
        """
        was, now, state = self.episode, becomes.episode, self.state
        self.waits = now.rises[-1].waits
        if becomes.has_risen or becomes.is_active_again:
            self.acknowledged = None
        if becomes.has_risen:
            rises = [was.rises[0], *now.rises]
            self.episode = msgspec.structs.replace(
                now, start=was.start, rises=rises, end=was.end, closed_at=was.closed_at, reason=was.reason
            )
            yield self.tell(Transition.SEVERITY_INCREASED, at)
        self.episode = _still_open(now) if becomes.has_returned else now
        waits_again = state is State.CLOSED and self.state is State.RETURNED_UNACKNOWLEDGED
        if becomes.is_revised or (waits_again and not becomes.has_risen):
            yield self.tell(Transition.REVISED, at)
        self.episode = now
        if becomes.has_returned:
            yield self.tell(Transition.RETURNED, at)
        if self.state is State.CLOSED and state is not State.CLOSED:
            yield self.tell(Transition.CLOSED, at)

    def retract(self, merged_into: str | None, at: datetime) -> Told:
        """Later telemetry has shown that it was none, or that it is a part of another one."""
        self.is_retracted, self.merged_into = True, merged_into
        return self.tell(Transition.RETRACTED, at)

    def acknowledge(self, by: str, at: datetime, comment: str | None) -> Iterator[Told]:
        """Somebody took note of it."""
        had_returned = self.episode.end is not None
        self.acknowledged = Acknowledgement(by, at, comment)
        yield self.tell(Transition.ACKNOWLEDGED, at, by, comment)
        if had_returned:
            yield self.tell(Transition.CLOSED, at, by)

    def add_comment(self, by: str, at: datetime, comment: str) -> Told:
        """Somebody wrote to it."""
        self.comments = [*self.comments, Comment(by, at, comment)][-MAX_COMMENTS:]
        while len(self.comments) > 1 and len(msgspec.json.encode(self.comments)) > _MAX_COMMENT_BYTES:
            del self.comments[0]
        return self.tell(Transition.COMMENTED, at, by, comment)


def cause(parameter: str, check: str, episode: Episode, rule: Mapping[str, Any]) -> Cause:
    """What is told of the limit at which the severity of an episode last rose; `rule` is the rule of that version."""
    rise = episode.rises[-1]
    return Cause(
        Limit(rise.limit, rise.bound),
        rise.version,
        checks.KINDS[check].describe(parameter, rise.limit, rise.bound),
        rule.get("unit"),
        rule.get("subsystem"),
        rule.get("guidance"),
        rule.get("documents") or [],
    )


def _still_open(episode: Episode) -> Episode:
    return msgspec.structs.replace(episode, end=None, closed_at=None, reason=None)


def _sample(found: SampleAt | None) -> AlarmSample | None:
    if found is None:
        return None
    return AlarmSample(timestamp.from_microseconds(found.position[1]), found.value, found.position[2])
