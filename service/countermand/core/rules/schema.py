"""The schema of a rule file: what a reviewer reads in YAML, and what pydantic refuses.

`rules/rulebook.py` validates each file with these models and `rule.py` compiles them. The
descriptions become the JSON schema that editors use (`countermand rules schema`).
"""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from countermand.core.checks import CHECKS
from countermand.core.model import Aspect, Mode, Severity, SubjectKind

PREVIOUS = "previous"
"""The evidence that `restores` gives. It never comes from an event: an attacker must not choose
what Countermand restores."""

_PATH = r"^detail(\.[A-Za-z0-9]+)+$"

_Path = Annotated[str, Field(pattern=_PATH, max_length=200)]
_SomePaths = Annotated[tuple[_Path, ...], Field(min_length=1, max_length=5)]
_Paths = Annotated[
    _SomePaths,
    BeforeValidator(
        lambda value: (value,) if isinstance(value, str) else value,
        json_schema_input_type=_Path | _SomePaths,
    ),
]


class _File(BaseModel):
    """The fields that rules and correlations share."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(
        pattern=r"^[a-z][a-z0-9_]{2,63}$",
        description="A fact in the past tense, and the name of the file.",
        examples=["admin_policy_attached_to_user"],
    )
    title: str = Field(min_length=8, max_length=120, description="One line for people.")
    description: str = Field(min_length=20, description="What happened, and why it is a risk.")
    severity: Severity
    mitre: tuple[Annotated[str, Field(pattern=r"^T\d{4}(\.\d{3})?$")], ...] = Field(
        description="MITRE ATT&CK technique IDs."
    )
    references: tuple[Annotated[str, Field(pattern=r"^https://")], ...] = ()
    false_positives: str = Field(min_length=10, description="When this is legitimate.")
    runbook: str = Field(min_length=10, description="What the reader of the alert does next.")
    revert_steps: tuple[Annotated[int, Field(ge=1, le=9, strict=True)], ...] = Field(
        default=(),
        description="The numbers of the steps in the runbook that revert the change. An alert "
        "leaves them out once Countermand has reverted it.",
    )
    remediate: str | None = Field(
        default=None, description="Name of the action that reverts it; absent: alert only."
    )
    mode: Mode | None = Field(
        default=None, description="Limits this rule; absent: the mode of the service."
    )
    scope: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Glob that the target's name must match in addition to the service's scope.",
    )

    @model_validator(mode="after")
    def _steps_exist(self) -> Self:
        missing = [n for n in self.revert_steps if f"{n}. " not in self.runbook]
        if missing:
            raise ValueError(f"revert_steps: the runbook has no step {missing[0]}. Remove it")
        return self


class RuleFile(_File):
    """One YAML file in `rules/`: the events, their target, their meaning and the remediation."""

    when: dict[str, Any] = Field(description="An EventBridge event pattern.")
    subject: dict[SubjectKind, _Paths] = Field(
        min_length=1,
        max_length=1,
        description="Kind of the target: path of its name in the event, or several paths, of "
        "which the first one present counts.",
    )
    evidence: dict[Annotated[str, Field(pattern=r"^[a-z][a-z_]{1,40}$")], _Path] = Field(
        default_factory=dict,
        max_length=12,
        description="What the alert shows and the action needs: name and path in the event.",
    )
    check: str | None = Field(
        default=None,
        description="Name of a check in core/checks; absent: the pattern suffices.",
    )
    reads: bool = Field(
        default=False,
        strict=True,
        description="CloudTrail marks these events as readOnly, which EventBridge delivers only to "
        "an EventBridge rule in the state ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS. This rule "
        "then has an EventBridge rule of its own, with `when` as its pattern: keep it narrow.",
    )
    restores: Aspect | None = Field(
        default=None,
        description="What the change replaced. Its previous value, from the baselines that "
        "Countermand saves, is evidence for the action: `previous`.",
    )
    resolve: str | None = Field(
        default=None,
        description="Name of the evidence with the ARN of a managed policy. Countermand reads the "
        "policy live, and the rule is valid only if it gives administrator privileges.",
    )

    @model_validator(mode="after")
    def _reads_or_restores(self) -> Self:
        if self.reads and self.restores is not None:
            raise ValueError(
                "`reads` and `restores` exclude each other: a read replaces nothing. Remove one"
            )
        return self

    @field_validator("evidence")
    @classmethod
    def _not_reserved(cls, evidence: dict[str, str]) -> dict[str, str]:
        if PREVIOUS in evidence:
            raise ValueError(f"{PREVIOUS!r} comes from `restores`, never from an event. Rename it")
        return evidence

    @field_validator("resolve")
    @classmethod
    def _of_evidence(cls, resolve: str | None, info: ValidationInfo) -> str | None:
        if resolve is not None and resolve not in info.data.get("evidence", {}):
            raise ValueError(f"{resolve!r} is not in evidence. Add it there")
        return resolve

    @field_validator("check")
    @classmethod
    def _known(cls, check: str | None) -> str | None:
        if check is not None and check not in CHECKS:
            raise ValueError(f"unknown {check!r}; known: {', '.join(CHECKS)}")
        return check


class By(StrEnum):
    """What events must have in common to be one sequence."""

    USER = "user"
    ROLE = "role"
    GROUP = "group"
    """For this and the two above: the target of the findings."""
    ACTOR = "actor"
    """The caller; for a session, its role."""


class Correlate(BaseModel):
    """Several events within some minutes that mean more together than each one alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: By
    within_minutes: int = Field(ge=1, le=1440, strict=True)
    steps: tuple[Annotated[tuple[str, ...], Field(min_length=1)], ...] = Field(
        default=(),
        max_length=10,
        description="Lists of rule IDs: at least one rule of each list matched a call that "
        "succeeded, in any order.",
    )
    denied_calls: int | None = Field(
        default=None,
        ge=2,
        le=100,
        strict=True,
        description="How many calls that any rule matched were denied for lack of a permission.",
    )

    @model_validator(mode="after")
    def _either(self) -> Self:
        if bool(self.steps) == (self.denied_calls is not None):
            raise ValueError("needs either `steps` or `denied_calls`, not both")
        return self


class CorrelationFile(_File):
    """One YAML file in `rules/` about several events and what they must have in common."""

    correlate: Correlate
