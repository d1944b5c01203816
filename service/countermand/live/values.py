"""Read the settings that an action can restore: of one target, or of all for a snapshot.

A value is a text; documents and settings are JSON. An empty value means that nothing is set.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from countermand.core.aspects import boundary_of
from countermand.core.errors import Gone
from countermand.core.model import Aspect, SubjectKind
from countermand.ports import Cloud

_TRAIL_SETTINGS = (
    "S3BucketName",
    "S3KeyPrefix",
    "SnsTopicName",
    "IncludeGlobalServiceEvents",
    "IsMultiRegionTrail",
    "IsOrganizationTrail",
    "CloudWatchLogsLogGroupArn",
    "CloudWatchLogsRoleArn",
    "KmsKeyId",
)
"""The settings that have the same name in UpdateTrail and GetTrail.
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_UpdateTrail.html"""


# --- principals

PRINCIPAL_ASPECTS: Mapping[SubjectKind, frozenset[Aspect]] = {
    SubjectKind.USER: frozenset({Aspect.NAME, Aspect.PERMISSIONS_BOUNDARY, Aspect.INLINE_POLICY}),
    SubjectKind.ROLE: frozenset(
        {Aspect.TRUST_POLICY, Aspect.PERMISSIONS_BOUNDARY, Aspect.INLINE_POLICY}
    ),
    SubjectKind.GROUP: frozenset({Aspect.INLINE_POLICY}),
}
_PRINCIPAL_LIST = "iam:GetAccountAuthorizationDetails"


def principal_reads(kind: SubjectKind, aspects: AbstractSet[Aspect]) -> set[str]:
    """Return the permissions to read these aspects of one principal."""
    wanted = PRINCIPAL_ASPECTS.get(kind, frozenset()) & aspects
    entity = kind.capitalize()
    inline = {f"iam:Get{entity}Policy"} if Aspect.INLINE_POLICY in wanted else set()
    return {f"iam:Get{entity}", *inline} if wanted else set()


def other_reads(aspects: AbstractSet[Aspect]) -> set[str]:
    """Return the permissions to list all principals, and to list and read all other targets."""
    of_principals = frozenset().union(*PRINCIPAL_ASPECTS.values())
    listed = {_PRINCIPAL_LIST} if of_principals & aspects else set()
    return listed.union(*(READERS[a].permissions for a in aspects if a in READERS))


@dataclass(frozen=True, slots=True)
class Shown:
    """A principal as IAM shows it."""

    kind: SubjectKind
    unique_id: str
    name: str
    arn: str
    detail: Mapping[str, Any]


def principal(cloud: Cloud, kind: SubjectKind, name: str) -> Shown:
    """Read a principal by name. Raises `Gone` if it does not exist."""
    entity = kind.capitalize()
    return _of(kind, cloud.call(f"iam:Get{entity}", **{f"{entity}Name": name})[entity])


def principal_value(cloud: Cloud, shown: Shown, aspect: Aspect, policy_name: str) -> str:
    """Return one aspect of a principal. `policy_name` names the inline policy, if it is one."""
    if aspect is not Aspect.INLINE_POLICY:
        return _shown(shown, aspect)
    entity = shown.kind.capitalize()
    request = {f"{entity}Name": shown.name, "PolicyName": policy_name}
    try:
        return json.dumps(cloud.call(f"iam:Get{entity}Policy", **request)["PolicyDocument"])
    except Gone:
        return ""


def principals(cloud: Cloud, kind: SubjectKind) -> Iterator[Shown]:
    """Read all principals of a kind with all their aspects, one page in memory at a time."""
    entity = kind.capitalize()
    for detail in cloud.each(_PRINCIPAL_LIST, f"{entity}DetailList", Filter=[entity]):
        yield _of(kind, detail)


def listed_values(shown: Shown) -> Iterator[tuple[Aspect, str, str]]:
    """Yield each aspect of a principal: aspect, name of the inline policy or '', value."""
    for aspect in PRINCIPAL_ASPECTS[shown.kind] - {Aspect.INLINE_POLICY}:
        yield aspect, "", _shown(shown, aspect)
    for policy in shown.detail.get(f"{shown.kind.capitalize()}PolicyList", ()):
        yield Aspect.INLINE_POLICY, policy["PolicyName"], json.dumps(policy["PolicyDocument"])


def _of(kind: SubjectKind, detail: Mapping[str, Any]) -> Shown:
    entity = kind.capitalize()
    return Shown(kind, detail[f"{entity}Id"], detail[f"{entity}Name"], detail["Arn"], detail)


def _shown(shown: Shown, aspect: Aspect) -> str:
    match aspect:
        case Aspect.NAME:
            return shown.name
        case Aspect.TRUST_POLICY:
            return json.dumps(shown.detail["AssumeRolePolicyDocument"])
        case Aspect.PERMISSIONS_BOUNDARY:
            return boundary_of(shown.detail)
    raise AssertionError(f"IAM shows no {aspect} of a {shown.kind}")


# --- everything else


@dataclass(frozen=True, slots=True)
class Reader:
    """The calls that read one aspect of resources, or of the account."""

    kind: SubjectKind
    read: str
    """The call that reads one target, and the permission for it."""
    value: Callable[[Cloud, str], str]
    """Returns the value of the target with this name or ARN; '' if nothing is set."""
    listed: str = ""
    """The call that lists all targets, and the permission for it."""
    names: Callable[[Cloud], Iterable[str]] = lambda _: ("",)
    """Returns the names of all targets; the account needs no name."""

    @property
    def permissions(self) -> tuple[str, ...]:
        """Return the permissions to read one target, and to list all."""
        return (self.read, self.listed) if self.listed else (self.read,)


def _default_version(cloud: Cloud, arn: str) -> str:
    return str(cloud.call("iam:GetPolicy", PolicyArn=arn)["Policy"]["DefaultVersionId"])


def _saml_metadata(cloud: Cloud, arn: str) -> str:
    provider = cloud.call("iam:GetSAMLProvider", SAMLProviderArn=arn)
    return str(provider["SAMLMetadataDocument"])


def _oidc_thumbprints(cloud: Cloud, arn: str) -> str:
    provider = cloud.call("iam:GetOpenIDConnectProvider", OpenIDConnectProviderArn=arn)
    return json.dumps(provider.get("ThumbprintList", []))


def _trail(cloud: Cloud, name: str) -> str:
    trail = cloud.call("cloudtrail:GetTrail", Name=name)["Trail"]
    settings = {key: trail[key] for key in _TRAIL_SETTINGS if trail.get(key, "") != ""}
    return json.dumps(settings | {"EnableLogFileValidation": trail["LogFileValidationEnabled"]})


def _password_policy(cloud: Cloud, _name: str) -> str:
    policy = cloud.call("iam:GetAccountPasswordPolicy")["PasswordPolicy"]
    # UpdateAccountPasswordPolicy has no ExpirePasswords, which follows from MaxPasswordAge, and
    # rejects 0 days.
    policy.pop("ExpirePasswords", None)
    set_ = {key: value for key, value in policy.items() if value or value is False}
    return json.dumps(set_, sort_keys=True)


def _or_none(value: Callable[[Cloud, str], str]) -> Callable[[Cloud, str], str]:
    def read(cloud: Cloud, name: str) -> str:
        try:
            return value(cloud, name)
        except Gone:
            return ""

    return read


def _each(operation: str, key: str, field: str, **request: str) -> Callable[[Cloud], Sequence[str]]:
    return lambda cloud: [item[field] for item in cloud.items(operation, key, **request)]


READERS: Mapping[Aspect, Reader] = {
    Aspect.DEFAULT_VERSION: Reader(
        SubjectKind.POLICY,
        "iam:GetPolicy",
        _or_none(_default_version),
        "iam:ListPolicies",
        _each("iam:ListPolicies", "Policies", "Arn", Scope="Local"),
    ),
    Aspect.SAML_METADATA: Reader(
        SubjectKind.RESOURCE,
        "iam:GetSAMLProvider",
        _or_none(_saml_metadata),
        "iam:ListSAMLProviders",
        _each("iam:ListSAMLProviders", "SAMLProviderList", "Arn"),
    ),
    Aspect.OIDC_THUMBPRINTS: Reader(
        SubjectKind.RESOURCE,
        "iam:GetOpenIDConnectProvider",
        _or_none(_oidc_thumbprints),
        "iam:ListOpenIDConnectProviders",
        _each("iam:ListOpenIDConnectProviders", "OpenIDConnectProviderList", "Arn"),
    ),
    Aspect.TRAIL: Reader(
        SubjectKind.RESOURCE,
        "cloudtrail:GetTrail",
        _or_none(_trail),
        "cloudtrail:ListTrails",
        _each("cloudtrail:ListTrails", "Trails", "TrailARN"),
    ),
    Aspect.PASSWORD_POLICY: Reader(
        SubjectKind.ACCOUNT, "iam:GetAccountPasswordPolicy", _or_none(_password_policy)
    ),
}
"""The readers of all aspects except those of principals."""
