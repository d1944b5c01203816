"""Whatever keeps a command from AWS ends it with one sentence and a fix, never with a trace."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter
from typing import Any

import botocore.client
import botocore.session
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from typer.testing import CliRunner, Result

from countermand.aws.access import _REFUSED
from countermand.cli.main import app
from support.fakes import ACCOUNT

SECRET = "hunter2"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET}
COMMANDS = (("doctor",), ("undo", "d-nope"), ("decisions",))
DEAD = "http://127.0.0.1:9"
SESSION = (botocore.session.Session, "__init__")
CLIENT = (botocore.session.Session, "create_client")
CALL = (botocore.client.BaseClient, "_make_api_call")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings that are right, keys, and nothing from the shell that runs the tests."""
    for name in list(os.environ):
        if name.upper().startswith(("COUNTERMAND_", "AWS_")) or "PROXY" in name.upper():
            monkeypatch.delenv(name)
    given = KEYS | {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        "COUNTERMAND_QUEUE_URL": f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/events",
        "COUNTERMAND_TOPIC_ARN": f"arn:aws:sns:us-east-1:{ACCOUNT}:alerts",
        "COUNTERMAND_LEDGER_URL": "dynamodb:countermand",
    }
    for name, text in given.items():
        monkeypatch.setenv(name, text)


def called(*command: str) -> Result:
    return CliRunner().invoke(app, command)


def every_class() -> Iterator[type[BotoCoreError]]:
    found = [BotoCoreError]
    for kind in found:
        found += [below for below in kind.__subclasses__() if below not in found]
    yield from found


def raised(kind: type[BotoCoreError]) -> BotoCoreError:
    """An error of the class, with each word of its message: no two classes are made alike."""
    error: Any = kind.__new__(kind, kind.fmt)
    error.kwargs = {name: "x" for _, name, _, _ in Formatter().parse(kind.fmt) if name}
    made: BotoCoreError = error
    return made


def break_at(monkeypatch: pytest.MonkeyPatch, place: tuple[type, str], error: Exception) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(*place, fails)


def assert_one_sentence(result: Result, *codes: int) -> None:
    assert result.exit_code in codes, (result.output, result.exception)
    assert isinstance(result.exception, SystemExit), result.exception
    # `replay` says first which settings are in force.
    said = [line for line in result.stderr.splitlines() if not line.startswith(("Settings", "  "))]
    assert len(said) == 1, result.stderr
    assert result.stdout == ""
    assert SECRET not in result.output


@pytest.mark.parametrize("place", [SESSION, CLIENT, CALL], ids=("session", "client", "call"))
def test_no_sdk_error_becomes_a_traceback(
    monkeypatch: pytest.MonkeyPatch, place: tuple[type, str]
) -> None:
    """Each class of the SDK's errors, in each command that calls AWS, wherever it is raised."""
    kinds = list(every_class())
    assert len(kinds) > 60
    for number, kind in enumerate(kinds):
        break_at(monkeypatch, place, raised(kind))
        result = called(*COMMANDS[number % len(COMMANDS)])
        assert_one_sentence(result, *((1, 2) if place is CALL else (2,)))


WITHOUT_KEYS = dict.fromkeys(KEYS, "")
PROFILE = {**WITHOUT_KEYS, "AWS_PROFILE": "night shift"}


def test_replay_from_a_bucket_needs_access_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nope")
    assert_one_sentence(called("replay", "s3://bucket/prefix"), 2)


PROXY = {"HTTPS_PROXY": f"http://u:{SECRET}@127.0.0.1:9"}
SSO = "sso_account_id = 111122223333\nsso_role_name = r\nsso_region = us-east-1\n"
ROLE = "role_arn = arn:aws:iam::111122223333:role/r\n"


@pytest.mark.parametrize(
    ("variables", "config", "cause", "fix"),
    [
        ({"AWS_PROFILE": "nope"}, "", "profile nope does not exist", "aws configure list-profiles"),
        (
            PROFILE,
            f"sso_start_url = https://x.awsapps.com/start\n{SSO}",
            "SSO session is over",
            "aws sso login --profile 'night shift'",
        ),
        (PROFILE, f"sso_session = s\n{SSO}", 'sso-session does not exist: "s"', "configure list"),
        (
            PROFILE,
            "credential_process = /no/such/helper\n",
            "/no/such/helper cannot be used: No such file",
            "aws configure list",
        ),
        (
            PROFILE,
            f"credential_process = sh -c 'echo {SECRET} >&2; exit 1'\n",
            "custom-process returns no AWS credentials",
            "aws configure get credential_process --profile 'night shift'",
        ),
        (PROFILE, "credential_process = echo text\n", "Expecting value", "aws configure list"),
        (PROFILE, "credential_process = echo []\n", "has no attribute", "aws configure list"),
        (PROFILE, 'credential_process = x "y\n', "No closing quotation", "aws configure list"),
        (PROFILE, f"{ROLE}source_profile = gone\n", "does not exist", "aws configure list"),
        (PROFILE, f"{ROLE}credential_source = Moon\n", '"Moon"', "aws configure list"),
        (PROFILE, "garbage\n", "config cannot be read", "AWS_CONFIG_FILE"),
        (PROFILE, "", "no AWS credentials were found", "aws configure --profile"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "", "lack AWS_SECRET_ACCESS_KEY", "aws configure"),
        (
            WITHOUT_KEYS
            | {"AWS_WEB_IDENTITY_TOKEN_FILE": "/no/token", "AWS_ROLE_ARN": "arn:aws:iam::1:role/r"},
            "",
            "/no/token cannot be used: No such file",
            "aws configure list",
        ),
        (PROXY, "", "the proxy does not answer", "unset HTTPS_PROXY"),
        ({"AWS_ENDPOINT_URL": "nonsense"}, "", "Invalid endpoint: nonsense", "AWS_* variable"),
        ({"AWS_ENDPOINT_URL": DEAD}, "", "endpoint does not answer", "aws sts get-caller-identity"),
        ({"AWS_STS_REGIONAL_ENDPOINTS": "x"}, "", "option x is invalid", "AWS_* variable"),
        ({"AWS_DEFAULTS_MODE": "x"}, "", "invalid defaults mode: x", "AWS_* variable"),
    ],
)  # fmt: skip
def test_command_names_the_cause_and_the_fix(
    monkeypatch: pytest.MonkeyPatch,
    variables: Mapping[str, str],
    config: str,
    cause: str,
    fix: str,
) -> None:
    """The SDK itself raises these, from what a person has in files and variables."""
    for name, text in variables.items():
        if text:
            monkeypatch.setenv(name, text)
        else:
            monkeypatch.delenv(name)
    file = f'[profile "night shift"]\n{config}'
    Path(os.environ["AWS_CONFIG_FILE"]).write_text(file, encoding="utf-8")
    result = called("undo", "d-nope")
    assert_one_sentence(result, 2)
    assert cause in result.stderr
    assert fix in result.stderr


@pytest.mark.parametrize("code", _REFUSED)
def test_answer_that_refuses_keys_says_the_fix(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    refusal = ClientError({"Error": {"Code": code, "Message": SECRET}}, "GetCallerIdentity")
    break_at(monkeypatch, CALL, refusal)
    result = called("undo", "d-nope")
    assert_one_sentence(result, 2)
    assert "`" in result.stderr


def test_profile_that_asks_for_mfa_says_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal, the prompt of the SDK meets the end of its input."""
    break_at(monkeypatch, CALL, EOFError())
    result = called("undo", "d-nope")
    assert_one_sentence(result, 2)
    assert "aws sts get-session-token --serial-number" in result.stderr


def test_untrusted_certificate_names_the_ca_file(monkeypatch: pytest.MonkeyPatch) -> None:
    error = next(kind for kind in every_class() if kind.__name__ == "SSLError")
    break_at(monkeypatch, CALL, raised(error))
    assert "AWS_CA_BUNDLE" in called("doctor").stderr


def test_run_without_profile_exits_2() -> None:
    """In a process of its own: `run` ends the process that it is called in."""
    ended = subprocess.run(
        [sys.executable, "-m", "countermand", "run"],
        env=os.environ | {"AWS_PROFILE": "nope"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("AWS configuration: the AWS profile nope does not exist. ")
    assert len(ended.stderr.splitlines()) == 1
