"""What tests of actions share: clients of moto's server, clients that answer from a script, and the
life of a step.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, cast

import botocore.session
from botocore.stub import Stubber

from countermand.actions import ALL
from countermand.aws.clients import Clients
from countermand.aws.cloud import AwsCloud
from countermand.core.model import Subject, SubjectKind
from countermand.ports import Action, Cloud, Plan
from support.findings import a_finding

MOTO_ACCOUNT = "123456789012"
ADMIN_ARN = "arn:aws:iam::aws:policy/AdministratorAccess"


class MotoClients:
    """Clients of moto's server, as `AwsCloud` asks for them."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def get(self, service: str) -> Any:
        return _emulated_client(service, self._endpoint)

    def cloud(self) -> AwsCloud:
        return AwsCloud(cast("Clients", self))


class Script:
    """A cloud whose calls are written down before: what is asked, in this order, and answered.

    Requests and answers are held against botocore's model of the service, for calls that no
    emulator implements.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._client = new_client(service)
        self._stubber = Stubber(self._client)
        self._stubber.activate()
        self._beside: MotoClients | None = None

    def get(self, service: str) -> Any:
        if self._beside is not None and service != self._service:
            return self._beside.get(service)
        assert service == self._service
        return self._client

    def expect(self, method: str, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        self._stubber.add_response(method, dict(answer), dict(request))

    def refuse(self, method: str, code: str) -> None:
        self._stubber.add_client_error(method, service_error_code=code)

    def cloud(self, beside: MotoClients | None = None) -> AwsCloud:
        """With the other services from moto, if given."""
        self._beside = beside
        return AwsCloud(cast("Clients", self))

    def ended(self) -> None:
        self._stubber.assert_no_pending_responses()


def plan(
    cloud: Cloud, action: Action | str, name: str, **evidence: str
) -> Mapping[str, str] | None:
    """The parameters of the plan for a resource of this name, if there is one."""
    found = full_plan(cloud, action, name, **evidence)
    return None if found is None else found.params


def full_plan(cloud: Cloud, action: Action | str, name: str, **evidence: str) -> Plan | None:
    """What the action would do about a resource of this name."""
    chosen = ALL[action] if isinstance(action, str) else action
    subject = Subject(SubjectKind.RESOURCE, name)
    finding = a_finding(subject=subject, evidence=evidence, remediation=chosen.info.name)
    found = chosen.plan(cloud, finding, None)
    assert found is None or all(isinstance(value, str) for value in found.params.values())
    return found


def remediate_and_undo(
    cloud: Cloud, action: Action | str, params: Mapping[str, str] | None
) -> None:
    """The life of a step, with a look at AWS after each part."""
    assert params is not None
    done = ALL[action] if isinstance(action, str) else action
    assert done.is_present(cloud, params)
    assert done.apply(cloud, params)
    assert not done.is_present(cloud, params)
    done.undo(cloud, params)
    assert done.is_present(cloud, params)


_SESSION = botocore.session.get_session()


@cache
def _emulated_client(service: str, endpoint: str) -> Any:
    """The client of one service of an emulator: made once, as botocore takes long to make one."""
    return new_client(service, endpoint_url=endpoint)


def new_client(service: str, **where: str) -> Any:
    """A client with credentials of nobody: for a stubber, which changes the client it is given."""
    return _SESSION.create_client(
        service,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        **where,
    )


def make_admin(clients: MotoClients, role: str, how: str = "attached") -> None:
    """Let the role be administrator, by an AWS managed policy or an inline policy."""
    iam = clients.get("iam")
    if how == "attached":
        iam.attach_role_policy(RoleName=role, PolicyArn=ADMIN_ARN)
    else:
        statement = {"Effect": "Allow", "Action": "iam:*", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName=role, PolicyName="inline", PolicyDocument=document)
