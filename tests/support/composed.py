"""docker-compose.yml, unmodified, with its own project name and ports."""

import json
import os
import subprocess
import urllib.request
from typing import Any

import yaml

from support.engine import Docker
from support.tools import ROOT

COMPOSE_FILE = ROOT / "docker-compose.yml"
_PORTS = ("LOCALSTACK_PORT", "WORKER_PORTS", "PROMETHEUS_PORT", "GRAFANA_PORT", "MAIL_PORT")
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def images_of_compose() -> list[str]:
    """Return the images that it pulls; it builds our own."""
    services = yaml.safe_load(COMPOSE_FILE.read_text())["services"].values()
    return sorted({service["image"] for service in services if "build" not in service})


class Stack:
    """A running project of Docker Compose."""

    def __init__(self, docker: Docker) -> None:
        self.docker = docker
        self.project = f"countermand-test-{os.getpid()}"
        self._variables = dict.fromkeys(_PORTS, "0") | {"COMPOSE_PROJECT_NAME": self.project}

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = self.docker.attempt("compose", *arguments, variables=self._variables)
        text = f"docker compose {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
        assert done.returncode == 0 or not check, text
        return done

    def up(self, *arguments: str) -> None:
        done = self.compose("up", "--build", "--detach", "--wait", *arguments, check=False)
        # compose says only which service is unhealthy; the log has the reason.
        logs = self.compose("logs", "--tail", "20", check=False).stdout if done.returncode else ""
        assert done.returncode == 0, done.stdout + done.stderr + logs

    def down(self) -> None:
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "5", check=False)

    def containers(self) -> list[dict[str, Any]]:
        """Return all containers, including those that exited."""
        shown = self.compose("ps", "--all", "--format", "json").stdout
        return [json.loads(line) for line in shown.splitlines()]

    def url(self, service: str, port: int, index: int = 1) -> str:
        shown = self.compose("port", "--index", str(index), service, str(port)).stdout
        return f"http://{shown.strip()}"

    def get(self, service: str, port: int, path: str, index: int = 1) -> Any:
        """Return the JSON document at a path."""
        return json.loads(self.text(service, port, path, index))

    def text(self, service: str, port: int, path: str, index: int = 1) -> str:
        with _opener.open(self.url(service, port, index) + path, timeout=10) as answer:
            text: str = answer.read().decode()
            return text
