"""Settings: read once from the environment (`MISSIONOPS_…`), frozen, and refused by name."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from missionops.errors import SetupError

PREFIX = "MISSIONOPS_"

_CENTURY = 100 * 365 * 86_400.0  # in nanoseconds it still fits 64 bits


def _is_postgresql(url: str) -> str:
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("it has to begin with postgresql://")
    return url


def _are_hosts(urls: str) -> str:
    for url in urls.split(","):
        try:
            parts = urlsplit(url.strip() if "://" in url else f"nats://{url.strip()}")
            is_server = parts.hostname and parts.port != 0
        except ValueError:
            is_server = False  # whose words would repeat a part of it
        if not is_server:
            raise ValueError("each server has to be like nats://host:4222")
    return urls


def _are_origins(origins: str) -> str:
    for origin in filter(None, map(str.strip, origins.split(","))):
        if origin != "*" and not re.fullmatch(r"https?://[^/\s?#@]+", origin):
            raise ValueError("each origin has to be like https://host:8443, without a path, or *")
    return origins


def _user_in(url: str) -> str:
    """The user whom a URL names with a password; a name alone is a token, and no business of anybody."""
    parts = urlsplit(url)
    return unquote(parts.username or "") if parts.password is not None else ""


def _is_readable(file: Path) -> Path:
    try:
        file.open("rb").close()
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror})") from None
    return file


def _is_prefix(subject: str) -> str:
    if not re.fullmatch(_NAME + rf"(\.{_NAME})*", subject):
        raise ValueError("it has to be a subject such as _INBOX.service, without wildcards")
    return subject


def _not_empty(value: Any) -> Any:
    """What a compose file passes on for a variable that is not set counts as not set."""
    return None if value == "" else value


_NAME = r"[^\s.*>]+"
_Optional = BeforeValidator(_not_empty)
_Text = Annotated[str | None, _Optional]
_Secret = Annotated[SecretStr | None, _Optional]
_File = Annotated[Annotated[Path, AfterValidator(_is_readable)] | None, _Optional]
_Prefix = Annotated[Annotated[str, AfterValidator(_is_prefix)] | None, _Optional]
_Seconds = Annotated[float, Field(gt=0, le=_CENTURY)]
_Origins = Annotated[str, AfterValidator(_are_origins)]
_Port = Annotated[int, Field(ge=0, le=65535)]
_NatsUrl = Annotated[str, AfterValidator(_are_hosts)]
_DatabaseUrl = Annotated[str, AfterValidator(_is_postgresql)]


class NatsAccess(BaseSettings):
    """Where NATS is, and as whom one comes there; the service and every command read these."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    nats_url: _NatsUrl = Field("nats://127.0.0.1:4222", description="Where NATS is; several servers by commas.")
    nats_user: _Text = Field(None, description="The user to come as, with its password.")
    nats_password: _Secret = Field(None, description="The user's password.")
    nats_token: _Secret = Field(None, description="A token, where the server knows no users.")
    nats_nkey_file: _File = Field(None, description="A file with the seed of an nkey.")
    nats_credentials_file: _File = Field(None, description="A credentials file, of a JWT and its seed.")
    nats_ca_file: _File = Field(None, description="Certificates to check the server by; the system's if not given.")
    nats_cert_file: _File = Field(None, description="Our own certificate, where the server asks for one.")
    nats_key_file: _File = Field(None, description="The key of our own certificate.")
    nats_tls_first: bool = Field(default=False, description="Whether TLS begins before NATS says anything.")
    nats_inbox_prefix: _Prefix = Field(None, description="Where replies come to; `_INBOX.<user>` if not given.")

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.nats_user is None) != (self.nats_password is None):
            raise ValueError("MISSIONOPS_NATS_USER and MISSIONOPS_NATS_PASSWORD go together")
        if (self.nats_cert_file is None) != (self.nats_key_file is None):
            raise ValueError("MISSIONOPS_NATS_CERT_FILE and MISSIONOPS_NATS_KEY_FILE go together")
        ways = [name for name in _WAYS if getattr(self, name) is not None]
        if len(ways) > 1:
            raise ValueError(f"only one may be set: {', '.join(PREFIX + name.upper() for name in ways)}")
        return self

    @property
    def inbox_prefix(self) -> str:
        """The subject below which replies come: of each user another one, so that none can read another's."""
        if self.nats_inbox_prefix:
            return self.nats_inbox_prefix
        user = self.nats_user or _user_in(self.nats_url.partition(",")[0].strip())
        return f"_INBOX.{user}" if re.fullmatch(_NAME, user) else "_INBOX"


_WAYS = ("nats_user", "nats_token", "nats_nkey_file", "nats_credentials_file")


class Settings(NatsAccess):
    """How the service reaches its servers and what it may use; see the table in the README."""

    database_url: _DatabaseUrl = Field("postgresql://127.0.0.1:5432/missionops", description="Where PostgreSQL is.")
    http_host: str = Field("127.0.0.1", description="The address that HTTP listens on.")
    http_port: _Port = Field(8000, description="The port that HTTP listens on; 0 picks a free one.")
    http_auth: Literal["off", "tokens", "proxy"] = Field(
        "off",
        description="off: HTTP is for anyone, on loopback alone; tokens: for who has one; proxy: for whom one lets in.",
    )
    cors_origins: _Origins = Field("", description="Web origins whose pages may ask, by commas; * means all.")

    lease: float = Field(
        5, ge=0.1, le=3_600, description="Seconds without a sign of life after which a standby takes over."
    )
    batch_parameters: int = Field(100_000, ge=1_000, description="Parameters that one transaction may hold, about.")
    pull_bytes: int = Field(
        4 << 20, ge=1 << 16, description="Bytes that one pull request may bring, at least a message."
    )

    telemetry_max_bytes: int = Field(8 << 30, ge=1 << 20, description="Size at which the stream refuses telemetry.")
    telemetry_max_age: _Seconds = Field(86_400, description="Seconds for which handled telemetry stays in the stream.")
    duplicate_window: _Seconds = Field(
        120, description="Seconds in which ANOMALIES, EVENTS and DEADLETTERS drop what the service publishes again."
    )
    outgoing_max_age: _Seconds = Field(30 * 86_400, description="Seconds for which anomalies and dead letters stay.")
    outgoing_max_bytes: int = Field(
        2 << 30,
        ge=16 << 20,
        description="Size at which the streams of anomalies, events, dead letters drop the oldest.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")
    log_format: Literal["auto", "text", "json"] = Field("auto", description="auto: text on a terminal, else JSON.")

    @property
    def allowed_origins(self) -> list[str]:
        """The origins in `cors_origins`."""
        return [origin for origin in map(str.strip, self.cors_origins.split(",")) if origin]


ANYBODY: dict[str, Any] = dict.fromkeys(name for name in NatsAccess.model_fields if name != "nats_url") | {
    "nats_tls_first": False
}
"""What to give for a server that asks nobody who he is, whatever the environment says of another one."""


def read(**given: object) -> Settings:
    """The settings from the environment, with what is `given` in their place; Unfit names each that is wrong."""
    try:
        return Settings(**given)  # type: ignore[arg-type] # pydantic checks them
    except ValidationError as error:
        raise _unfit(error) from None


def read_access(**given: object) -> NatsAccess:
    """What concerns NATS alone, for those who need nothing else; Unfit likewise."""
    try:
        return NatsAccess(**given)  # type: ignore[arg-type] # pydantic checks them
    except ValidationError as error:
        raise _unfit(error) from None


def _unfit(error: ValidationError) -> SetupError:
    return SetupError("; ".join(_fault(dict(fault)) for fault in error.errors()))


def _fault(fault: dict[str, object]) -> str:
    location = fault["loc"]
    name = str(location[0] if isinstance(location, tuple) and location else "").upper()
    said = str(fault["msg"]).removeprefix("Value error, ")
    if not name:
        return said
    if name.endswith(_SECRET):
        return f"{PREFIX}{name} cannot be used: {said}"  # not shown: there may be a password in it
    return f"{PREFIX}{name} is {fault['input']!r}: {said}"


_SECRET = ("_URL", "_PASSWORD", "_TOKEN")
