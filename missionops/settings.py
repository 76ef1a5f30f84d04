"""Settings, read once from the environment (`MISSIONOPS_…`) and frozen; an error names each one that is wrong."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from missionops.errors import SetupError

PREFIX = "MISSIONOPS_"

_CENTURY = 100 * 365 * 86_400.0  # seconds; in nanoseconds they still fit into 64 bits


def _check_database_url(url: str) -> str:
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("it must begin with postgresql://")
    return url


def _check_nats_url(urls: str) -> str:
    for url in urls.split(","):
        try:
            parts = urlsplit(url.strip() if "://" in url else f"nats://{url.strip()}")
            is_server = parts.hostname and parts.port != 0
        except ValueError:
            is_server = False  # the ValueError is not shown: it repeats a part of the URL, perhaps a password
        if not is_server:
            raise ValueError("each server must look like nats://host:4222")
    return urls


def _check_origins(origins: str) -> str:
    for origin in filter(None, map(str.strip, origins.split(","))):
        if origin != "*" and not re.fullmatch(r"https?://[^/\s?#@]+", origin):
            raise ValueError("each origin must look like https://host:8443, without a path, or be *")
    return origins


def _check_readable(file: Path) -> Path:
    try:
        file.open("rb").close()
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror})") from None
    return file


def _check_prefix(subject: str) -> str:
    if not re.fullmatch(_NAME + rf"(\.{_NAME})*", subject):
        raise ValueError("it must be a subject such as _INBOX.service, without wildcards")
    return subject


def _check_header(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", name):
        raise ValueError("it must be the name of a header, such as X-Forwarded-User")
    return name


def _empty_as_none(value: Any) -> Any:
    """An empty variable counts as not set, because compose.yaml passes on an empty one for each that is not set."""
    return None if value == "" else value


_NAME = r"[^\s.*>]+"
_Optional = BeforeValidator(_empty_as_none)
_Text = Annotated[str | None, _Optional]
_Secret = Annotated[SecretStr | None, _Optional]
_File = Annotated[Annotated[Path, AfterValidator(_check_readable)] | None, _Optional]
_Prefix = Annotated[Annotated[str, AfterValidator(_check_prefix)] | None, _Optional]
_Header = Annotated[Annotated[str, AfterValidator(_check_header)] | None, _Optional]
_Seconds = Annotated[float, Field(gt=0, le=_CENTURY)]
_Origins = Annotated[str, AfterValidator(_check_origins)]
_Port = Annotated[int, Field(ge=0, le=65535)]
_NatsUrl = Annotated[str, AfterValidator(_check_nats_url)]
_DatabaseUrl = Annotated[str, AfterValidator(_check_database_url)]


class NatsAccess(BaseSettings):
    """The address of NATS and the user to connect as; the service and every command read these."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    nats_url: _NatsUrl = Field(
        "nats://127.0.0.1:4222", description="The address of NATS; several servers are separated by commas."
    )
    nats_user: _Text = Field(None, description="The NATS user to connect as, with its password.")
    nats_password: _Secret = Field(None, description="The password of that user.")
    nats_token: _Secret = Field(None, description="A token, for a server that has no users.")
    nats_nkey_file: _File = Field(None, description="A file with the seed of an nkey.")
    nats_credentials_file: _File = Field(None, description="A credentials file, with a JWT and its seed.")
    nats_ca_file: _File = Field(
        None,
        description="A file with the CA certificates that NATS is checked with; those of the system if it is not set.",
    )
    nats_cert_file: _File = Field(
        None, description="A file with the client certificate, for a server that requires one."
    )
    nats_key_file: _File = Field(None, description="A file with the private key of the client certificate.")
    nats_tls_first: bool = Field(
        default=False, description="Whether the TLS handshake comes first, before NATS sends its INFO."
    )
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
        """The subject below which replies arrive: each user has his own, and nobody can read another user's replies."""
        if self.nats_inbox_prefix:
            return self.nats_inbox_prefix
        parts = urlsplit(self.nats_url.partition(",")[0].strip())
        # A name without a password in the URL is a token, which must stay secret.
        in_url = unquote(parts.username or "") if parts.password is not None else ""
        user = self.nats_user or in_url
        return f"_INBOX.{user}" if re.fullmatch(_NAME, user) else "_INBOX"


_WAYS = ("nats_user", "nats_token", "nats_nkey_file", "nats_credentials_file")


class Settings(NatsAccess):
    """All settings of the service; docs/running.md has them in a table."""

    database_url: _DatabaseUrl = Field(
        "postgresql://127.0.0.1:5432/missionops", description="The address of PostgreSQL."
    )
    http_host: str = Field("127.0.0.1", description="The address that HTTP listens on.")
    http_port: _Port = Field(8000, description="The port that HTTP listens on; 0 picks a free one.")
    http_auth: Literal["off", "tokens", "proxy"] = Field(
        "off",
        description="off: no token, on loopback only; tokens: each request needs one; proxy: a proxy authenticates.",
    )
    http_user_header: _Header = Field(
        None,
        description="The header in which the proxy names the user (with `proxy`); without it nobody knows who acts.",
    )
    cors_origins: _Origins = Field(
        "", description="Origins of web pages that may use HTTP (CORS), separated by commas; * allows all."
    )

    lease: float = Field(
        5,
        ge=0.1,
        le=3_600,
        description="Seconds after which a standby takes over from an owner that has not renewed its lease.",
    )
    batch_parameters: int = Field(
        100_000, ge=1_000, description="How many parameters, roughly, one transaction stores at most."
    )
    pull_bytes: int = Field(
        4 << 20,
        ge=1 << 16,
        description="How many bytes one pull request fetches at most; at least one message in any case.",
    )

    telemetry_max_bytes: int = Field(
        8 << 30, ge=1 << 20, description="Size in bytes at which the stream TELEMETRY refuses more telemetry."
    )
    telemetry_max_age: _Seconds = Field(
        86_400, description="Seconds for which handled telemetry stays in the stream TELEMETRY."
    )
    duplicate_window: _Seconds = Field(
        120, description="Seconds in which ANOMALIES, ALARMS, EVENTS and DEADLETTERS drop a message with a repeated id."
    )
    outgoing_max_age: _Seconds = Field(
        30 * 86_400, description="Seconds for which ANOMALIES, ALARMS, EVENTS and DEADLETTERS keep a message."
    )
    outgoing_max_bytes: int = Field(
        2 << 30,
        ge=16 << 20,
        description="Size in bytes at which ANOMALIES, ALARMS, EVENTS and DEADLETTERS each drop their oldest messages.",
    )

    notify_file: _File = Field(
        None, description="A TOML file that says who is told of which alarms; nobody is if it is not set."
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The lowest level that is logged."
    )
    log_format: Literal["auto", "text", "json"] = Field(
        "auto", description="`text`, `json`, or `auto`: text on a terminal and JSON elsewhere."
    )

    @model_validator(mode="after")
    def _check_user_header(self) -> Self:
        if self.http_user_header and self.http_auth != "proxy":
            raise ValueError(
                "MISSIONOPS_HTTP_USER_HEADER needs MISSIONOPS_HTTP_AUTH=proxy: anybody could set the header"
            )
        return self

    @property
    def allowed_origins(self) -> list[str]:
        """The origins in `cors_origins`."""
        return [origin for origin in map(str.strip, self.cors_origins.split(",")) if origin]


ANYBODY: dict[str, Any] = dict.fromkeys(name for name in NatsAccess.model_fields if name != "nats_url") | {
    "nats_tls_first": False
}
"""Arguments of `read` for a server without users: they override what the environment says about another server."""


def read(**given: object) -> Settings:
    """The settings from the environment, overridden by those `given`; SetupError names each one that is wrong."""
    try:
        return Settings(**given)  # type: ignore[arg-type] # pydantic checks them
    except ValidationError as error:
        raise _setup_error(error) from None


def read_access(**given: object) -> NatsAccess:
    """The settings of NATS, for commands that need no others; SetupError names each one that is wrong."""
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
        elif name.endswith(_SECRET):  # the value is not shown, because it may contain a password
            sentences.append(f"{PREFIX}{name} cannot be used: {message}")
        else:
            sentences.append(f"{PREFIX}{name} is {fault['input']!r}: {message}")
    return SetupError("; ".join(sentences))


_SECRET = ("_URL", "_PASSWORD", "_TOKEN")  # endings of the names of settings
