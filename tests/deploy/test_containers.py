"""What can be said of the image and of the whole installation without building them."""

import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from server.cli import app as command_line
from server.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
INSTRUCTIONS = re.findall(r"^([A-Z]+)\s+(.*)$", DOCKERFILE, re.MULTILINE)
FINAL = INSTRUCTIONS[max(index for index, (word, _) in enumerate(INSTRUCTIONS) if word == "FROM") :]
COMPOSE = (ROOT / "compose.yaml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]
OWN = {name: service for name, service in SERVICES.items() if "build" in service}
VARIABLES = set(re.findall(r"\$\{(\w+):\?", COMPOSE))
IGNORED = (ROOT / ".dockerignore").read_text().splitlines()


def test_the_image_runs_as_a_numeric_user_who_is_not_root() -> None:
    (user,) = [rest for word, rest in FINAL if word == "USER"]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)


def test_the_image_tells_whether_it_lives_and_how_to_stop_it() -> None:
    words = dict(FINAL)
    assert "/livez" in words["HEALTHCHECK"]
    assert words["STOPSIGNAL"] == "SIGTERM"
    assert words["CMD"] == '["registry", "serve"]'


@pytest.mark.parametrize("image", [service["image"] for service in SERVICES.values() if "build" not in service])
def test_an_image_of_others_has_a_version(image: str) -> None:
    assert re.search(r":v?\d+", image)


def test_what_the_image_is_made_from_has_a_version() -> None:
    for word, rest in INSTRUCTIONS:
        if word == "FROM":
            assert re.match(r"\w+:\d+", rest)


def test_the_image_has_no_embedded_services() -> None:
    assert "local.lock" not in DOCKERFILE
    assert "pgserver" not in (ROOT / "requirements" / "server.lock").read_text()
    assert "rclone" not in (ROOT / "requirements" / "server.lock").read_text()


def copied() -> Iterator[str]:
    for word, rest in INSTRUCTIONS:
        if word == "COPY" and "--from" not in rest:
            yield from (source.rstrip("/") for source in rest.split()[:-1])


@pytest.mark.parametrize("source", sorted(set(copied()) - {"."}))
def test_what_is_copied_exists_and_is_let_through(source: str) -> None:
    assert (ROOT / source).exists()
    assert f"!{source.split('/')[0]}/" in IGNORED
    assert not any(fnmatch(source, pattern) for pattern in IGNORED[2:] if not pattern.startswith("!"))


def test_every_package_of_the_server_is_let_through() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"bench", "demo", "client"}
    assert {f"!{package}/" for package in packages} <= set(IGNORED)


def test_no_secret_has_a_default() -> None:
    assert {name for name in re.findall(r"\$\{(\w+)", COMPOSE) if re.search("PASSWORD|KEY", name)} <= VARIABLES
    example = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert example.keys() >= VARIABLES
    assert {name for name, value in example.items() if value} == {"MINIO_PUBLIC_ENDPOINT"}


@pytest.mark.parametrize("name", OWN)
def test_a_service_of_ours_is_given_settings_that_exist(name: str) -> None:
    assert {variable.lower() for variable in OWN[name]["environment"]} <= Settings.model_fields.keys()


@pytest.mark.parametrize("name", ["registry", "worker"])
def test_what_serves_never_sees_the_superuser(name: str) -> None:
    assert "POSTGRES_PASSWORD" not in str(OWN[name])


@pytest.mark.parametrize("name", OWN)
def test_a_service_of_ours_can_change_nothing_of_its_image(name: str) -> None:
    assert OWN[name]["read_only"] is True
    assert OWN[name]["cap_drop"] == ["ALL"]


def commands() -> Iterator[str]:
    for service in OWN.values():
        words = service.get("command", ["registry", "serve"])
        yield from words[-1].split("; ") if words[0] == "sh" else [" ".join(words)]


@pytest.mark.parametrize("command", list(commands()))
def test_a_command_exists_with_its_options(command: str) -> None:
    program, *words = shlex.split(command)
    assert program == "registry"
    found = get_command(command_line)
    while words and not words[0].startswith("-"):
        found = found.commands[words.pop(0)]  # type: ignore[attr-defined]  # a group, or the lookup fails as it should
    options = {option for parameter in found.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_who_is_waited_for_can_say_that_it_is_ready() -> None:
    for service in SERVICES.values():
        for name, condition in service.get("depends_on", {}).items():
            if condition["condition"] == "service_healthy":
                assert "test" in SERVICES[name]["healthcheck"]
            else:
                assert condition["condition"] == "service_completed_successfully"
                assert "restart" not in SERVICES[name]
