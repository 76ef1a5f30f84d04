"""All missions there are, and which faults are injected into which."""

from collections.abc import Iterable, Mapping

from missionops.errors import InvalidRequest
from missionops.simulator import cube, fault, geo_comms, gnss_nav, sat_imager
from missionops.simulator.fault import Injection
from missionops.simulator.profile import Profile

PROFILES: tuple[Profile, ...] = (sat_imager.PROFILE, gnss_nav.PROFILE, geo_comms.PROFILE, cube.PROFILE)

Injections = Mapping[str, tuple[Injection, ...]]
"""By the spacecraft's id."""


def find(names: Iterable[str]) -> tuple[Profile, ...]:
    """The missions of these spacecraft, in whatever case their ids are written; all where none is named."""
    known = {profile.spacecraft_id.lower(): profile for profile in PROFILES}
    found = dict.fromkeys(name.lower() for name in names)
    for name in found:
        if name not in known:
            raise InvalidRequest(f"There is no profile {name!r}; there are {', '.join(_ids(PROFILES))}.")
    return tuple(known[name] for name in found) or PROFILES


def inject(texts: Iterable[str], profiles: Iterable[Profile] = PROFILES) -> Injections:
    """Which spacecraft gets which of the faults in `texts`; InvalidRequest if one of them gets nowhere."""
    profiles = tuple(profiles)
    parsed = [_known(fault.parse(text), profiles) for text in texts]
    return {profile.spacecraft_id: tuple(one for one in parsed if _concerns(one, profile)) for profile in profiles}


def _known(injection: Injection, profiles: tuple[Profile, ...]) -> Injection:
    if not any(_concerns(injection, profile) for profile in profiles):
        owner = injection.spacecraft_id
        named = [profile for profile in profiles if owner in (None, profile.spacecraft_id)]
        if not named:
            raise InvalidRequest(f"No profile here is called {owner!r}; there are {', '.join(_ids(profiles))}.")
        names = sorted({one.name for profile in named for one in profile.faults})
        whose = f"{owner} has" if owner else f"{_all(profiles)} have"
        raise InvalidRequest(f"There is no fault {injection.name!r}; {whose} {', '.join(names)}.")
    return injection


def _concerns(injection: Injection, profile: Profile) -> bool:
    is_its = injection.spacecraft_id in (None, profile.spacecraft_id)
    return is_its and any(one.name == injection.name for one in profile.faults)


def _all(profiles: tuple[Profile, ...]) -> str:
    return "the profiles" if len(profiles) > 1 else profiles[0].spacecraft_id


def _ids(profiles: Iterable[Profile]) -> list[str]:
    return [profile.spacecraft_id for profile in profiles]
