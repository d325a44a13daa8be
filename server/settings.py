"""Settings: every environment variable the server reads, with its default and its meaning."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from db.roles import Roles
from db.url import asyncpg_dsn
from registry.files.shelves import Shelves
from registry.webhooks.hook_urls import TrustedHosts
from registry.webhooks.vault import MIN_SECRET_KEY, Vault
from server.errors import NotConfigured
from storage.config import StoreConfig

FRAMEWORKS: Final = ("sklearn", "tensorflow", "pytorch", "xgboost", "lightgbm", "onnx", "custom")
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")


class Settings(BaseSettings):
    """The configuration of one process, frozen at its start. With nothing set it runs on its embedded services."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    debug: bool = Field(False, description="Human-readable logs at level DEBUG instead of JSON.")
    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="The port to listen on.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="The least severe log entry.")

    database_url: SecretStr | None = Field(
        None, description="PostgreSQL 15 or later, as `postgresql://…`. Unset: an embedded PostgreSQL."
    )
    migration_database_url: SecretStr | None = Field(
        None, description="The login that bootstraps and migrates. Unset: `DATABASE_URL`."
    )
    listen_database_url: SecretStr | None = Field(
        None,
        description="The same database past a pooler in transaction mode, for the one connection of each process that"
        " wakes the others. Unset: `DATABASE_URL`.",
    )
    database_pool_size: int = Field(
        10, ge=1, le=200, description="Connections each process opens at most, besides three for probes and the feed."
    )
    database_role_prefix: str = Field("registry", description="What the names of the three database roles begin with.")

    redis_url: SecretStr | None = Field(None, description="Accepted and not used yet: caches live in the process.")
    redis_ttl: int = Field(300, ge=1, description="Seconds. Accepted and not used yet.")

    minio_endpoint: str | None = Field(
        None, description="Any S3 server, as `https://host:port`. Unset: an embedded S3 server."
    )
    minio_public_endpoint: str | None = Field(
        None, description="The same server as clients reach it; presigned URLs carry it. Unset: `MINIO_ENDPOINT`."
    )
    minio_access_key: SecretStr = Field(SecretStr(""), description="The access key of the S3 server.")
    minio_secret_key: SecretStr = Field(SecretStr(""), description="The secret key of the S3 server.")
    minio_region: str = Field("us-east-1", description="The region that requests are signed for.")
    storage_bucket_models: str = Field("models", description="The bucket of models and checkpoints.")
    storage_bucket_artifacts: str = Field("artifacts", description="The bucket of all other artifacts.")

    secret_key: SecretStr | None = Field(
        None,
        description="32 or more random characters that secrets of webhooks are encrypted with, the same for all servers"
        " and workers. Several keys, separated by commas: the first encrypts, all decrypt. Unset: one in `DATA_DIR`"
        " beside the embedded PostgreSQL, and no webhooks with another.",
    )
    webhook_trusted_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Hosts as `host` or `host:port`, separated by commas, that webhooks reach also by `http://`, on any"
        " port and at private addresses.",
    )
    access_token_expire_minutes: int = Field(
        43_200, ge=1, le=527_040, description="How long an API token is valid; at most 366 days."
    )
    max_model_size_mb: int = Field(10_240, ge=1, le=5_000_000, description="The largest artifact, in MiB.")
    supported_frameworks: Annotated[tuple[str, ...], NoDecode] = Field(
        FRAMEWORKS, min_length=1, description="What models may be made with, separated by commas."
    )

    data_dir: Path = Field(Path(".data"), description="Where the embedded services keep their files.")
    graphql_introspection: bool = Field(True, description="Whether clients may ask for the schema.")
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Other sites whose pages may use `/graphql`, such as `https://app.example`, separated by commas.",
    )

    @field_validator("supported_frameworks", "allowed_origins", "webhook_trusted_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Lists are written with commas."""
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _as_browsers_send_them(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """What is written otherwise would never match: a path, a slash at the end, capitals, a star."""
        for origin in value:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin. Write `https://app.example` or `http://localhost:3000`.")
        return value

    @field_validator("minio_endpoint", "minio_public_endpoint")
    @classmethod
    def _with_scheme(cls, value: str | None) -> str | None:
        """`host:port`, as MinIO's own tools write it, means plain HTTP. An address that is none is refused here."""
        if value is None:
            return None
        written = value if "://" in value else f"http://{value}"
        return StoreConfig(endpoint=written, access_key="", secret_key="").endpoint

    @field_validator("database_url", "migration_database_url", "listen_database_url")
    @classmethod
    def _understood(cls, value: SecretStr | None) -> SecretStr | None:
        """Refuse an address that is none at the start, not at the first query."""
        if value is not None:
            asyncpg_dsn(value.get_secret_value())
        return value

    @field_validator("secret_key")
    @classmethod
    def _each_key_is_long(cls, value: SecretStr | None) -> SecretStr | None:
        """Refuse a comma within a key: what stands around it would be taken for two keys, too short to be used."""
        if value is not None and "," in value.get_secret_value() and Vault.of(value.get_secret_value()).keys is None:
            raise ValueError(f"keys are separated by commas, and each has {MIN_SECRET_KEY} or more characters.")
        return value

    @field_validator("webhook_trusted_hosts")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse what is no host."""
        TrustedHosts.parse(value)
        return value

    @field_validator("database_role_prefix")
    @classmethod
    def _plain(cls, value: str) -> str:
        """Refuse a prefix that no role can have."""
        return Roles(value).prefix

    @property
    def roles(self) -> Roles:
        """The database roles."""
        return Roles(self.database_role_prefix)

    @property
    def shelves(self) -> Shelves:
        """Where artifacts go."""
        return Shelves(self.storage_bucket_models, self.storage_bucket_artifacts, self.max_model_size_mb * 1024 * 1024)

    @property
    def trusted_hosts(self) -> TrustedHosts:
        """Where webhooks may go although it is not in the public internet."""
        return TrustedHosts.parse(self.webhook_trusted_hosts)

    @property
    def buckets(self) -> tuple[str, ...]:
        """The buckets in use."""
        return tuple(dict.fromkeys((self.storage_bucket_models, self.storage_bucket_artifacts)))

    @property
    def store(self) -> StoreConfig:
        """The object store. Raises: NotConfigured."""
        if self.minio_endpoint is None:
            raise NotConfigured("MINIO_ENDPOINT is not set and no embedded S3 server runs.")
        return StoreConfig(
            endpoint=self.minio_endpoint,
            access_key=self.minio_access_key.get_secret_value(),
            secret_key=self.minio_secret_key.get_secret_value(),
            region=self.minio_region,
            public_endpoint=self.minio_public_endpoint,
        )

    @property
    def database(self) -> str:
        """The address of the database. Raises: NotConfigured."""
        if self.database_url is None:
            raise NotConfigured("DATABASE_URL is not set and no embedded PostgreSQL runs.")
        return self.database_url.get_secret_value()

    @property
    def listen_database(self) -> str:
        """The address for the connection that listens. Raises: NotConfigured."""
        return self.listen_database_url.get_secret_value() if self.listen_database_url else self.database

    @property
    def migration_database(self) -> str:
        """The address that bootstraps and migrates."""
        return self.migration_database_url.get_secret_value() if self.migration_database_url else self.database
