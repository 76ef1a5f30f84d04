"""A publisher that attacks beside the honest one, from spacecraft of its own, and keeps what it sent."""

import asyncio
import contextlib
import hashlib
import json
import time
from collections import Counter
from random import Random
from typing import NamedTuple

from nats.aio.client import Client
from nats.aio.msg import Msg

from tests.resilience import attacks
from tests.resilience.attacks import HOSTILE, Attack, AttackMessage
from tests.resilience.config_client import ConfigClient
from tests.resilience.environment import AWAY, Environment
from tests.resilience.publisher import SPACECRAFT, SentMessage

_LIGHT_PAUSE = 0.2
"""Seconds, at most, between two light attacks."""
_HEAVY_PAUSE = (2.0, 6.0)
"""Seconds between two heavy attacks: one of them takes the service about a second of CPU time."""
_CONFIG_PAUSE = (5.0, 20.0)
_REPEATS = 0.02
"""How often an honest message id is repeated."""


class Attempt(NamedTuple):
    """A message that was sent once, and may be in the stream or not."""

    message: SentMessage
    reply: str


class HostilePublisher:
    """Attacks until it is stopped, waits for no answer, and does not send a message twice.

    Which of its messages are in the stream, the stream says: each is known by `digest`. A heavy attack is sent
    only when the one before it is handled: on a slow machine the backlog would grow without an end.
    """

    def __init__(self, client: Client, configs: ConfigClient, random: Random, environment: Environment) -> None:
        self._client = client
        self.configs = configs
        self._random = random
        self._environment = environment
        self.sent: dict[bytes, Attempt] = {}
        """By digest."""
        self.attacks: Counter[str] = Counter()
        self.confirmed = configs.confirmed

    async def run(self) -> None:
        """Attack, without an end."""
        for honest in SPACECRAFT:
            await self._client.subscribe(f"telemetry.{honest}", cb=self._repeat_message_id)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._change_configs())
            tasks.create_task(self._attack_lightly(Random(self._random.getrandbits(64))))
            tasks.create_task(self._attack_heavily(Random(self._random.getrandbits(64))))

    async def _attack_lightly(self, random: Random) -> None:
        while True:
            await asyncio.sleep(random.uniform(0, _LIGHT_PAUSE))
            await self._attack(random.choice(attacks.LIGHT), random)

    async def _attack_heavily(self, random: Random) -> None:
        last = 0
        while True:
            await asyncio.sleep(random.uniform(*_HEAVY_PAUSE))
            with contextlib.suppress(*AWAY):
                if await self._environment.handled_sequence() >= last:
                    await self._attack(random.choice(attacks.HEAVY), random)
                    await self._client.flush()
                    last = await self._environment.last_sequence()

    async def _attack(self, attack: Attack, random: Random) -> None:
        self.attacks[attack.__name__.replace("_", " ")] += 1
        for message in attack(random):
            await self.send(message)
            await asyncio.sleep(0)

    async def _change_configs(self) -> None:
        random = Random(self._random.getrandbits(64))
        for token in HOSTILE:
            await self.configs.set(token, attacks.config(random, token))
        while True:
            await asyncio.sleep(random.uniform(*_CONFIG_PAUSE))
            token = random.choice(HOSTILE)
            await self.configs.set(token, attacks.config(random, token))

    async def _repeat_message_id(self, message: Msg) -> None:
        """Use the message id of an honest message, within the time in which the stream drops repeats of it."""
        message_id = (message.headers or {}).get("Nats-Msg-Id")
        if message_id and self._random.random() < _REPEATS:
            self.attacks["repeated id"] += 1
            await self.send(attacks.repeated_id(self._random, message_id))

    async def send(self, attack: AttackMessage) -> None:
        """Send one message, once."""
        subject = f"telemetry.{attack.token}"
        message = SentMessage(attack.token, attack.items, is_array=attack.is_array)
        message.attempts.append(time.monotonic())
        self.sent[digest(attack.token, attack.body)] = Attempt(message, attack.reply)
        with contextlib.suppress(*AWAY):
            if attack.block is None:
                headers = dict(attack.headers) or None
                await self._client.publish(subject, attack.body, reply=attack.reply, headers=headers)
            else:
                await self._send_raw(subject, attack.block, attack.body)

    async def _send_raw(self, subject: str, block: bytes, body: bytes) -> None:
        """Send headers that a client would refuse, on a connection of their own."""
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._environment.network.port)
            try:
                await reader.readline()  # INFO
                options = json.dumps({"verbose": False, "pedantic": False, "headers": True})
                sizes = f"{len(block)} {len(block) + len(body)}"
                writer.write(
                    f"CONNECT {options}\r\nHPUB {subject} {sizes}\r\n".encode() + block + body + b"\r\nPING\r\n"
                )
                await writer.drain()
                await reader.readline()  # PONG: the server has it
            finally:
                writer.close()


def digest(token: str, body: bytes) -> bytes:
    """What identifies a hostile message."""
    return hashlib.blake2b(token.encode() + b"\0" + body, digest_size=16).digest()
