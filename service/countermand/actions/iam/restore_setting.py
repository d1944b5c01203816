"""Put back what a change of a provider, a trail or the account replaced."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf

from countermand.core.errors import CannotRestore, Gone
from countermand.core.model import Aspect, Finding, Principal
from countermand.core.rules.schema import PREVIOUS
from countermand.live.values import READERS
from countermand.ports import Cloud, Plan

type Put = Callable[[Cloud, str, str, str], None]
"""Gives the target of this name or ARN a value, in place of the other."""
type Obstacle = Callable[[str, str], str | None]
"""Why the first value cannot be put back in place of the second."""


@dataclass(frozen=True, slots=True)
class RestoreSetting:
    """The call that made the change, with the value before; undone with the one taken back.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateSAMLProvider.html
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateOpenIDConnectProviderThumbprint.html
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccountPasswordPolicy.html
    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_UpdateTrail.html
    """

    name: str
    description: str
    aspect: Aspect
    permissions: tuple[str, ...]
    put: Put
    obstacle: Obstacle
    needs = (PREVIOUS,)

    @property
    def read_permissions(self) -> tuple[str, ...]:
        return (READERS[self.aspect].read,)

    @property
    def undo_permissions(self) -> tuple[str, ...]:
        return self.permissions

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

    def apply(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        try:
            self.put(cloud, params["name"], params[PREVIOUS], params["value"])
        except Gone:
            return False
        return True

    def is_present(self, cloud: Cloud, params: Mapping[str, str]) -> bool:
        return self._read(cloud, params["name"]) == params["value"]

    def undo(self, cloud: Cloud, params: Mapping[str, str]) -> None:
        self.put(cloud, params["name"], params["value"], params[PREVIOUS])

    def _read(self, cloud: Cloud, name: str) -> str:
        return READERS[self.aspect].value(cloud, name)


def _gone(previous: str, value: str) -> str | None:
    """Of what exists by itself: there is nothing to set a value on, or nothing was there."""
    if not value:
        return "it is deleted now"
    return None if previous else "it was not there before"


def _needs_a_role(previous: str, value: str) -> str | None:
    if (why := _gone(previous, value)) is not None:
        return why
    if any(name.startswith("CloudWatchLogs") for name in _differing(previous, value)):
        return "its log group was changed, and to set that the worker would have to pass a role"
    return None


def _is_no_weaker(previous: str, value: str) -> str | None:
    """A step up is taken back neither where it still is too low, nor where it is the first one."""
    before, now = _strength(previous), _strength(value)
    if any(now[name] < strength for name, strength in before.items()):
        return None
    return "the new policy asks for no less than the one before"


def _strength(password_policy: str) -> dict[str, float]:
    """Of each setting, as a number that is less where it asks for less.

    Without a policy IAM asks for 8 characters, in one without a length for 6.
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
    """The settings that are to be sent; an empty text takes one away."""
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
        "Put back the metadata that the SAML provider had before, with the keys of the identity "
        "provider; undo puts the new ones. IAM cannot limit what the call puts: grant it for the "
        "providers in scope only."
    ),
    aspect=Aspect.SAML_METADATA,
    permissions=("iam:UpdateSAMLProvider",),
    put=_put_metadata,
    obstacle=_gone,
)
RESTORE_OIDC_THUMBPRINTS = RestoreSetting(
    name="restore_oidc_thumbprints",
    description=(
        "Put back the certificate thumbprints that the OIDC provider had before; undo puts the new "
        "ones. IAM cannot limit what the call puts: grant it for the providers in scope only."
    ),
    aspect=Aspect.OIDC_THUMBPRINTS,
    permissions=("iam:UpdateOpenIDConnectProviderThumbprint",),
    put=_put_thumbprints,
    obstacle=_gone,
)
RESTORE_TRAIL = RestoreSetting(
    name="restore_trail",
    description=(
        "Give the trail the settings that it had before: bucket, regions, validation, key. Not its "
        "log group, for which the worker would have to pass a role. Undo puts the new ones."
    ),
    aspect=Aspect.TRAIL,
    permissions=("cloudtrail:UpdateTrail",),
    put=_put_trail,
    obstacle=_needs_a_role,
)
RESTORE_PASSWORD_POLICY = RestoreSetting(
    name="restore_password_policy",
    description=(
        "Put back the password policy that the account had before, or none if it had none, unless "
        "the new one asks for no less; undo puts the new one, or none."
    ),
    aspect=Aspect.PASSWORD_POLICY,
    permissions=("iam:DeleteAccountPasswordPolicy", "iam:UpdateAccountPasswordPolicy"),
    put=_put_password_policy,
    obstacle=_is_no_weaker,
)
