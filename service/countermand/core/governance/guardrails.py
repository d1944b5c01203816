"""The operator's limits: mode, scopes, protected principals, and what is in scope.

`app` builds one `Guardrails` from the settings. The guards of `guards.py` ask it, and so does
`pipeline/history.py` before it reads a baseline.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import translate

from countermand.core.model import EXCEPTION_TAG, Event, Mode, SubjectKind

_ARN_TYPE = re.compile(r"^arn:(?:[^:]*:){4}[^:/]*[:/]")


@dataclass(frozen=True, slots=True)
class Guardrails:
    """What the operator allows. The settings validate every value."""

    account_id: str
    region: str
    mode: Mode = Mode.DRY_RUN
    user_scope: str = "iam-test-*"
    """A case-sensitive glob on the live user name. No IAM name may contain `*` or `?`."""
    role_scope: str = "iam-test-*"
    group_scope: str = "iam-test-*"
    policy_scope: str = "iam-test-*"
    """A glob on the name of a customer-managed policy at path `/`."""
    resource_scope: str = ""
    """A glob on the name of any other resource, or on its ARN when the glob begins with `arn:`. The
    empty scope matches nothing."""
    account_scope: str = ""
    """A glob on the account ID, for account-level settings."""
    break_glass: tuple[str, ...] = ()
    """Globs on ARNs of protected principals, which Countermand never changes."""
    exception_tag: tuple[str, str] = EXCEPTION_TAG
    own_arns: frozenset[str] = frozenset()
    """The exact ARNs of the worker role (as session issuer) or user."""
    own_calls: frozenset[str] = frozenset()
    """The calls that actions make, as `iam:DetachUserPolicy`. The worker role makes no others."""
    settle: timedelta = timedelta(seconds=15)
    """How long after the event IAM may still show the state before it."""
    max_event_age: timedelta = timedelta(hours=24)
    scopes: Mapping[SubjectKind, re.Pattern[str]] = field(init=False, repr=False, compare=False)
    protected: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        globs = {
            SubjectKind.USER: self.user_scope,
            SubjectKind.ROLE: self.role_scope,
            SubjectKind.GROUP: self.group_scope,
            SubjectKind.POLICY: self.policy_scope,
            SubjectKind.RESOURCE: self.resource_scope,
            SubjectKind.ACCOUNT: self.account_scope,
        }
        scopes = {kind: re.compile(translate(glob)) for kind, glob in globs.items()}
        object.__setattr__(self, "scopes", scopes)
        protected = "|".join(map(translate, self.break_glass))
        object.__setattr__(self, "protected", re.compile(protected) if protected else None)

    def covers(self, event: Event) -> bool:
        """Return whether the event is from the account and region that the worker guards."""
        return (event.account_id, event.region) == (self.account_id, self.region)


def scope_of(guardrails: Guardrails, kind: SubjectKind) -> str:
    """Return the glob on the names of one kind; the empty one matches nothing."""
    return str(getattr(guardrails, f"{kind}_scope"))


def short_name(name: str) -> str:
    """Return what follows the type in an ARN, and any other name unchanged."""
    return _ARN_TYPE.sub("", name)


def is_in_scope(guardrails: Guardrails, kind: SubjectKind, name: str) -> bool:
    """Return whether a name or ARN is in scope. The path of a principal is not known here."""
    return out_of_scope(guardrails, kind, *path_and_name(guardrails, kind, name)) is None


def out_of_scope(guardrails: Guardrails, kind: SubjectKind, path: str, name: str) -> str | None:
    """Return why a target is out of scope, or None when it is in scope."""
    if path != "/":
        return f"its path is {path}, only / is in scope"
    if guardrails.scopes[kind].match(name) is None:
        return f"its name does not match {scope_of(guardrails, kind) or 'the empty scope'}"
    return None


def path_and_name(guardrails: Guardrails, kind: SubjectKind, name: str) -> tuple[str, str]:
    """Split the name of a target as the scopes read it: a policy ARN has a path, all others `/`."""
    if kind is SubjectKind.POLICY:
        return policy_path_and_name(name)
    # A scope that is a glob on ARNs needs the whole ARN; any other one needs the bare name.
    by_arn = guardrails.resource_scope.startswith("arn:")
    return "/", name if kind is not SubjectKind.RESOURCE or by_arn else short_name(name)


def policy_path_and_name(arn: str) -> tuple[str, str]:
    """Split the ARN of a managed policy into its path and its name."""
    # Split from the left: a path may contain `:policy/` too.
    path, _, name = arn.split(":", 5)[-1].removeprefix("policy").rpartition("/")
    return f"{path}/", name
