"""All simulated missions, and the faults that are injected into each."""

from collections.abc import Iterable, Mapping

from missionops.errors import InvalidRequest
from missionops.simulator import cube, fault, geo_comms, gnss_nav, sat_imager
from missionops.simulator.fault import Injection
from missionops.simulator.profile import Profile

PROFILES: tuple[Profile, ...] = (sat_imager.PROFILE, gnss_nav.PROFILE, geo_comms.PROFILE, cube.PROFILE)

Injections = Mapping[str, tuple[Injection, ...]]
"""By the spacecraft's id."""


def find(names: Iterable[str]) -> tuple[Profile, ...]:
    """The missions of these spacecraft, their ids in any case; all missions where none is named."""
    known = {profile.spacecraft_id.lower(): profile for profile in PROFILES}
    found = []
    for name in names:
        if name.lower() not in known:
            raise InvalidRequest(f"There is no profile {name!r}; there are {_all(PROFILES)}.")
        found.append(known[name.lower()])
    return tuple(dict.fromkeys(found)) or PROFILES


def inject(texts: Iterable[str], profiles: Iterable[Profile] = PROFILES) -> Injections:
    """The faults in `texts` by spacecraft; InvalidRequest if no spacecraft can have one of them."""
    profiles = tuple(profiles)
    parsed = [fault.parse(text) for text in texts]
    for injection in parsed:
        if any(_concerns(injection, profile) for profile in profiles):
            continue
        named = [profile for profile in profiles if injection.spacecraft_id in (None, profile.spacecraft_id)]
        if not named:
            raise InvalidRequest(f"No profile here is called {injection.spacecraft_id!r}; there is {_all(profiles)}.")
        names = sorted({one.name for profile in named for one in profile.faults})
        raise InvalidRequest(f"There is no fault {injection.name!r} of {_all(named)}; there is {', '.join(names)}.")
    return {profile.spacecraft_id: tuple(one for one in parsed if _concerns(one, profile)) for profile in profiles}


def _concerns(injection: Injection, profile: Profile) -> bool:
    is_its = injection.spacecraft_id in (None, profile.spacecraft_id)
    return is_its and any(one.name == injection.name for one in profile.faults)


def _all(profiles: Iterable[Profile]) -> str:
    return ", ".join(profile.spacecraft_id for profile in profiles)
