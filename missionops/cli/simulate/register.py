"""Simulated missions registered with the service, with their limits."""

import msgspec
from nats.aio.client import Client

from missionops import errors
from missionops.cli.client import connection
from missionops.simulator.profile import Profile

SOURCE = {"Missionops-Source": "simulator"}


class _ConfigInForce(msgspec.Struct):
    config: object
    version: int


_decode = msgspec.json.Decoder(_ConfigInForce).decode


async def register(client: Client, profile: Profile, *, replace: bool) -> int:
    """Register a mission and put its limits in force; the version. Other limits stay in force unless `replace`."""
    names = {"name": profile.name, "missionType": profile.mission_type}
    subject = f"missionops.spacecraft.register.{profile.spacecraft_id}"
    await connection.request(client, subject, msgspec.json.encode(names))
    try:
        found = _decode(await connection.request(client, f"missionops.config.get.{profile.spacecraft_id}"))
    except errors.NotFound:
        found = None
    if found and (found.config == profile.config or not replace):
        return found.version
    subject = f"missionops.config.set.{profile.spacecraft_id}"
    return _decode(await connection.request(client, subject, msgspec.json.encode(profile.config), SOURCE)).version
