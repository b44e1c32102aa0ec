"""Configuration: environment variables (``HEXAR_*``) over ``hexar.yaml`` over the defaults here.

Nested values take two underscores: ``HEXAR_CACHE__MEMORY_MB=512``. ``HEXAR_CONFIG`` names the file; without it ``hexar.yaml``
in the working directory is read where it exists. What is here holds for the server as a whole; each system adds fields of its
own (:meth:`Settings.composed`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, create_model, field_validator, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from hexar.core.redis.link import check_address
from hexar.core.resilience.rate_limits import Rate
from hexar.core.store.database import store_url
from hexar.server.calls.auth.settings import AuthConfig
from hexar.server.calls.interceptors.rate import Rates
from hexar.server.calls.interceptors.streams import OpenStreams
from hexar.server.settings.models import EmbeddingsConfig, LlmConfig
from hexar.server.settings.monitor import MonitorConfig

S = TypeVar("S")
Seconds = Annotated[float, Field(gt=0)]


class Strict(BaseModel):
    """A section: an unknown name is an error, not a silent no-op."""

    model_config = ConfigDict(extra="forbid")


class CacheConfig(Strict):
    """Sizes of the tiers and of what is remembered beside them, and times to live by kind (seconds) where they differ from the
    defaults."""

    memory_mb: int = Field(default=256, ge=1)
    disk_mb: int = Field(default=2048, ge=0, description="0: no disk tier")
    memo_mb: int = Field(default=64, ge=1, description="what was worked out from texts and requests: words, stems, plans")
    resume_mb: int = Field(default=64, ge=1, description="logs of answers that ended and can still be resumed")
    ttl: dict[str, Seconds] = {}


class DispatchConfig(Strict):
    """Threads and queue of one agent, and when its circuit breaker opens."""

    threads: int = Field(default=8, ge=1, le=1024)
    queue: int = Field(default=64, ge=0)
    breaker_threshold: int = Field(default=5, ge=1)
    breaker_open_seconds: Seconds = 60.0


class JobsConfig(Strict):
    """Workers of background jobs; a lease is renewed every third of its length."""

    workers: int = Field(default=3, ge=0, le=256)
    lease_seconds: Seconds = 15.0
    poll_seconds: Seconds = 1.0


class RateConfig(Strict):
    """Requests of one tenant: so many a second in the long run, and up to ``burst`` at once (unset: a second's worth)."""

    requests_per_second: float = Field(gt=0, le=100_000)
    burst: int | None = Field(default=None, ge=1, le=1_000_000)

    def rate(self) -> Rate:
        """As the limiter takes it."""
        return Rate(self.requests_per_second, self.burst or max(1, math.ceil(self.requests_per_second)))


class RatesConfig(Strict):
    """Rates of requests by tenant. Empty: no limit.

    ``requests_per_second`` and ``burst`` hold for each tenant, ``user`` for each user of one (the ``sub`` of a JWT, or an API
    key); ``tenants`` gives some another rate (null: no limit);
    ``methods`` limits, for each tenant, a method ("hexar.v1.OpsService/GetStatus") or a service besides.
    """

    requests_per_second: float | None = Field(default=None, gt=0, le=100_000)
    burst: int | None = Field(default=None, ge=1, le=1_000_000)
    tenants: dict[str, RateConfig | None] = {}
    methods: dict[str, RateConfig] = {}
    user: RateConfig | None = None

    @model_validator(mode="after")
    def _a_burst_of_something(self) -> Self:
        if self.burst is not None and self.requests_per_second is None:
            raise ValueError("burst needs requests_per_second")
        return self

    def rates(self) -> Rates:
        """As the interceptor takes it."""
        default = None
        if self.requests_per_second is not None:
            default = RateConfig(requests_per_second=self.requests_per_second, burst=self.burst).rate()
        return Rates(
            default,
            {tenant: None if row is None else row.rate() for tenant, row in self.tenants.items()},
            {method: row.rate() for method, row in self.methods.items()},
            None if self.user is None else self.user.rate(),
        )


class StreamsConfig(Strict):
    """Streams that are open at once, of a tenant and of each of its users. Empty: no limit but the tenant's share of calls."""

    tenant: int | None = Field(default=None, ge=1)
    user: int | None = Field(default=None, ge=1)

    def limits(self) -> OpenStreams:
        """As the interceptor takes it."""
        return OpenStreams(self.tenant, self.user)


class LimitsConfig(Strict):
    """Calls that may work at once in a process at most, requests a second and open streams by tenant, the size of a message,
    what a tenant may keep, and how long a lost caller is waited for at most."""

    concurrent_calls: int = Field(default=1000, ge=1)
    rate: RatesConfig = RatesConfig()
    streams: StreamsConfig = StreamsConfig()
    tenant_jobs: int = Field(default=10_000, ge=1, description="jobs of a tenant that have not ended")
    tenant_portfolios: int = Field(default=100_000, ge=1)
    upload_mb: int = Field(default=4096, ge=32, description="of the documents that arrive at a time, most of it on disk")
    message_mb: int = Field(default=8, ge=1)
    linger_seconds: float = Field(default=10.0, ge=0, le=300)
    connection_seconds: float = Field(default=30.0, ge=1, description="age at which a connection to one of several is renewed")


class TlsConfig(Strict):
    """PEM files of the server's certificate. ``client_ca``: only clients with a certificate of this authority."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class Settings(BaseSettings):
    """The whole configuration of one server."""

    # Addresses hold passwords: what is wrong with one is told without showing it.
    model_config = SettingsConfigDict(env_prefix="HEXAR_", env_nested_delimiter="__", extra="forbid", hide_input_in_errors=True)

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=50051, ge=0, le=65535, description="0: any free port")
    workers: int = Field(default=1, ge=1, le=256, description="processes that share the port (they need redis_url)")
    cpu_affinity: bool = Field(
        default=False, description="whether the event loop and its helpers keep to one CPU, as long as others leave it free"
    )
    metrics_port: int | None = Field(default=None, ge=0, le=65535, description="Prometheus endpoint; unset: none")
    dashboard_address: str | None = Field(
        default=None, pattern=r"^[^\s]+:[0-9]{1,5}$", description="host:port of the operators' page; unset: none"
    )
    data_dir: Path = Path(".hexar")
    database_url: SecretStr | None = Field(
        default=None, description="postgresql://user:password@host:5432/name; unset: SQLite in data_dir"
    )
    database_connections: int = Field(default=16, ge=2, le=1000, description="most connections of a process to PostgreSQL")
    database_wait_seconds: float = Field(default=30.0, ge=0, description="how long a start waits for PostgreSQL")
    redis_timeout: Seconds = Field(default=0.05, description="how long a command may take before Redis counts as gone")
    redis_url: SecretStr | None = Field(
        default=None,
        description="redis://, rediss://, unix://, redis+sentinel://host:port,host:port/service/db or "
        "redis+cluster://host:port,host:port; shared caches of several processes, instead of the disk tier",
    )
    drain_seconds: float = Field(default=20.0, ge=0)
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    cache: CacheConfig = CacheConfig()
    dispatch: DispatchConfig = DispatchConfig()
    jobs: JobsConfig = JobsConfig()
    auth: AuthConfig = AuthConfig()
    limits: LimitsConfig = LimitsConfig()
    tls: TlsConfig | None = None
    llm: LlmConfig = LlmConfig()
    embeddings: EmbeddingsConfig = EmbeddingsConfig()
    monitor: MonitorConfig = MonitorConfig()

    #: Methods and services that a rate may name, and cache kinds that a time to live may name.
    _methods: ClassVar[frozenset[str]] = frozenset()
    _kinds: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def composed(cls, sections: Iterable[type[BaseModel]], methods: Iterable[str], kinds: Iterable[str]) -> type[Settings]:
        """The configuration of a server whose systems add the fields of ``sections``, have ``methods`` and cache ``kinds``."""
        sections = tuple(sections)
        taken = dict.fromkeys(cls.model_fields, cls.__name__)
        for section in sections:
            for name in section.model_fields:
                if name in taken:
                    raise ValueError(f"{section.__name__}.{name}: {taken[name]} has a field of that name")
                taken[name] = section.__name__
        bases = (*sections, cls)
        made = cast("type[Settings]", create_model("Settings", __base__=bases, __module__=__name__, __doc__=cls.__doc__))
        made._methods, made._kinds = frozenset(methods), frozenset(kinds)
        return made

    def section(self, kind: type[S]) -> S:
        """These settings as ``kind``, a model that a system added to them."""
        if not isinstance(self, kind):
            raise TypeError(f"{kind.__name__} is no part of these settings: the system that adds it is not in the list")
        return self

    @model_validator(mode="after")
    def _names_what_there_is(self) -> Self:
        for name in sorted(set(self.limits.rate.methods) - self._methods):
            raise ValueError(f"limits.rate.methods: {name}: no such method or service in the contract")
        for name in sorted(set(self.cache.ttl) - self._kinds):
            raise ValueError(f"cache.ttl.{name}: no such kind; known are {', '.join(sorted(self._kinds))}")
        return self

    @field_validator("redis_url")
    @classmethod
    def _an_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            check_address(url.get_secret_value())
        return url

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and store_url(value.get_secret_value()).get_backend_name() != "postgresql":
            raise ValueError("must begin with postgresql://; the embedded store needs no address")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the file."""
        return (init_settings, env_settings, InitSettingsSource(settings_cls, _file_values()))


def _file_values() -> dict[str, Any]:
    named = os.environ.get("HEXAR_CONFIG")
    path = Path(named or "hexar.yaml")
    if not path.is_file():
        if named:
            raise ValueError(f"HEXAR_CONFIG names {named}, which is not a file")
        return {}
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise ValueError(f"{path}: not YAML{where}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ValueError(f"{path} must hold a mapping")
    return values
