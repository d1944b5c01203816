"""Restore the previous value of a setting of a provider, a trail or the account."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf

from countermand.actions.gone import false_when_gone
from countermand.core.errors import CannotRestore
from countermand.core.model import Aspect, Finding, Principal
from countermand.core.rules.schema import PREVIOUS
from countermand.live.values import READERS
from countermand.ports import ActionInfo, Cloud, Plan

type Put = Callable[[Cloud, str, str, str], None]
"""Sets a value on the target of this name or ARN, in place of another value."""
type Obstacle = Callable[[str, str], str | None]
"""Returns why the first value cannot be restored in place of the second, or None if it can."""


@dataclass(frozen=True, slots=True)
class RestoreSetting:
    """Makes the call of the change with the previous value; undo makes it with the new value.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateSAMLProvider.html
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateOpenIDConnectProviderThumbprint.html
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccountPasswordPolicy.html
    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_UpdateTrail.html
    """

    name: str
    description: str
    aspect: Aspect
    writes: tuple[str, ...]
    put: Put
    obstacle: Obstacle

    @property
    def info(self) -> ActionInfo:
        return ActionInfo(
            name=self.name,
            description=self.description,
            needs=(PREVIOUS,),
            reads=(READERS[self.aspect].read,),
            writes=self.writes,
            undo_calls=self.writes,
        )

    def plan(self, cloud: Cloud, finding: Finding, _principal: Principal | None) -> Plan | None:
        if finding.subject is None:
            return None
        name, previous = finding.subject.name, finding.evidence[PREVIOUS]
        value = self._read(cloud, name)
        if value == previous:
            return None
        if (why := self.obstacle(previous, value)) is not None:
            raise CannotRestore(why)
        return Plan({"name": name, "value": value, PREVIOUS: previous})

    @false_when_gone
    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        self.put(cloud, params["name"], params[PREVIOUS], params["value"])
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        return self._read(cloud, params["name"]) == params["value"]

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        self.put(cloud, params["name"], params["value"], params[PREVIOUS])

    def _read(self, cloud: Cloud, name: str) -> str:
        return READERS[self.aspect].value(cloud, name)


def _gone(previous: str, value: str) -> str | None:
    """Return why a provider or trail cannot be restored: it does not exist, or did not exist."""
    if not value:
        return "it is deleted now"
    return None if previous else "it was not there before"


def _needs_a_role(previous: str, value: str) -> str | None:
    if (why := _gone(previous, value)) is not None:
        return why
    if any(name.startswith("CloudWatchLogs") for name in _differing(previous, value)):
        return "its log group changed, and the worker may not pass the role that a log group needs"
    return None


def _is_no_weaker(previous: str, value: str) -> str | None:
    """Return why a password policy is left in place: it asks for no less than the previous one."""
    before, now = _strength(previous), _strength(value)
    if any(now[name] < strength for name, strength in before.items()):
        return None
    return "the new policy asks for no less than the previous one"


def _strength(password_policy: str) -> dict[str, float]:
    """Return each setting as a number that is lower where the policy asks for less.

    Without a policy, IAM asks for 8 characters. In a policy without a length, it asks for 6.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_passwords_account-policy.html
    """
    policy = json.loads(password_policy) if password_policy else {"MinimumPasswordLength": 8}
    classes = ("Symbols", "Numbers", "UppercaseCharacters", "LowercaseCharacters")
    return {
        "length": policy.get("MinimumPasswordLength", 6),
        "reuse": policy.get("PasswordReusePrevention", 0),
        "age": -policy.get("MaxPasswordAge", inf),
        **{name: policy.get(f"Require{name}", False) for name in classes},
    }


def _differing(wanted: str, instead_of: str) -> dict[str, object]:
    """Return the settings that the call must send; an empty text removes a setting."""
    new, old = json.loads(wanted), json.loads(instead_of)
    names = sorted(new.keys() | old.keys())
    return {name: new.get(name, "") for name in names if new.get(name) != old.get(name)}


def _put_metadata(cloud: Cloud, arn: str, wanted: str, _instead_of: str) -> None:
    cloud.call("iam:UpdateSAMLProvider", SAMLProviderArn=arn, SAMLMetadataDocument=wanted)


def _put_thumbprints(cloud: Cloud, arn: str, wanted: str, _instead_of: str) -> None:
    cloud.call(
        "iam:UpdateOpenIDConnectProviderThumbprint",
        OpenIDConnectProviderArn=arn,
        ThumbprintList=json.loads(wanted),
    )


def _put_trail(cloud: Cloud, name: str, wanted: str, instead_of: str) -> None:
    cloud.call("cloudtrail:UpdateTrail", Name=name, **_differing(wanted, instead_of))


def _put_password_policy(cloud: Cloud, _name: str, wanted: str, _instead_of: str) -> None:
    if wanted:
        cloud.call("iam:UpdateAccountPasswordPolicy", **json.loads(wanted))
    else:
        cloud.call("iam:DeleteAccountPasswordPolicy")


RESTORE_SAML_METADATA = RestoreSetting(
    name="restore_saml_metadata",
    description=(
        "Restore the previous metadata of the SAML provider, with the keys of the identity "
        "provider. Undo sets the new metadata again. IAM cannot restrict the metadata, so grant "
        "the call for the providers in scope only."
    ),
    aspect=Aspect.SAML_METADATA,
    writes=("iam:UpdateSAMLProvider",),
    put=_put_metadata,
    obstacle=_gone,
)
RESTORE_OIDC_THUMBPRINTS = RestoreSetting(
    name="restore_oidc_thumbprints",
    description=(
        "Restore the previous certificate thumbprints of the OIDC provider. Undo sets the new "
        "thumbprints again. IAM cannot restrict the thumbprints, so grant the call for the "
        "providers in scope only."
    ),
    aspect=Aspect.OIDC_THUMBPRINTS,
    writes=("iam:UpdateOpenIDConnectProviderThumbprint",),
    put=_put_thumbprints,
    obstacle=_gone,
)
RESTORE_TRAIL = RestoreSetting(
    name="restore_trail",
    description=(
        "Restore the previous settings of the trail: bucket, regions, validation, key. A changed "
        "log group is left in place, because the worker may not pass the role that it needs. Undo "
        "sets the new settings again."
    ),
    aspect=Aspect.TRAIL,
    writes=("cloudtrail:UpdateTrail",),
    put=_put_trail,
    obstacle=_needs_a_role,
)
RESTORE_PASSWORD_POLICY = RestoreSetting(
    name="restore_password_policy",
    description=(
        "Restore the previous password policy of the account, or delete the new "
        "policy, unless the new policy asks for no less. Undo restores the policy of the change."
    ),
    aspect=Aspect.PASSWORD_POLICY,
    writes=("iam:DeleteAccountPasswordPolicy", "iam:UpdateAccountPasswordPolicy"),
    put=_put_password_policy,
    obstacle=_is_no_weaker,
)
