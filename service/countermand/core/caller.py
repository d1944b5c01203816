"""The caller block of every alert and decision: identity, address, and tool.

CloudTrail describes a caller by `userIdentity`, which has another shape for each type, and by the
fields beside it. `caller_of` makes one shape of all of them.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html

AWS sets these fields but for three that the caller chooses: the user agent, the name of a session,
and often the source identity. So `via` is a hint, and nothing decides by it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

_LONGEST = 1024
"""Longest value that is kept. CloudTrail cuts user agents at 1 KB, and ARNs are shorter."""
_CLOUDFORMATION = "cloudformation.amazonaws.com"
_SERVICE_NAMES = (".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".aws.internal")
_IDENTITY_CENTER_ROLE = ":role/aws-reserved/sso.amazonaws.com/"
_CONSOLE_EVENTS = frozenset({"AwsConsoleSignIn", "AwsConsoleAction"})
_CONSOLE_AGENTS = ("console.amazonaws.com", "signin.amazonaws.com", "AWSConsole", "[S3Console")


class Via(StrEnum):
    """How a call was probably made."""

    CONSOLE = "console"
    CLI = "cli"
    SDK = "sdk"
    TERRAFORM = "terraform"
    """Terraform or OpenTofu."""
    PULUMI = "pulumi"
    CLOUDFORMATION = "cloudformation"
    """CloudFormation, and what deploys through it, such as CDK and SAM."""
    AWS_SERVICE = "aws-service"
    """An AWS service, for somebody or on its own behalf."""
    UNKNOWN = "unknown"


# The first that matches counts: Terraform and Pulumi are SDKs too, and name them behind their own.
_TOOLS = (
    (re.compile(r"\b(HashiCorp )?Terraform\b|\bOpenTofu\b", re.IGNORECASE), Via.TERRAFORM),
    (re.compile(r"\bPulumi", re.IGNORECASE), Via.PULUMI),
    (re.compile(r"\baws-cli/|\bAWSPowerShell|\bAWSCloudShell", re.IGNORECASE), Via.CLI),
    (
        re.compile(r"\bBoto3?/|\bBotocore/|\baws-sdk|\bAWSSDK|\baws-amplify/", re.IGNORECASE),
        Via.SDK,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The caller of one event. A value is None when the event does not have it."""

    type: str | None = None
    """CloudTrail's type of identity, such as IAMUser or AssumedRole."""
    name: str | None = None
    """The name that people know: of the user, the session, the service, or the external account."""
    arn: str | None = None
    account_id: str | None = None
    """The account of the caller's credentials."""
    cross_account: bool = False
    """Whether that is another account than the one of the event."""
    principal_id: str | None = None
    access_key_id: str | None = None
    session_issuer_arn: str | None = None
    """The role, or the user, whose session this is."""
    session_name: str | None = None
    session_started: str | None = None
    """When the session began, as CloudTrail writes it: ISO 8601 in UTC."""
    source_identity: str | None = None
    """The person behind a chain of sessions, where the account demands one."""
    mfa: bool | None = None
    """Whether the caller signed in with MFA; None: the event does not say, as with access keys."""
    identity_provider: str | None = None
    """The SAML or OIDC provider, or IAM Identity Center."""
    on_behalf_of: str | None = None
    """The user ID in Identity Center that the call was made for."""
    source_ip: str | None = None
    """The address, or the name of the AWS service that called."""
    user_agent: str | None = None
    invoked_by: str | None = None
    """The AWS service that made the call for the caller."""
    via: Via = Via.UNKNOWN
    request_id: str | None = None
    """CloudTrail's `requestID`, which AWS Support asks for."""


def caller_of(detail: object) -> Caller:
    """Read the caller from the `detail` of an event; what has the wrong type is left out."""
    record = _Fields.of(detail)
    identity = record.inside("userIdentity")
    context = identity.inside("sessionContext")
    attributes, issuer = context.inside("attributes"), context.inside("sessionIssuer")
    federation, behalf = context.inside("webIdFederationData"), identity.inside("onBehalfOf")
    kind, arn = identity.text("type"), identity.text("arn")
    account = identity.text("accountId") or _account_in(arn)
    issuer_arn, session = issuer.text("arn"), _session_name(identity.text("principalId"), arn)
    return Caller(
        type=kind,
        name=_name(record, identity, session),
        arn=arn,
        account_id=account,
        cross_account=_differ(account, record.text("recipientAccountId")),
        principal_id=identity.text("principalId"),
        access_key_id=identity.text("accessKeyId"),
        session_issuer_arn=issuer_arn,
        session_name=session if issuer_arn or kind == "AssumedRole" else None,
        session_started=attributes.text("creationDate"),
        source_identity=context.text("sourceIdentity"),
        mfa=_mfa(record, attributes),
        identity_provider=_provider(identity, federation, issuer_arn),
        on_behalf_of=behalf.text("userId"),
        source_ip=record.text("sourceIPAddress"),
        user_agent=record.text("userAgent"),
        invoked_by=identity.text("invokedBy"),
        via=_via(record, identity),
        request_id=record.text("requestID"),
    )


class _Fields:
    """An object of the event, read without trust in its types."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    @classmethod
    def of(cls, value: object) -> Self:
        return cls(value if isinstance(value, dict) else {})

    def inside(self, key: str) -> "_Fields":
        return _Fields.of(self._values.get(key))

    def text(self, key: str) -> str | None:
        """Return a text that is not empty, cut at `_LONGEST`, or None."""
        value = self._values.get(key)
        return value[:_LONGEST] if isinstance(value, str) and value else None

    def says(self, key: str) -> bool | None:
        """Return a truth value, which CloudTrail writes as a text or as JSON, or None."""
        value = self._values.get(key)
        if isinstance(value, str):
            value = {"true": True, "yes": True, "false": False, "no": False}.get(value.lower())
        return value if isinstance(value, bool) else None


def _differ(account: str | None, recipient: str | None) -> bool:
    # An anonymous caller and an AWS service have a word in place of the account.
    return account is not None and account.isdigit() and account != (recipient or account)


def _account_in(arn: str | None) -> str | None:
    parts = (arn or "").split(":")
    return parts[4] if len(parts) > 4 and parts[4] else None  # noqa: PLR2004 - of an ARN


def _session_name(principal_id: str | None, arn: str | None) -> str | None:
    """Return the name of a session: `AROAEXAMPLE:ana`, or the end of its ARN."""
    if principal_id is not None and ":" in principal_id:
        return principal_id.partition(":")[2] or None
    return arn.rpartition("/")[2] or None if arn is not None and "/" in arn else None


def _name(record: _Fields, identity: _Fields, session: str | None) -> str | None:
    """Return the first that the type of identity has, in the order of what people know best."""
    kind = identity.text("type")
    if kind == "Root":
        return "root"
    if kind == "AWSService":
        return identity.text("invokedBy") or record.text("sourceIPAddress")
    if kind in {"IdentityCenterUser", "Unknown"}:
        # These have neither an ARN nor a user name in an API call; a sign-in has the user name.
        signed_in = record.inside("additionalEventData").text("UserName")
        behalf = identity.inside("onBehalfOf").text("userId")
        return identity.text("userName") or signed_in or behalf
    known = identity.text("userName") or session or identity.text("principalId")
    return known or identity.text("accountId")


def _mfa(record: _Fields, attributes: _Fields) -> bool | None:
    """A session says it in its attributes, a sign-in beside them."""
    in_session = attributes.says("mfaAuthenticated")
    at_sign_in = record.inside("additionalEventData").says("MFAUsed")
    return at_sign_in if in_session is None else in_session


def _provider(identity: _Fields, federation: _Fields, issuer_arn: str | None) -> str | None:
    if issuer_arn is not None and _IDENTITY_CENTER_ROLE in issuer_arn:
        return "IAM Identity Center"
    if identity.text("type") == "IdentityCenterUser":
        return "IAM Identity Center"
    return federation.text("federatedProvider") or identity.text("identityProvider")


def _via(record: _Fields, identity: _Fields) -> Via:
    """Decide in this order, because AWS sets the first three and the caller chooses the last.

    | in the event                                                  | via                      |
    |---------------------------------------------------------------|--------------------------|
    | CloudFormation called, for somebody or on its own              | cloudformation           |
    | session of the console, or an event or agent of the console    | console                  |
    | another AWS service called                                     | aws-service              |
    | user agent                                                     | the tool that it names   |
    """
    services = (identity.text("invokedBy"), record.text("sourceIPAddress"))
    agent = record.text("userAgent") or ""
    if _CLOUDFORMATION in services:
        return Via.CLOUDFORMATION
    if record.says("sessionCredentialFromConsole") or record.text("eventType") in _CONSOLE_EVENTS:
        return Via.CONSOLE
    if any(name in agent for name in _CONSOLE_AGENTS):
        return Via.CONSOLE
    if identity.text("type") == "AWSService" or any(_is_service(name) for name in services):
        return Via.AWS_SERVICE
    return next((via for pattern, via in _TOOLS if pattern.search(agent)), Via.UNKNOWN)


def _is_service(name: str | None) -> bool:
    return name is not None and (name == "AWS Internal" or name.endswith(_SERVICE_NAMES))
