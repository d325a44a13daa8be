"""Settings: every variable that is promised, under its exact name, and what happens to values that make no sense."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from db.roles import Roles
from db.url import asyncpg_dsn
from server.app import create_app
from server.settings import FRAMEWORKS, Settings

PROMISED = {
    "DEBUG", "HOST", "PORT", "LOG_LEVEL", "DATABASE_URL", "DATABASE_POOL_SIZE", "REDIS_URL", "REDIS_TTL",
    "MINIO_ENDPOINT", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "STORAGE_BUCKET_MODELS", "STORAGE_BUCKET_ARTIFACTS",
    "SECRET_KEY", "ACCESS_TOKEN_EXPIRE_MINUTES", "MAX_MODEL_SIZE_MB", "SUPPORTED_FRAMEWORKS",
}  # fmt: skip
SECRETS = {
    "DATABASE_URL": "postgresql://u:hunter2@h/d",
    "MIGRATION_DATABASE_URL": "postgresql://u:hunter2@h/d",
    "REDIS_URL": "redis://:hunter2@h",
    "MINIO_ACCESS_KEY": "hunter2-key",
    "MINIO_SECRET_KEY": "hunter2-secret",
    "SECRET_KEY": "hunter2",
}


@pytest.fixture(autouse=True)
def _away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No file of the working folder has a say."""
    monkeypatch.chdir(tmp_path)


def refusal(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> ValidationError:
    """The error for a variable with this value; it is about that variable alone."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert {str(fault["loc"][0]).upper() for fault in refused.value.errors()} == {name}
    return refused.value


def test_every_promised_variable_is_read() -> None:
    assert {name.lower() for name in PROMISED} <= set(Settings.model_fields)


def test_every_variable_says_what_it_is() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_with_nothing_set_the_embedded_services_are_used_and_nobody_else_can_reach_the_server() -> None:
    settings = Settings()
    assert settings.database_url is None
    assert settings.minio_endpoint is None
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert (settings.debug, settings.log_level) == (False, "INFO")
    assert settings.supported_frameworks == FRAMEWORKS
    assert settings.allowed_origins == ()
    assert settings.roles == Roles("registry")
    assert settings.max_model_size_mb == 10_240
    assert settings.access_token_expire_minutes == 30 * 24 * 60


@pytest.mark.parametrize("wanted", ["database", "store"])
def test_an_address_that_nobody_knows_is_asked_for_by_its_variable(wanted: str) -> None:
    with pytest.raises(ValueError, match="is not set") as refused:
        getattr(Settings(), wanted)
    assert {"database": "DATABASE_URL", "store": "MINIO_ENDPOINT"}[wanted] in str(refused.value)


def test_every_variable_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        **SECRETS,
        "DEBUG": "true",
        "HOST": "0.0.0.0",
        "PORT": "9000",
        "LOG_LEVEL": "WARNING",
        "DATABASE_POOL_SIZE": "7",
        "REDIS_TTL": "60",
        "MINIO_ENDPOINT": "https://s3.test",
        "STORAGE_BUCKET_MODELS": "m",
        "STORAGE_BUCKET_ARTIFACTS": "a",
        "ACCESS_TOKEN_EXPIRE_MINUTES": "5",
        "MAX_MODEL_SIZE_MB": "3",
        "SUPPORTED_FRAMEWORKS": "onnx",
    }
    assert set(given) >= PROMISED
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    for name in given:
        assert getattr(settings, name.lower()) != Settings.model_fields[name.lower()].default, name
    assert settings.database == given["DATABASE_URL"]
    assert settings.store.endpoint == "https://s3.test"
    assert settings.store.secret_key == given["MINIO_SECRET_KEY"]
    assert settings.buckets == ("m", "a")
    assert settings.shelves.max_size_bytes == 3 * 1024 * 1024


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "")
    assert getattr(Settings(), name.lower()) == Settings.model_fields[name.lower()].default


@pytest.mark.parametrize("name", ["SUPPORTED_FRAMEWORKS", "WEBHOOK_TRUSTED_HOSTS", "ALLOWED_ORIGINS"])
def test_lists_are_written_with_commas_and_loosely(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    first, second, third = [f"http://{one}" if name == "ALLOWED_ORIGINS" else one for one in "abc"]
    monkeypatch.setenv(name, f" {first}, {second} ,,{third},")
    assert getattr(Settings(), name.lower()) == (first, second, third)


@pytest.mark.parametrize(
    "url", ["postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d?sslmode=require", "POSTGRES://h/d"]
)
def test_the_address_of_the_database_is_taken_as_people_write_it(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert Settings().database == url


def test_migrations_have_a_login_of_their_own_where_one_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://server@h/d")
    assert Settings().migration_database == "postgresql://server@h/d"
    monkeypatch.setenv("MIGRATION_DATABASE_URL", "postgresql://migrator@h/d")
    assert Settings().migration_database == "postgresql://migrator@h/d"
    assert Settings().database == "postgresql://server@h/d"


def test_the_connection_that_listens_has_an_address_of_its_own_where_one_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MINIO_ENDPOINT", "http://h")
    monkeypatch.setenv("DATABASE_URL", "postgresql://server@pooler/d")
    assert Settings().listen_database == "postgresql://server@pooler/d"
    monkeypatch.setenv("LISTEN_DATABASE_URL", "postgresql://server@postgres/d")
    settings = Settings()
    assert (settings.database, settings.listen_database) == (
        "postgresql://server@pooler/d", "postgresql://server@postgres/d"
    )  # fmt: skip
    assert create_app(settings).state.wakeups._dsn == asyncpg_dsn("postgresql://server@postgres/d")


@pytest.mark.parametrize(
    ("written", "meant"),
    [("minio:9000", "http://minio:9000"), ("http://minio:9000/", "http://minio:9000"), ("https://s3", "https://s3")],
)
@pytest.mark.parametrize("name", ["MINIO_ENDPOINT", "MINIO_PUBLIC_ENDPOINT"])
def test_an_endpoint_without_a_scheme_is_plain_http(
    monkeypatch: pytest.MonkeyPatch, name: str, written: str, meant: str
) -> None:
    monkeypatch.setenv(name, written)
    assert getattr(Settings(), name.lower()) == meant


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "http", "integer"),
        ("PORT", "70000", "65535"),
        ("LOG_LEVEL", "LOUD", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("DEBUG", "perhaps", "boolean"),
        ("DATABASE_POOL_SIZE", "0", "greater than or equal to 1"),
        ("ACCESS_TOKEN_EXPIRE_MINUTES", "600000", "527040"),
        ("MAX_MODEL_SIZE_MB", "-1", "greater than or equal to 1"),
        ("REDIS_TTL", "soon", "integer"),
        ("DATABASE_URL", "mysql://h/d", "must begin with postgresql://"),
        ("DATABASE_URL", "postgresql://u:hunter2#x@h/d", "percent-encoded"),
        ("MIGRATION_DATABASE_URL", "sqlite:///d", "must begin with postgresql://"),
        ("DATABASE_ROLE_PREFIX", "My-Registry", "role prefix"),
        ("MINIO_ENDPOINT", "ftp://h", "http://host:port"),
        ("MINIO_ENDPOINT", "http://h/path", "http://host:port"),
        ("MINIO_PUBLIC_ENDPOINT", "https://u:hunter2@h", "user name"),
        ("SUPPORTED_FRAMEWORKS", ",", "at least 1 item"),
        ("SECRET_KEY", "hunter2, which is 32 characters and more", "each has 32 or more characters"),
    ],
)
def test_a_value_that_makes_no_sense_is_answered_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    refused = refusal(monkeypatch, name, value)
    assert said in refused.errors(include_url=False)[0]["msg"]
    assert "hunter2" not in str(refused)
    assert "hunter2" not in repr(refused)


@pytest.mark.parametrize("value", ["mysql://u:hunter2@h/d", "u:hunter2@h", "postgresql://u:hunter2@h:port/d"])
@pytest.mark.parametrize("name", ["DATABASE_URL", "LISTEN_DATABASE_URL", "MIGRATION_DATABASE_URL"])
def test_a_refused_address_is_not_repeated(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    refused = refusal(monkeypatch, name, value)
    assert "hunter2" not in str(refused)
    assert "hunter2" not in str(refused.errors(include_input=False, include_context=False))


def test_no_representation_shows_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MINIO_ENDPOINT", "http://h")
    settings = Settings()
    for shown in (
        repr(settings),
        str(settings),
        str(settings.model_dump()),
        settings.model_dump_json(),
        repr(settings.store),
    ):
        assert "hunter2" not in shown
    assert all(isinstance(getattr(settings, name.lower()), SecretStr) for name in SECRETS)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_settings_stay_as_they_are(name: str) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Settings(), name, None)


def test_variables_of_others_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE", "x")
    monkeypatch.setenv("REGISTRY_PORT", "1")
    assert Settings() == Settings()
