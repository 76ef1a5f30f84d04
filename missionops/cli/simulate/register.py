"""Simulated missions made known to the service: a registration, and limits."""

import msgspec
from nats.aio.client import Client

from missionops import errors
from missionops.cli.client import connection
from missionops.simulator.profile import Profile

SOURCE = {"Missionops-Source": "simulator"}


class _InForce(msgspec.Struct):
    config: object
    version: int


_decode = msgspec.json.Decoder(_InForce).decode


async def introduce(client: Client, profile: Profile, *, replace: bool) -> int:
    """Registers a mission and puts its limits in force; the version. Others are kept unless `replace`d."""
    about = {"name": profile.name, "missionType": profile.mission_type}
    subject = f"missionops.spacecraft.register.{profile.spacecraft_id}"
    await connection.request(client, subject, msgspec.json.encode(about))
    found = await _in_force(client, profile.spacecraft_id)
    if found and (found.config == profile.config or not replace):
        return found.version
    subject = f"missionops.config.set.{profile.spacecraft_id}"
    return _decode(await connection.request(client, subject, msgspec.json.encode(profile.config), SOURCE)).version


async def _in_force(client: Client, spacecraft_id: str) -> _InForce | None:
    try:
        return _decode(await connection.request(client, f"missionops.config.get.{spacecraft_id}"))
    except errors.NotFound:
        return None
