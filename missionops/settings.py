"""Settings: read once from the environment (`MISSIONOPS_…`), and frozen; an error names each that is wrong."""

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
        raise ValueError("it must begin with postgresql://")
    return url


def _are_hosts(urls: str) -> str:
    for url in urls.split(","):
        try:
            parts = urlsplit(url.strip() if "://" in url else f"nats://{url.strip()}")
            is_server = parts.hostname and parts.port != 0
        except ValueError:
            is_server = False  # its message would repeat a part of the URL, perhaps a password
        if not is_server:
            raise ValueError("each server must look like nats://host:4222")
    return urls


def _are_origins(origins: str) -> str:
    for origin in filter(None, map(str.strip, origins.split(","))):
        if origin != "*" and not re.fullmatch(r"https?://[^/\s?#@]+", origin):
            raise ValueError("each origin must look like https://host:8443, without a path, or be *")
    return origins


def _user_in(url: str) -> str:
    """The user that a URL names with a password; empty for a name alone, which is a token and stays secret."""
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
        raise ValueError("it must be a subject such as _INBOX.service, without wildcards")
    return subject


def _not_empty(value: Any) -> Any:
    """Treat an empty variable as not set: a compose file passes one on for a variable that is not set."""
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
    """Where NATS is, and the user to connect as; the service and every command read these."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    nats_url: _NatsUrl = Field(
        "nats://127.0.0.1:4222", description="Where NATS is; several servers are separated by commas."
    )
    nats_user: _Text = Field(None, description="The NATS user to connect as, with its password.")
    nats_password: _Secret = Field(None, description="The password of that user.")
    nats_token: _Secret = Field(None, description="A token, for a server that has no users.")
    nats_nkey_file: _File = Field(None, description="A file with the seed of an nkey.")
    nats_credentials_file: _File = Field(None, description="A credentials file, with a JWT and its seed.")
    nats_ca_file: _File = Field(
        None, description="Certificates to check the server's with; those of the system if it is not set."
    )
    nats_cert_file: _File = Field(None, description="The client certificate, for a server that requires one.")
    nats_key_file: _File = Field(None, description="The private key of the client certificate.")
    nats_tls_first: bool = Field(default=False, description="Whether TLS starts before NATS sends anything.")
    nats_inbox_prefix: _Prefix = Field(
        None, description="The subject below which replies arrive; `_INBOX.<user>` if it is not set."
    )

    @model_validator(mode="after")
    def _check_credentials(self) -> Self:
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
        """The subject below which replies arrive: each user has another, and none can read another's replies."""
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
        description="off: no token, on loopback only; tokens: each request needs one; proxy: a proxy authenticates.",
    )
    cors_origins: _Origins = Field(
        "", description="Web origins whose pages may use HTTP, separated by commas; * allows all."
    )

    lease: float = Field(
        5, ge=0.1, le=3_600, description="Seconds after which a standby takes over from an owner that does not answer."
    )
    batch_parameters: int = Field(
        100_000, ge=1_000, description="About how many parameters one transaction stores at most."
    )
    pull_bytes: int = Field(
        4 << 20, ge=1 << 16, description="Bytes that one pull request fetches at most; never less than one message."
    )

    telemetry_max_bytes: int = Field(
        8 << 30, ge=1 << 20, description="Size at which the stream TELEMETRY refuses telemetry."
    )
    telemetry_max_age: _Seconds = Field(86_400, description="Seconds for which handled telemetry stays in the stream.")
    duplicate_window: _Seconds = Field(
        120, description="Seconds in which ANOMALIES, EVENTS and DEADLETTERS drop a message that comes again."
    )
    outgoing_max_age: _Seconds = Field(
        30 * 86_400, description="Seconds for which ANOMALIES, EVENTS and DEADLETTERS keep a message."
    )
    outgoing_max_bytes: int = Field(
        2 << 30,
        ge=16 << 20,
        description="Size at which ANOMALIES, EVENTS and DEADLETTERS each drop their oldest messages.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The lowest level that is logged."
    )
    log_format: Literal["auto", "text", "json"] = Field(
        "auto", description="`text`, `json`, or `auto`: text on a terminal and JSON elsewhere."
    )

    @property
    def allowed_origins(self) -> list[str]:
        """The origins in `cors_origins`."""
        return [origin for origin in map(str.strip, self.cors_origins.split(",")) if origin]


ANYBODY: dict[str, Any] = dict.fromkeys(name for name in NatsAccess.model_fields if name != "nats_url") | {
    "nats_tls_first": False
}
"""Arguments of `read` for a server without users: they override what the environment says about another server."""


def read(**given: object) -> Settings:
    """The settings from the environment, overridden by what is `given`; SetupError names each that is wrong."""
    try:
        return Settings(**given)  # type: ignore[arg-type] # pydantic checks them
    except ValidationError as error:
        raise _setup_error(error) from None


def read_access(**given: object) -> NatsAccess:
    """The settings of NATS alone, for commands that need no others; SetupError names each that is wrong."""
    try:
        return NatsAccess(**given)  # type: ignore[arg-type] # pydantic checks them
    except ValidationError as error:
        raise _setup_error(error) from None


def _setup_error(error: ValidationError) -> SetupError:
    sentences = []
    for fault in error.errors():
        name = str(fault["loc"][0] if fault["loc"] else "").upper()
        message = fault["msg"].removeprefix("Value error, ")
        if not name:
            sentences.append(message)
        elif name.endswith(_SECRET):  # the value is not shown: there may be a password in it
            sentences.append(f"{PREFIX}{name} cannot be used: {message}")
        else:
            sentences.append(f"{PREFIX}{name} is {fault['input']!r}: {message}")
    return SetupError("; ".join(sentences))


_SECRET = ("_URL", "_PASSWORD", "_TOKEN")
