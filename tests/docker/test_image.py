"""The image: its contents, and that it runs with least privilege."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from support.composed import images_of_compose
from support.engine import Docker
from support.running import eventually
from support.tools import ROOT

IMAGE = "countermand:local"
PYTHON = "/opt/countermand/bin/python"
LARGEST_ADDITION = 95_000_000
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


@pytest.fixture
def emulator(docker: Docker) -> Iterator[str]:
    """Return the host name of an AWS emulator, which is also the name of its network."""
    # A run that was killed leaves its network behind, under its own name.
    name = f"countermand-test-aws-{os.getpid()}"
    docker.run("network", "create", name)
    try:
        docker.run("run", "--detach", "--rm", "--name", name, "--network", name, _moto())
        ask = "import urllib.request as r; r.urlopen('http://127.0.0.1:5000/moto-api/')"
        asked = ("exec", name, "python", "-c", ask)
        assert eventually(lambda: docker.attempt(*asked).returncode == 0)
        yield name
    finally:
        docker.run("rm", "--force", name, check=False)
        docker.run("network", "rm", name, check=False)


def test_an_unprivileged_worker_starts_and_drains(docker: Docker, emulator: str) -> None:
    variables = {
        "AWS_ENDPOINT_URL": f"http://{emulator}:5000",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "COUNTERMAND_QUEUE_URL": f"http://{emulator}:5000/123456789012/events",
        "COUNTERMAND_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:alerts",
        "COUNTERMAND_POLL_SECONDS": "1",
    }
    options = [f"--env={name}={text}" for name, text in variables.items()]
    options += ["--network", emulator, "--health-interval", "1s", *HARDENED]
    worker = docker.run("run", "--detach", *options, IMAGE).strip()
    try:
        healthy = eventually(lambda: _state(docker, worker)["Health"]["Status"] == "healthy", 60)
        assert healthy, docker.attempt("logs", worker)
        assert docker.run("top", worker, "-eo", "pid,uid").split()[3::2] == ["10001"]
        docker.run("stop", worker)
        assert _state(docker, worker)["ExitCode"] == 0
        assert "Worker stopped" in docker.run("logs", worker)
    finally:
        docker.run("rm", "--force", "--volumes", worker)


def test_a_worker_that_does_not_answer_is_unhealthy(docker: Docker) -> None:
    asked = docker.attempt(
        *("run", "--rm", *HARDENED, "--entrypoint", PYTHON, IMAGE),
        *("-I", "/opt/countermand/healthcheck.py", "/livez"),
    )
    assert asked.returncode == 1
    assert "http://127.0.0.1:8080/livez" in asked.stdout


def test_invalid_settings_end_the_container(docker: Docker) -> None:
    ended = docker.attempt("run", "--rm", *HARDENED, IMAGE)
    assert ended.returncode == 2
    assert "COUNTERMAND_QUEUE_URL: is required" in ended.stderr


def test_the_image_declares_user_command_and_labels(docker: Docker) -> None:
    config = json.loads(docker.run("image", "inspect", "--format", "{{json .Config}}", IMAGE))
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == [PYTHON, "-I", "-u", "-m", "countermand"]
    assert config["Cmd"] == ["run"]
    assert config["Healthcheck"]["Test"][0] == "CMD"  # no shell
    labels = {name.rpartition(".")[2]: text for name, text in config["Labels"].items()}
    version = docker.run("run", "--rm", *HARDENED, IMAGE, "--version").strip()
    assert labels["version"] == version
    assert labels["licenses"] == "Apache-2.0"
    assert len(labels["revision"]) in {0, 40}  # none outside a git tree


def test_the_image_stays_within_its_size_budget(docker: Docker, base_image: str) -> None:
    sizes = docker.run("image", "inspect", "--format", "{{.Size}}", IMAGE, base_image)
    ours, base = map(int, sizes.split())
    assert 10_000_000 < ours - base <= LARGEST_ADDITION


def test_only_the_ledger_folder_is_writable(docker: Docker) -> None:
    program = (
        "import os\n"
        "for folder, _, files in os.walk('/opt/countermand'):\n"
        "    for path in [folder, *(os.path.join(folder, f) for f in files)]:\n"
        "        if os.access(path, os.W_OK): print(path)\n"
        "print(os.getcwd(), os.access('.', os.W_OK))"
    )
    assert _python(docker, program) == "/var/lib/countermand True"


def test_every_module_is_compiled(docker: Docker) -> None:
    program = (
        "import pathlib, importlib.util as u\n"
        "for path in pathlib.Path('/opt/countermand/lib').rglob('*.py'):\n"
        "    if not pathlib.Path(u.cache_from_source(str(path))).exists(): print(path)\n"
        "print('looked')"
    )
    assert _python(docker, program).splitlines()[-1] == "looked"
    # Some libraries contain a template, or a file for another Python, that does not compile.
    assert "/countermand/" not in _python(docker, program).replace("/opt/countermand/", "")


def test_the_image_has_the_needed_clients_only(docker: Docker) -> None:
    program = (
        "from countermand.aws.clients import Clients\n"
        "import botocore.session\n"
        "names = botocore.session.get_session().get_available_services()\n"
        "clients = Clients('us-east-1')\n"
        "print(*sorted(n for n in names if clients.get(n)))"
    )
    wanted = (
        "cloudtrail dynamodb ec2 eks events iam identitystore kms lambda logs rolesanywhere s3 "
        "signin sns sqs sso sso-admin sso-oidc sts"
    )
    assert _python(docker, program) == wanted


def test_only_sources_reach_the_build_context(docker: Docker, tmp_path: Path) -> None:
    secret = ROOT / "service" / "countermand" / "secret.sqlite3"
    secret.touch()
    try:
        build = ("build", "--file", "-", "--output", f"type=local,dest={tmp_path}", ".")
        subprocess.run(
            ["docker", *build],  # noqa: S607 - found on the PATH
            input=b"FROM scratch\nCOPY . /\n",
            cwd=ROOT,
            env=docker.environment | {"DOCKER_BUILDKIT": "1"},
            check=True,
            capture_output=True,
        )
    finally:
        secret.unlink()
    files = [p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()]
    assert {p.parts[0] for p in files} == {
        *("docker", "requirements", "service", "pyproject.toml", "README.md", "LICENSE"),
    }
    assert {p.suffix for p in files if p.parts[0] in {"docker", "service"}} <= {
        *(".py", ".yaml", ".typed", ".json"),
    }


def test_the_sbom_lists_every_locked_package(docker: Docker) -> None:
    docker.make("sbom")
    document = json.loads((ROOT / "dist/sbom.cdx.json").read_text())
    assert document["bomFormat"] == "CycloneDX"
    listed = {
        (part["name"].lower().replace("_", "-"), part["version"]) for part in document["components"]
    }
    assert listed == set(_locked("runtime"))


def _locked(name: str) -> Iterator[tuple[str, str]]:
    """Yield the name and version of each package that the lock installs on Linux."""
    for line in (ROOT / f"requirements/{name}.txt").read_text().splitlines():
        if "==" in line:
            requirement = Requirement(line.rstrip("\\ "))
            if requirement.marker is None or requirement.marker.evaluate():
                yield requirement.name, str(requirement.specifier).removeprefix("==")


def _moto() -> str:
    return next(image for image in images_of_compose() if "moto" in image)


def _state(docker: Docker, container: str) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(
        docker.run("inspect", "--format", "{{json .State}}", container)
    )
    return state


def _python(docker: Docker, program: str) -> str:
    options = ("--rm", "--entrypoint", PYTHON)
    return docker.run("run", *options, IMAGE, "-I", "-c", program).strip()
