"""What the code calls, what `countermand iam-policy` prints, and nothing more."""

import ast
import inspect
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from countermand.actions import ALL
from countermand.app import rules
from countermand.aws import iam, sns, sqs
from countermand.core.errors import ConfigError
from countermand.core.model import Mode
from countermand.core.rules.rule import RuleSet
from countermand.deployment.iam_policy import PolicyJson, enforce_policy, worker_policy
from countermand.deployment.routing import LONGEST_PATTERN, routing_patterns
from countermand.deployment.values import DeploymentValues
from countermand.ledger import dynamodb_table
from countermand.live import policies
from countermand.rules.rulebook import BUILT_IN, load_rules
from support.authorizer import authorized

ACCOUNT = "111122223333"
VALUES = DeploymentValues(
    partition="aws",
    account_id=ACCOUNT,
    queue_arn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:countermand-events",
    topic_arn=f"arn:aws:sns:us-east-1:{ACCOUNT}:countermand-alerts",
    table_arn=f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/countermand",
    log_group_arn=f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/countermand/worker",
    user_scope="iam-test-*",
    role_scope="iam-test-*",
    group_scope="iam-test-*",
    policy_scope="iam-test-*",
    resource_scope="iam-test-*",
    account_scope=ACCOUNT,
)
RULES = rules()
NOT_THE_WORKERS = {
    "dynamodb:CreateTable",
    "dynamodb:DescribeTimeToLive",
    "dynamodb:UpdateTimeToLive",
}


def policy(mode: Mode) -> PolicyJson:
    return worker_policy(mode, RULES, ALL, VALUES)


def allowed(mode: Mode) -> set[str]:
    statements = policy(mode)["Statement"]
    return {a for s in statements if s["Effect"] == "Allow" for a in s["Action"]}


# --- what the code calls is what it says that it calls


@pytest.mark.parametrize("module", [sqs, sns, dynamodb_table])
def test_an_adapter_names_every_call_that_it_makes(module: Any) -> None:
    source = Path(module.__file__).read_text()
    made = {f"{s}:{op}" for s, op in re.findall(r'translated\("(\w+)", "(\w+)"\)', source)}
    assert {call.removesuffix("Batch") for call in made} - NOT_THE_WORKERS == set(
        module.PERMISSIONS
    )


def test_the_iam_adapter_names_its_reads() -> None:
    names = {
        node.args[0].value
        for node in ast.walk(ast.parse(Path(iam.__file__).read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"_call", "_pages"}
        and isinstance(node.args[0], ast.Constant)
    }
    made = {"iam:" + "".join(part.capitalize() for part in str(name).split("_")) for name in names}
    assert made == {call for calls in iam.PERMISSIONS.values() for call in calls}


@pytest.mark.parametrize("name", ALL)
def test_an_action_calls_only_what_it_names(name: str) -> None:
    action = ALL[name]
    source = inspect.getsource(sys.modules[type(action).__module__])
    # `aws:` begins a condition key, never a call.
    literal = set(re.findall(r'"((?!aws:)[a-z-]+:[A-Z]\w+)"', source))
    named = {*action.info.reads, *action.info.writes, *action.info.undo_calls}
    others = {
        permission
        for other in ALL.values()
        if type(other).__module__ == type(action).__module__
        for permission in (
            *other.info.reads,
            *other.info.writes,
            *other.info.undo_calls,
        )
    }
    assert literal <= named | others


def test_the_policy_reader_names_its_reads() -> None:
    made = set(re.findall(r'call\("(iam:\w+)"', inspect.getsource(policies)))
    assert made == set(policies.PERMISSIONS)
    assert made <= allowed(Mode.OBSERVE)


def test_policy_reads_need_a_rule_that_asks(tmp_path: Path) -> None:
    of_admins = next(BUILT_IN.rglob("admin_policy_attached_to_user.yaml")).read_text()
    (tmp_path / "admin_policy_attached_to_user.yaml").write_text(of_admins)
    document = worker_policy(Mode.ENFORCE, load_rules(ALL, tmp_path), ALL, VALUES)
    assert not any(permission in str(document) for permission in policies.PERMISSIONS)
    assert "policy/iam-test-" not in str(document)


# --- the policy


def test_dry_run_writes_only_to_its_own_parts() -> None:
    """They are the queue, the topic, the ledger, and the log group."""
    for action in allowed(Mode.DRY_RUN):
        service, _, name = action.partition(":")
        if service not in {"dynamodb", "logs", "sns", "sqs"}:
            assert name.startswith(("Describe", "Get", "List")), action


def test_enforce_adds_the_writes_of_its_actions() -> None:
    writes = {
        permission
        for rule in RULES.rules
        if rule.remediation is not None and rule.mode is not Mode.OBSERVE
        for permission in ALL[rule.remediation].info.writes
    }
    assert allowed(Mode.ENFORCE) - allowed(Mode.DRY_RUN) <= writes
    assert "iam:DetachUserPolicy" in allowed(Mode.ENFORCE)


def test_the_enforce_policy_is_what_enforce_adds() -> None:
    extra = [
        s for s in policy(Mode.ENFORCE)["Statement"] if s not in policy(Mode.DRY_RUN)["Statement"]
    ]
    assert enforce_policy(RULES, ALL, VALUES)["Statement"] == extra


@pytest.mark.parametrize("mode", Mode)
def test_the_worker_cannot_grant_permissions(mode: Mode) -> None:
    """No action of its policy is a wildcard."""
    for action in allowed(mode):
        assert "*" not in action
        assert not action.startswith(("iam:Create", "iam:Pass", "iam:Tag", "sts:"))


UNLIMITED = {
    "iam:PutGroupPolicy": "admin_inline_policy_put_on_group",
    "iam:PutRolePolicy": "admin_inline_policy_put_on_role",
    "iam:PutUserPolicy": "admin_inline_policy_put_on_user",
    "iam:UpdateAssumeRolePolicy": "role_trust_opened",
}
"""Calls that could grant and that IAM cannot limit, and the rule that each goes away with."""


@pytest.mark.parametrize("mode", Mode)
def test_attached_policies_only_deny(mode: Mode) -> None:
    """Inline policies are restored from the baseline or deny."""
    own_policies = f"arn:aws:iam::{ACCOUNT}:policy/*"
    for statement in policy(mode)["Statement"]:
        granting = {
            a
            for a in statement["Action"]
            if a.startswith(("iam:Attach", "iam:Put", "iam:UpdateAssume"))
        }
        if statement["Effect"] == "Deny" or granting <= UNLIMITED.keys():
            continue
        ((key, arns),) = [pair for keys in statement["Condition"].values() for pair in keys.items()]
        own_boundary = {own_policies} if key == "iam:PermissionsBoundary" else set()
        assert all("Deny" in arn or "Quarantine" in arn for arn in set(arns) - own_boundary)


@pytest.mark.parametrize("call", UNLIMITED)
def test_a_granting_call_stays_in_scope(call: str, tmp_path: Path) -> None:
    """Without its rule, the policy does not allow it."""
    for statement in policy(Mode.ENFORCE)["Statement"]:
        if call in statement["Action"]:
            (arn,) = statement["Resource"]
            assert re.fullmatch(r"arn:aws:iam::\d+:(user|role|group)/iam-test-\*(/\*)?", arn)
    off = tmp_path / "overrides.yaml"
    off.write_text(f"{UNLIMITED[call]}: {{mode: observe}}")
    rule_set = load_rules(ALL, BUILT_IN, overrides=off)
    assert call not in str(enforce_policy(rule_set, ALL, VALUES))


def with_overrides(folder: Path, text: str) -> RuleSet:
    path = folder / "overrides.yaml"
    path.write_text(text)
    return load_rules(ALL, BUILT_IN, overrides=path)


def test_an_observing_rule_reads_only(tmp_path: Path) -> None:
    off = {
        rule.id: {"enabled": rule.id == "login_profile_created_for_another_user"}
        for rule in RULES.rules
    }
    rule_set = with_overrides(tmp_path, json.dumps(off))
    text = str(worker_policy(Mode.ENFORCE, rule_set, ALL, VALUES))
    assert "iam:GetLoginProfile" in text
    assert "iam:DeleteLoginProfile" not in text


COULD_GRANT = {
    "role_assumed_from_another_account": ("CanGrantRoles", "iam:PutRolePolicy"),
    "console_login_without_mfa": ("CanGrantUsers", "iam:PutUserPolicy"),
    "federation_token_issued": ("CanGrantUsers", "iam:PutUserPolicy"),
    "login_profile_changed_for_another_user": ("CanGrantUsers", "iam:UpdateLoginProfile"),
    "mfa_device_removed_from_another_user": ("CanGrantUsers", "iam:PutUserPolicy"),
}


def test_a_disabled_rule_needs_no_granting_call() -> None:
    could_grant = {*UNLIMITED, "iam:UpdateLoginProfile"}
    asking = {
        rule.id
        for rule in RULES.rules
        if rule.remediation and {*ALL[rule.remediation].info.writes} & could_grant
    }
    assert asking == {*COULD_GRANT, *UNLIMITED.values()}
    assert all(rule.mode is Mode.OBSERVE for rule in RULES.rules if rule.id in COULD_GRANT)
    assert "iam:UpdateLoginProfile" not in allowed(Mode.ENFORCE)


@pytest.mark.parametrize("rule_id", COULD_GRANT)
def test_a_granting_call_has_a_sid_that_says_so(tmp_path: Path, rule_id: str) -> None:
    """Its Sid begins with CanGrant."""
    sid, call = COULD_GRANT[rule_id]
    kind, arn = ("Roles", role) if sid.endswith("Roles") else ("Users", user)
    modes = {other: {"mode": "observe"} for other in UNLIMITED.values()}
    rule_set = with_overrides(tmp_path, json.dumps(modes | {rule_id: {"mode": "enforce"}}))
    document = enforce_policy(rule_set, ALL, VALUES)
    asked = [s["Sid"] for s in document["Statement"] if call in s["Action"]]
    assert asked == [sid, f"NoPaths{kind}"]
    assert authorized(document, call, arn("iam-test-x"))
    assert not authorized(document, call, arn("iam-test-/evil"))
    assert not authorized(document, call, arn("alice"))
    for _, other in {*COULD_GRANT.values()} - {(sid, call)}:
        assert not authorized(document, other, arn("iam-test-x"))


LONGEST_ROLE_POLICIES = 10240
"""Characters of all inline policies of a role.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
BESIDE = 1200
"""For what Terraform adds: the denials and the topic's key; and for longer names than here."""


def test_the_policies_fit_the_quotas_of_iam() -> None:
    text = json.dumps(policy(Mode.DRY_RUN), separators=(",", ":"))
    assert len(text) + BESIDE <= LONGEST_ROLE_POLICIES


def test_listed_policies_are_of_the_own_partition() -> None:
    text = str(enforce_policy(RULES, ALL, replace(VALUES, partition="aws-cn")))
    assert "arn:aws-cn:iam::aws:policy/AdministratorAccess" in text
    assert "arn:aws:" not in text


def test_only_the_exception_tag_may_be_removed() -> None:
    document = policy(Mode.ENFORCE)
    tag = {"aws_TagKeys": "SecurityApproved"}
    for call, arn in (("iam:UntagUser", user), ("iam:UntagRole", role)):
        assert authorized(document, call, arn("iam-test-x"), **tag)
        assert not authorized(document, call, arn("iam-test-x"), aws_TagKeys="department")
        assert not authorized(document, call, arn("somebody"), **tag)
        assert not authorized(document, call, arn("iam-test-/x"), **tag)
        assert not authorized(policy(Mode.DRY_RUN), call, arn("iam-test-x"), **tag)


def test_a_rule_that_is_off_needs_no_write(tmp_path: Path) -> None:
    names = [f"{kind}_policy_attached_to_user" for kind in ("admin", "customer", "escalation")]
    off = "\n".join(f"{name}: {{enabled: false}}" for name in names)
    rule_set = with_overrides(tmp_path, off)
    document = enforce_policy(rule_set, ALL, VALUES)
    assert "iam:DetachUserPolicy" not in str(document)


# --- a simulated authorizer


def user(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"


def role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def group(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:group/{name}"


def own(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy/{name}"


ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
OWN_ADMIN = f"arn:aws:iam::{ACCOUNT}:policy/AdministratorAccess"
AWS_DENY_ALL = "arn:aws:iam::aws:policy/AWSDenyAll"
DETACH = "iam:DetachUserPolicy"


@pytest.mark.parametrize(
    ("mode", "action", "resource", "policy_arn", "allow"),
    [
        # detaching: only listed policies, only in scope, only at path /
        ("enforce", DETACH, user("iam-test-user"), ADMIN, True),
        ("enforce", DETACH, user("iam-test-"), ADMIN, True),
        ("enforce", DETACH, user("iam-test-user"), "arn:aws:iam::aws:policy/IAMFullAccess", True),
        ("enforce", DETACH, user("iam-test-user"), "arn:aws:iam::aws:policy/PowerUserAccess", True),
        ("enforce", DETACH, user("iam-test-/evil"), ADMIN, False),
        ("enforce", DETACH, user("iam-test-a/b/evil"), ADMIN, False),
        ("enforce", DETACH, user("dev/iam-test-bob"), ADMIN, False),
        ("enforce", DETACH, user("alice"), ADMIN, False),
        ("enforce", DETACH, user("IAM-TEST-user"), ADMIN, False),
        ("enforce", DETACH, user("xiam-test-user"), ADMIN, False),
        ("enforce", DETACH, "arn:aws:iam::999999999999:user/iam-test-user", ADMIN, False),
        ("enforce", DETACH, f"arn:aws-cn:iam::{ACCOUNT}:user/iam-test-user", ADMIN, False),
        ("enforce", DETACH, user("iam-test-user"), "arn:aws:iam::aws:policy/ReadOnlyAccess", False),
        ("enforce", DETACH, user("iam-test-user"), f"{ADMIN}-Amplify", False),
        ("enforce", DETACH, user("iam-test-user"), OWN_ADMIN, False),
        ("enforce", DETACH, user("iam-test-user"), own("iam-test-innocent"), True),
        ("enforce", DETACH, user("alice"), own("iam-test-innocent"), False),
        ("dry-run", DETACH, user("iam-test-user"), own("iam-test-innocent"), False),
        ("observe", "iam:GetPolicy", own("any/policy"), None, True),
        ("observe", "iam:GetPolicyVersion", own("any/policy"), None, True),
        ("enforce", "iam:CreatePolicyVersion", own("iam-test-innocent"), None, False),
        ("enforce", DETACH, user("iam-test-user"), "arn:aws:iam::aws:policy/AWSDenyAll", False),
        ("enforce", DETACH, user("iam-test-user"), None, False),
        ("dry-run", DETACH, user("iam-test-user"), ADMIN, False),
        ("observe", DETACH, user("iam-test-user"), ADMIN, False),
        ("enforce", "iam:DetachRolePolicy", role("iam-test-r"), ADMIN, True),
        ("enforce", "iam:DetachRolePolicy", role("iam-test-/r"), ADMIN, False),
        ("enforce", "iam:DetachRolePolicy", role("aws-reserved/iam-test-r"), ADMIN, False),
        ("enforce", "iam:DetachGroupPolicy", group("iam-test-g"), ADMIN, True),
        ("enforce", "iam:DetachGroupPolicy", group("admins"), ADMIN, False),
        # credentials: to set inactive, only in scope
        ("enforce", "iam:UpdateAccessKey", user("iam-test-user"), None, True),
        ("enforce", "iam:UpdateAccessKey", user("alice"), None, False),
        ("enforce", "iam:UpdateAccessKey", user("iam-test-/evil"), None, False),
        ("dry-run", "iam:UpdateAccessKey", user("iam-test-user"), None, False),
        ("enforce", "iam:UpdateServiceSpecificCredential", user("iam-test-user"), None, True),
        ("enforce", "iam:UpdateServiceSpecificCredential", user("alice"), None, False),
        ("enforce", "iam:UpdateSSHPublicKey", user("iam-test-user"), None, True),
        ("enforce", "iam:UpdateSSHPublicKey", user("alice"), None, False),
        ("enforce", "iam:UpdateSigningCertificate", user("iam-test-user"), None, True),
        ("enforce", "iam:UpdateSigningCertificate", user("alice"), None, False),
        ("enforce", "iam:CreateAccessKey", user("iam-test-user"), None, False),
        ("enforce", "iam:CreateLoginProfile", user("iam-test-user"), None, False),
        ("enforce", "iam:UpdateLoginProfile", user("iam-test-user"), None, False),
        ("enforce", "iam:DeleteLoginProfile", user("iam-test-user"), None, False),
        ("enforce", "iam:DeactivateMFADevice", user("iam-test-user"), None, False),
        ("observe", "iam:GetLoginProfile", user("anybody"), None, True),
        ("observe", "iam:ListAccessKeys", user("anybody"), None, True),
        ("enforce", "iam:RemoveUserFromGroup", group("iam-test-g"), None, True),
        ("enforce", "iam:RemoveUserFromGroup", group("admins"), None, False),
        ("enforce", "iam:RemoveUserFromGroup", group("iam-test-/g"), None, False),
        # deny policies are put back, and nothing else is attached
        ("enforce", "iam:AttachUserPolicy", user("iam-test-u"), AWS_DENY_ALL, True),
        ("enforce", "iam:AttachRolePolicy", role("iam-test-r"), AWS_DENY_ALL, True),
        ("enforce", "iam:AttachUserPolicy", user("alice"), AWS_DENY_ALL, False),
        ("enforce", "iam:AttachUserPolicy", user("iam-test-/evil"), AWS_DENY_ALL, False),
        ("enforce", "iam:AttachUserPolicy", user("iam-test-u"), None, False),
        ("dry-run", "iam:AttachUserPolicy", user("iam-test-u"), AWS_DENY_ALL, False),
        # no way to grant, to take over, to hide
        ("enforce", "iam:AttachUserPolicy", user("iam-test-user"), ADMIN, False),
        ("enforce", "iam:TagUser", user("iam-test-user"), None, False),
        ("enforce", "iam:DeleteUser", user("iam-test-user"), None, False),
        ("enforce", "iam:CreateUser", user("iam-test-user"), None, False),
        ("enforce", "iam:PassRole", role("countermand"), None, False),
        ("enforce", "sts:AssumeRole", role("admin"), None, False),
        ("enforce", "sqs:PurgeQueue", VALUES.queue_arn, None, False),
        ("enforce", "sqs:SendMessage", VALUES.queue_arn, None, False),
        ("enforce", "sqs:SetQueueAttributes", VALUES.queue_arn, None, False),
        ("enforce", "dynamodb:DeleteItem", VALUES.table_arn, None, False),
        ("enforce", "dynamodb:Scan", VALUES.table_arn, None, False),
        ("enforce", "dynamodb:DeleteTable", VALUES.table_arn, None, False),
        ("enforce", "sns:Subscribe", VALUES.topic_arn, None, False),
        # what it needs
        ("observe", "sqs:ReceiveMessage", VALUES.queue_arn, None, True),
        ("observe", "sqs:ReceiveMessage", f"{VALUES.queue_arn}-dlq", None, False),
        ("observe", "sns:Publish", VALUES.topic_arn, None, True),
        ("observe", "sns:Publish", f"{VALUES.topic_arn}-other", None, False),
        ("observe", "dynamodb:Query", f"{VALUES.table_arn}/index/by-day", None, True),
        ("observe", "dynamodb:PutItem", f"{VALUES.table_arn}-other", None, False),
        ("observe", "iam:GetUser", user("anybody/at/all"), None, True),
        ("observe", "iam:GetUser", "arn:aws:iam::999999999999:user/anybody", None, False),
        ("observe", "iam:ListUsers", user("*"), None, False),
        ("observe", "logs:PutLogEvents", f"{VALUES.log_group_arn}:log-stream:a", None, True),
        ("observe", "logs:DeleteLogGroup", f"{VALUES.log_group_arn}:*", None, False),
    ],
)  # fmt: skip
def test_the_policy_allows_only_what_is_needed(
    mode: str, action: str, resource: str, policy_arn: str | None, allow: bool
) -> None:
    context = {"iam_PolicyARN": policy_arn} if policy_arn is not None else {}
    assert authorized(policy(Mode(mode)), action, resource, **context) is allow


def regional(service: str, name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:{service}:us-east-1:{account}:{name}"


def no_principal(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:{name}"


IDENTITY_STORE = "arn:aws:identitystore:::"
PERMISSION_SET = "arn:aws:sso:::permissionSet"
CLUSTER_ENTRY = f"role/{ACCOUNT}/deploy/54cae684-118a-2dd9-2a3d-01868c5231fa"


@pytest.mark.parametrize(
    ("action", "resource", "allow"),
    [
        # only what is in scope, only in the account
        ("cloudtrail:StartLogging", regional("cloudtrail", "trail/iam-test-t"), True),
        ("cloudtrail:StartLogging", regional("cloudtrail", "trail/audit"), False),
        ("cloudtrail:StartLogging", regional("cloudtrail", "trail/iam-test-t", "9" * 12), False),
        ("cloudtrail:PutEventSelectors", regional("cloudtrail", "trail/iam-test-t"), True),
        ("cloudtrail:PutEventSelectors", regional("cloudtrail", "trail/audit"), False),
        ("events:EnableRule", regional("events", "rule/iam-test-r"), True),
        ("events:EnableRule", regional("events", "rule/other"), False),
        ("lambda:PutFunctionConcurrency", regional("lambda", "function:iam-test-f"), True),
        ("lambda:PutFunctionConcurrency", regional("lambda", "function:prod"), False),
        ("lambda:RemovePermission", regional("lambda", "function:iam-test-f:live"), True),
        ("lambda:RemovePermission", regional("lambda", "layer:iam-test-f:1"), False),
        ("iam:DeleteSAMLProvider", no_principal("saml-provider/iam-test-p"), True),
        ("iam:DeleteSAMLProvider", no_principal("saml-provider/corp"), False),
        ("iam:UpdateSAMLProvider", no_principal("saml-provider/iam-test-p"), True),
        ("iam:UpdateSAMLProvider", no_principal("saml-provider/corp"), False),
        (
            "iam:UpdateOpenIDConnectProviderThumbprint",
            no_principal("oidc-provider/iam-test-p.org"),
            True,
        ),
        (
            "iam:UpdateOpenIDConnectProviderThumbprint",
            no_principal("oidc-provider/idp.org"),
            False,
        ),
        ("cloudtrail:UpdateTrail", regional("cloudtrail", "trail/iam-test-t"), True),
        ("cloudtrail:UpdateTrail", regional("cloudtrail", "trail/other"), False),
        # the rule on new OIDC providers only observes
        ("iam:DeleteOpenIDConnectProvider", no_principal("oidc-provider/iam-test-p.org"), False),
        (
            "iam:RemoveClientIDFromOpenIDConnectProvider",
            no_principal("oidc-provider/iam-test-p.org"),
            True,
        ),
        (
            "iam:RemoveClientIDFromOpenIDConnectProvider",
            no_principal("oidc-provider/idp.org/iam-test-"),
            False,
        ),
        ("iam:RemoveRoleFromInstanceProfile", no_principal("instance-profile/iam-test-p"), True),
        ("iam:RemoveRoleFromInstanceProfile", no_principal("instance-profile/web"), False),
        ("iam:RemoveRoleFromInstanceProfile", no_principal("instance-profile/iam-test-/w"), False),
        ("ec2:DisassociateIamInstanceProfile", regional("ec2", "instance/iam-test-i"), True),
        ("ec2:DisassociateIamInstanceProfile", regional("ec2", "instance/i-0"), False),
        ("ec2:AssociateIamInstanceProfile", regional("ec2", "instance/iam-test-i"), False),
        ("identitystore:DeleteGroupMembership", f"{IDENTITY_STORE}group/iam-test-g", True),
        ("identitystore:DeleteGroupMembership", f"{IDENTITY_STORE}group/other", False),
        ("identitystore:CreateGroupMembership", f"{IDENTITY_STORE}group/iam-test-g", False),
        ("rolesanywhere:DisableTrustAnchor", regional("rolesanywhere", "trust-anchor/x"), False),
        ("rolesanywhere:DisableProfile", regional("rolesanywhere", "profile/x"), False),
        ("rolesanywhere:DisableProfile", regional("rolesanywhere", "profile/iam-test-1"), True),
        (
            "eks:DisassociateAccessPolicy",
            regional("eks", f"access-entry/iam-test-c/{CLUSTER_ENTRY}"),
            True,
        ),
        (
            "eks:DisassociateAccessPolicy",
            regional("eks", f"access-entry/prod/{CLUSTER_ENTRY}"),
            False,
        ),
        ("sso:DeleteAccountAssignment", f"{PERMISSION_SET}/iam-test-/ps-1", True),
        ("sso:DeleteAccountAssignment", f"{PERMISSION_SET}/ssoins-1/ps-1", False),
        ("sso:DeleteAccountAssignment", f"arn:aws:sso:::account/{ACCOUNT}", True),
        ("sso:ProvisionPermissionSet", f"{PERMISSION_SET}/ssoins-1/ps-1", False),
        # what the undo needs is the operator's
        ("cloudtrail:StopLogging", regional("cloudtrail", "trail/iam-test-t"), False),
        ("events:DisableRule", regional("events", "rule/iam-test-r"), False),
        ("events:PutRule", regional("events", "rule/iam-test-r"), False),
        ("lambda:AddPermission", regional("lambda", "function:iam-test-f"), False),
        ("lambda:UpdateFunctionCode", regional("lambda", "function:iam-test-f"), False),
        ("lambda:InvokeFunction", regional("lambda", "function:iam-test-f"), False),
        ("iam:CreateSAMLProvider", no_principal("saml-provider/iam-test-p"), False),
        ("iam:AddRoleToInstanceProfile", no_principal("instance-profile/iam-test-p"), False),
        ("sso:CreateAccountAssignment", f"{PERMISSION_SET}/iam-test-/ps-1", False),
        ("sso:AttachManagedPolicyToPermissionSet", f"{PERMISSION_SET}/iam-test-/ps-1", False),
    ],
)
def test_writes_to_resources_keep_to_their_scope(action: str, resource: str, allow: bool) -> None:
    assert authorized(policy(Mode.ENFORCE), action, resource) is allow
    assert not authorized(policy(Mode.DRY_RUN), action, resource)


def test_a_scope_by_resource_limits_the_writes() -> None:
    one = regional("cloudtrail", "trail/audit")
    document = enforce_policy(RULES, ALL, replace(VALUES, resource_scope=one))
    assert authorized(document, "cloudtrail:StartLogging", one)
    assert not authorized(document, "cloudtrail:StartLogging", f"{one}-2")
    assert not authorized(
        document, "lambda:PutFunctionConcurrency", regional("lambda", "function:")
    )


def test_an_empty_resource_scope_allows_no_write() -> None:
    document = enforce_policy(RULES, ALL, replace(VALUES, resource_scope=""))
    assert not authorized(document, "cloudtrail:StartLogging", regional("cloudtrail", "trail/t"))
    assert not authorized(document, "iam:DeleteSAMLProvider", no_principal("saml-provider/p"))


@pytest.mark.parametrize(("scope", "allow"), [(ACCOUNT, True), ("*", True), ("", False)])
def test_account_settings_need_the_account_scope(scope: str, allow: bool) -> None:
    document = enforce_policy(RULES, ALL, replace(VALUES, account_scope=scope))
    for call in ("iam:UpdateAccountPasswordPolicy", "iam:DeleteAccountPasswordPolicy"):
        assert authorized(document, call, "*", aws_PrincipalAccount=ACCOUNT) is allow
        assert not authorized(policy(Mode.DRY_RUN), call, "*", aws_PrincipalAccount=ACCOUNT)


def test_a_write_whose_resource_is_not_known_is_refused(tmp_path: Path) -> None:
    text = next(BUILT_IN.rglob("trail_stopped.yaml")).read_text()
    changed = text.replace("start_logging", "delete_login_profile").replace("trail_stopped", "some")
    (tmp_path / "some.yaml").write_text(changed)
    with pytest.raises(ConfigError, match="no resource is known for iam:DeleteLoginProfile"):
        enforce_policy(load_rules(ALL, tmp_path), ALL, VALUES)


# --- routing


def test_the_patterns_route_every_call() -> None:
    """They fit the quota of EventBridge."""
    routes = routing_patterns(RULES)
    for rule in RULES.rules:
        own = routes.get(f"rule-{rule.id}")
        for source in rule.file.when.get("source", ["(any)"]):
            pattern: Any = (own or routes[source.removeprefix("aws.")])["pattern"]
            assert pattern.get("source", ["(any)"]) == [source]
        alternatives = [pattern, *pattern.get("$or", ())]
        listed = [n for each in alternatives for n in each["detail"].get("eventName", ())]
        assert set(rule.file.when["detail"].get("eventName", ())) <= set(listed)


def test_a_pattern_that_is_too_long_is_refused(tmp_path: Path) -> None:
    template = next(BUILT_IN.rglob("admin_policy_attached_to_user.yaml")).read_text()
    names = ", ".join(f"SomeRatherLongCallNumber{n}" for n in range(100))
    text = template.replace("[AttachUserPolicy]", f"[{names}]")
    (tmp_path / "admin_policy_attached_to_user.yaml").write_text(text)
    with pytest.raises(ConfigError, match=f"more than the {LONGEST_PATTERN}"):
        routing_patterns(load_rules(ALL, tmp_path))
