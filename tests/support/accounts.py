"""An account in an emulator, for the tests of actions: look, apply, verify, undo, verify."""

import json
import uuid
from collections.abc import Mapping

from countermand.actions import ALL
from countermand.aws.iam import IamIdentities
from countermand.core.model import Principal, Subject, SubjectKind
from countermand.ports import Plan
from support.findings import a_finding
from support.steps import MotoClients

DENY_ALL = "arn:aws:iam::aws:policy/AWSDenyAll"
KINDS = (SubjectKind.USER, SubjectKind.ROLE, SubjectKind.GROUP)


def document(action: str, resource: str = "*") -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(principal: object) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


ADMIN = document("*")
READ = document("s3:GetObject")
OWN = trust({"AWS": "arn:aws:iam::123456789012:root"})
FOREIGN = trust({"AWS": "arn:aws:iam::444455556666:root"})


class Account:
    """An AWS account with a user, role, group and policy of one name, which no other test uses."""

    def __init__(self, endpoint: str) -> None:
        clients = MotoClients(endpoint)
        self.name = f"iam-test-{uuid.uuid4().hex[:12]}"
        self.iam = clients.get("iam")
        self.cloud = clients.cloud()
        self.iam.create_user(UserName=self.name)
        self.iam.create_group(GroupName=self.name)
        self.iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=OWN)
        policy = self.iam.create_policy(PolicyName=self.name, PolicyDocument=READ)
        self.policy_arn = policy["Policy"]["Arn"]

    def put_inline(self, kind: SubjectKind, text: str) -> None:
        put = getattr(self.iam, f"put_{kind}_policy")
        name = {f"{kind.capitalize()}Name": self.name}
        put(**name, PolicyName="inline", PolicyDocument=text)

    def plan(self, action: str, subject: Subject, **evidence: str) -> Mapping[str, str] | None:
        """The parameters of the plan, if there is one."""
        found = self.full_plan(action, subject, **evidence)
        return None if found is None else found.params

    def full_plan(self, action: str, subject: Subject, **evidence: str) -> Plan | None:
        finding = a_finding(subject=subject, evidence=evidence, remediation=action)
        principal: Principal | None = None
        if subject.kind.is_principal:
            principal = IamIdentities(self.iam).read(subject)
        return ALL[action].plan(self.cloud, finding, principal)

    def remediate_and_undo(self, action: str, params: Mapping[str, str] | None) -> None:
        """The life of a step, with a look at IAM after each part."""
        assert params is not None
        assert all(isinstance(value, str) for value in params.values())
        done = ALL[action]
        assert done.is_present(self.cloud, params)
        assert done.apply(self.cloud, params)
        assert not done.is_present(self.cloud, params)
        done.undo(self.cloud, params)
        assert done.is_present(self.cloud, params)

    def set_boundary(self, kind: SubjectKind, arn: str) -> None:
        """Set the permissions boundary; '' sets none."""
        name = {f"{kind.capitalize()}Name": self.name}
        if arn:
            getattr(self.iam, f"put_{kind}_permissions_boundary")(**name, PermissionsBoundary=arn)
