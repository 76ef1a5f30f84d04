"""Settings: read once from the environment (`MISSIONOPS_…`), frozen, and refused by name."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from missionops.errors import Unfit

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


_Seconds = Annotated[float, Field(gt=0, le=_CENTURY)]
_Origins = Annotated[str, AfterValidator(_are_origins)]
_Port = Annotated[int, Field(ge=0, le=65535)]
_NatsUrl = Annotated[str, AfterValidator(_are_hosts)]
_DatabaseUrl = Annotated[str, AfterValidator(_is_postgresql)]


class Settings(BaseSettings):
    """How the service reaches its servers and what it may use; see the table in the README."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    nats_url: _NatsUrl = Field("nats://127.0.0.1:4222", description="Where NATS is; several servers by commas.")
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
    duplicate_window: _Seconds = Field(120, description="Seconds in which the streams drop a repeated Nats-Msg-Id.")
    outgoing_max_age: _Seconds = Field(30 * 86_400, description="Seconds for which anomalies and dead letters stay.")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")
    log_format: Literal["auto", "text", "json"] = Field("auto", description="auto: text on a terminal, else JSON.")

    @property
    def allowed_origins(self) -> list[str]:
        """The origins in `cors_origins`."""
        return [origin for origin in map(str.strip, self.cors_origins.split(",")) if origin]


def read(**given: object) -> Settings:
    """The settings from the environment, with what is `given` in their place; Unfit names each that is wrong."""
    try:
        return Settings(**given)  # type: ignore[arg-type] # pydantic checks them
    except ValidationError as error:
        raise Unfit("; ".join(_fault(dict(fault)) for fault in error.errors())) from None


def _fault(fault: dict[str, object]) -> str:
    location = fault["loc"]
    name = str(location[0] if isinstance(location, tuple) and location else "").upper()
    if name.endswith("_URL"):
        return f"{PREFIX}{name} cannot be used: {fault['msg']}"  # not shown: there may be a password in it
    return f"{PREFIX}{name} is {fault['input']!r}: {fault['msg']}"
