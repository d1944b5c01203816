"""Terraform on a copy of `terraform/`, so that a test leaves nothing in the project's folder."""

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CODE = ROOT / "terraform"
IMAGE = f"example.com/countermand@sha256:{'0' * 64}"
EMAIL = "security@example.com"
DEV: dict[str, Any] = {"image": IMAGE, "emails": [EMAIL]}
BOOTSTRAP: dict[str, Any] = {"operator_arns": ["arn:aws:iam::123456789012:role/engineer"]}
MINUTES = 60

# Overrides that run an environment on an emulator; Terraform merges them over the other files.
LOCAL_STATE = 'terraform {\n  backend "local" {}\n}\n'
PATH_STYLE_HERE = """
provider "aws" {
  s3_use_path_style = true
}
"""
PATH_STYLE = f"""{PATH_STYLE_HERE}
provider "aws" {{
  alias             = "global"
  s3_use_path_style = true
}}
"""
FORGETFUL_QUEUE = """
# moto does not store this attribute, and the provider would wait for it.
resource "aws_sqs_queue" "dlq" {
  redrive_allow_policy = null
}
"""


# How the provider logs a call, and the services whose name in IAM differs from the SDK's.
_ENTRY = re.compile(r"^(?=\d{4}-\d\d-\d\dT)", re.MULTILINE)
_SENT = "HTTP Request Sent"
_SERVICE = re.compile(r"\bapi/([a-z0-9]+)#")
_METHOD = re.compile(r'\brpc\.method="?(\w+)')
_ATTACH = "TF_REATTACH_PROVIDERS"
_READ_SCHEMAS = frozenset({"show", "test", "validate"})
_PREFIX = {
    "applicationautoscaling": "application-autoscaling",
    "cloudwatchlogs": "logs",
    "eventbridge": "events",
}


@dataclass(frozen=True)
class Tools:
    """The program, and the CLI configuration that names the folder of the provider."""

    terraform: str
    configuration: Path


class Terraform:
    """Commands in one folder of a copy of the code; each raises `AssertionError` if it fails."""

    def __init__(self, tools: Tools, copy: Path, folder: str, **environment: str) -> None:
        self._tools = tools
        self.schemas: dict[str, str] = {}
        self.copy, self.folder = copy, copy / folder
        others = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "TF_"))}
        self._environment = others | {
            "TF_CLI_CONFIG_FILE": str(tools.configuration),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            **environment,
        }

    def init(self) -> None:
        self.run("init", "-input=false", "-backend=false")

    def called(self) -> set[str]:
        """Return the AWS calls of all runs so far, such as sqs:CreateQueue; needs TF_LOG_PATH."""
        log = Path(self._environment["TF_LOG_PATH"]).read_text(errors="replace")
        sent = [
            e for e in re.split(r"^(?=\d{4}-\d\d-\d\dT)", log, flags=re.MULTILINE) if _SENT in e
        ]
        found = [(_SERVICE.search(entry), _METHOD.search(entry)) for entry in sent]
        return {f"{_PREFIX.get(s[1], s[1])}:{m[1]}" for s, m in found if s and m}

    def apply(self, **variables: object) -> str:
        return self.run("apply", "-auto-approve", "-input=false", *_given(variables))

    def changes(self, **variables: object) -> dict[str, tuple[str, ...]]:
        """Return the actions of a plan by address, without unchanged resources."""
        return {
            change["address"]: tuple(change["change"]["actions"])
            for change in self._changing(**variables)
        }

    def differences(self, **variables: object) -> dict[str, set[str]]:
        """Return the names of the attributes that a plan would change, by address."""
        return {
            change["address"]: _different(change["change"]["before"], change["change"]["after"])
            for change in self._changing(**variables)
        }

    def _changing(self, **variables: object) -> list[dict[str, Any]]:
        plan = self.planned(**variables)
        unchanged = (["no-op"], ["read"])
        return [c for c in plan["resource_changes"] if c["change"]["actions"] not in unchanged]

    def planned(self, *options: str, **variables: object) -> dict[str, Any]:
        self.run("plan", "-input=false", "-out=planned.tfplan", *options, *_given(variables))
        plan: dict[str, Any] = json.loads(self.run("show", "-json", "planned.tfplan"))
        return plan

    def would_be(self, **variables: object) -> dict[str, dict[str, Any]]:
        """Return the planned values of every managed resource, by address."""
        return dict(
            _resources(self.planned("-refresh=false", **variables)["planned_values"]["root_module"])
        )

    def destroy(self, **variables: object) -> str:
        return self.run("destroy", "-auto-approve", "-input=false", *_given(variables))

    def outputs(self) -> dict[str, Any]:
        found = json.loads(self.run("output", "-json"))
        return {name: output["value"] for name, output in found.items()}

    def resources(self) -> dict[str, dict[str, Any]]:
        """Return the values of every managed resource in the state, by address."""
        state = json.loads(self.run("show", "-json"))
        return dict(_resources(state.get("values", {}).get("root_module", {})))

    def run(self, *arguments: str) -> str:
        done = self.attempt(*arguments)
        assert done.returncode == 0, f"terraform {arguments[0]}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        options = () if arguments[0] in {"show", "fmt", "output"} else ("-no-color",)
        return subprocess.run(
            [self._tools.terraform, arguments[0], *options, *arguments[1:]],
            cwd=self.folder,
            env=self._environment | (self.schemas if arguments[0] in _READ_SCHEMAS else {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=6 * MINUTES,
        )


@contextlib.contextmanager
def running_provider(initialized: Terraform) -> Iterator[dict[str, str]]:
    """Run the provider that `init` installed, and yield the variable that leads Terraform to it.

    To make its schema takes the provider longer than all else that it does in most commands. Only
    commands that read the schema may share one, because a plan configures the provider.
    https://developer.hashicorp.com/terraform/plugin/debugging
    """
    (program,) = initialized.folder.glob(".terraform/providers/*/*/*/*/*/terraform-provider-aws_*")
    with subprocess.Popen(
        [str(program), "-debug"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as provider:
        try:
            address = next((line for line in provider.stdout or () if f"{_ATTACH}=" in line), "")
            assert address, f"{program} exited with {provider.poll()}"
            yield {_ATTACH: address.partition("=")[2].strip().strip("'")}
        finally:
            provider.terminate()


def copied(target: Path) -> Path:
    """Copy the code without state, variables, and backend of a developer."""
    unwanted = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfvars", "backend.hcl")
    shutil.copytree(CODE, target, ignore=unwanted)
    return target


def _different(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> set[str]:
    old, new = before or {}, after or {}
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}


def _given(variables: Mapping[str, object]) -> list[str]:
    return [f"-var={name}={_text(value)}" for name, value in variables.items()]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _resources(module: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    here = [
        (resource["address"], resource["values"])
        for resource in module.get("resources", ())
        if resource["mode"] == "managed"
    ]
    below = [found for child in module.get("child_modules", ()) for found in _resources(child)]
    return here + below
