"""The dead letters in the stream DEADLETTERS: listed, read, published again as telemetry, and deleted."""

import json
from collections import deque
from collections.abc import Set as AbstractSet

import nats.errors
from nats.aio.client import Client

from missionops.broker import jetstream, permissions
from missionops.broker.streams import DEADLETTERS, TELEMETRY
from missionops.domain.dead_letter import SUBJECT, DeadLetter, DeadLetterSummary
from missionops.errors import TooLarge, Unavailable

_PAGE = 256
_PAGE_BYTES = 4 << 20
_PUBLISH_TIMEOUT = 2.0


class DeadLetterStream:
    """The dead letters of one NATS server."""

    def __init__(self, client: Client, page: int = _PAGE) -> None:
        self._client = client
        self._page = page

    async def newest(
        self, spacecraft_ids: AbstractSet[str] | None, before: int | None, count: int
    ) -> list[DeadLetterSummary]:
        """The newest letters before a sequence, newest first; of these spacecraft, or with None all."""
        state = (await jetstream.stream_info(self._client, DEADLETTERS))["state"]
        first, end = max(1, int(state["first_seq"])), int(state["last_seq"]) + 1
        if before is not None:
            end = min(end, before)
        one_subject = f"{SUBJECT}{next(iter(spacecraft_ids))}" if spacecraft_ids and len(spacecraft_ids) == 1 else None
        found: list[DeadLetterSummary] = []
        # A stream is read forwards only, so one range after the other from its end, each twice as long.
        length = max(self._page, count)
        while end > first and len(found) < count:
            start = max(first, end - length)
            in_range: deque[DeadLetterSummary] = deque(maxlen=count - len(found))
            async for message in jetstream.messages(
                self._client, DEADLETTERS, page=self._page, page_bytes=_PAGE_BYTES, subject=one_subject, seq=start
            ):
                if message.sequence >= end:
                    break
                letter = DeadLetter(*message)
                if spacecraft_ids is None or letter.spacecraft_id in spacecraft_ids:
                    in_range.append(letter.summary())
            found += reversed(in_range)
            end, length = start, 2 * length
        return found

    async def get(self, sequence: int) -> DeadLetter | None:
        """One letter; None if the stream does not hold it."""
        message = await jetstream.get_message(self._client, DEADLETTERS, sequence)
        return None if message is None else DeadLetter(*message)

    async def publish(self, letter: DeadLetter) -> None:
        """Publish the letter's body again as telemetry; Unavailable unless TELEMETRY acknowledges it."""
        subject = f"telemetry.{letter.spacecraft_id}"
        headers = {**letter.original_headers, "Nats-Msg-Id": letter.replay_id, "Nats-Expected-Stream": TELEMETRY}
        request = self._client.request(subject, letter.body, timeout=_PUBLISH_TIMEOUT, headers=headers)
        try:
            reply = await permissions.unless_refused(self._client, subject, request)
        except nats.errors.MaxPayloadError:
            raise TooLarge(f"It is larger than the {self._client.max_payload} bytes that NATS takes.") from None
        except (nats.errors.Error, OSError):
            raise Unavailable(f"The stream {TELEMETRY} does not acknowledge telemetry now.") from None
        response = json.loads(reply.data)
        if error := response.get("error"):
            raise Unavailable(f"The stream {TELEMETRY} refused it: {error.get('description', 'without a reason')}.")

    async def delete(self, sequence: int) -> None:
        """Delete a letter from the stream; nothing happens if it is gone already."""
        await jetstream.delete_message(self._client, DEADLETTERS, sequence)
