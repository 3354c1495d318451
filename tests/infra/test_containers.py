"""infra/Dockerfile and infra/compose.yaml: linted, of their schema, and of parts that are there."""

import re
import shlex
from typing import Any

import pytest
import yaml

from tests.commands import REPOSITORY
from tests.infra.validate import INFRA, lint, problems

DOCKERFILE = INFRA / "Dockerfile"


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, each with its arguments on a line."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((INFRA / "compose.yaml").read_text()))


def test_hadolint_is_content() -> None:
    lint("hadolint", DOCKERFILE)


def test_what_the_image_copies_is_sent(steps: list[tuple[str, str]]) -> None:
    sent = {
        line[1:]
        for line in (INFRA / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {source for step, text in steps if step == "COPY" for source in shlex.split(text)[:-1]}
    assert copied == sent
    assert all((REPOSITORY / source).exists() for source in copied)


def test_dependencies_are_a_layer_before_the_code(steps: list[tuple[str, str]]) -> None:
    texts = [f"{step} {text}" for step, text in steps]
    [install] = [place for place, text in enumerate(texts) if "--constraint constraints.txt" in text]
    assert install < texts.index("COPY pipeline pipeline")
    pyproject = (REPOSITORY / "pyproject.toml").read_text()
    [extras] = [text.removeprefix("EXTRAS=") for step, text in steps if step == "ARG" and "EXTRAS" in text]
    assert all(f"\n{extra} = [" in pyproject for extra in extras.split(","))


def test_it_runs_as_a_plain_user(steps: list[tuple[str, str]]) -> None:
    users = [text for step, text in steps if step == "USER"]
    assert users == ["1000"]
    assert ("ENTRYPOINT", '["tini", "--", "maccap"]') in steps


def test_compose_is_of_its_schema(compose: dict[str, Any]) -> None:
    assert problems("compose", compose) == []
    compose["services"]["minio"]["port"] = []
    assert len(problems("compose", compose)) == 1
    del compose["services"]["minio"]["port"]


def test_services_refer_to_what_is_there(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        assert service.get("depends_on", {}).keys() <= services.keys()
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (INFRA / source).is_file()
        for name, condition in service.get("depends_on", {}).items():
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in services[name]
    assert (INFRA / services["ray-head"]["build"]["context"] / "infra/Dockerfile").samefile(DOCKERFILE)


def test_nothing_listens_beyond_this_machine_or_has_a_password_of_ours(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        for name, value in service.get("environment", {}).items():
            if re.search("TOKEN|PASSWORD|SECRET", name):
                assert re.fullmatch(r"\$\{\w+:\?.+\}", value)


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert re.search(r":(cpu|v?\d[\d.]+|RELEASE\.\S+)$", service["image"])


def test_prometheus_asks_every_node_of_ray(compose: dict[str, Any]) -> None:
    [job] = yaml.safe_load((INFRA / "compose/prometheus.yml").read_text())["scrape_configs"]
    [dns] = job["dns_sd_configs"]
    for name in dns["names"]:
        assert f"--metrics-export-port={dns['port']}" in compose["services"][name]["command"]
