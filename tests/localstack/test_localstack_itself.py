import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

import countermand
from countermand.lab.localstack import (
    LocalStack,
    LocalStackError,
    LocalStackMissingError,
    emails,
    subscription_token,
)

SERVICE = Path(countermand.__file__).parents[1]


def client(service: str, emulator: LocalStack) -> Any:
    return boto3.client(
        service,
        endpoint_url=emulator.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def port_of(emulator: LocalStack) -> int:
    return int(emulator.url.rpartition(":")[2])


def test_it_answers_for_queues_identities_and_the_caller(localstack: LocalStack) -> None:
    sqs, iam, sts = (client(name, localstack) for name in ("sqs", "iam", "sts"))
    queue = sqs.create_queue(QueueName=f"itself-{uuid4().hex[:8]}")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="hello")
    received = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    policy = iam.get_policy(PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")["Policy"]

    assert queue.startswith(f"http://localhost:{port_of(localstack)}/")
    assert [message["Body"] for message in received] == ["hello"]
    assert policy["PolicyName"] == "AdministratorAccess"
    assert sts.get_caller_identity()["Account"] == "000000000000"


def test_email_reaches_the_outbox(
    localstack: LocalStack,
) -> None:
    """Subscriptions can be confirmed."""
    sns = client("sns", localstack)
    address = f"security-{uuid4().hex[:8]}@example.com"
    topic = sns.create_topic(Name=f"itself-{uuid4().hex[:8]}")["TopicArn"]
    assert emails(localstack.url, address) == []

    subscription = sns.subscribe(
        TopicArn=topic, Protocol="email", Endpoint=address, ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    sns.confirm_subscription(TopicArn=topic, Token=subscription_token(localstack.url, subscription))
    sns.publish(TopicArn=topic, Subject="Countermand", Message="reverted")

    deadline = time.monotonic() + 10
    while not (mails := emails(localstack.url, address)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert any("reverted" in json.dumps(mail) for mail in mails)
    assert (
        sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"][
            "PendingConfirmation"
        ]
        == "false"
    )


def test_nothing_is_left_when_it_stops() -> None:
    with LocalStack() as emulator:
        port, group = port_of(emulator), emulator.pid
        client("sqs", emulator).list_queues()

    assert not answers(port)
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)


def test_nothing_is_left_when_its_owner_dies() -> None:
    owner = (
        "import os, signal; from countermand.lab.localstack import LocalStack; "
        "emulator = LocalStack(); emulator.start(); print(emulator.url, flush=True); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", owner],
        env=os.environ | {"PYTHONPATH": str(SERVICE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    port = int(ended.stdout.strip().rpartition(":")[2])

    deadline = time.monotonic() + 15
    while answers(port) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not answers(port)


def test_a_port_in_use_is_not_mistaken_for_ours(localstack: LocalStack) -> None:
    with pytest.raises(LocalStackError, match="is taken"):
        LocalStack().start(port_of(localstack))


def test_a_missing_installation_names_its_fix(tmp_path: Path) -> None:
    with pytest.raises(LocalStackMissingError, match="make install-localstack"):
        LocalStack(tmp_path).start()
