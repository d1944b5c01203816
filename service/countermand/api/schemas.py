"""The shapes of the API's answers, field by field: OpenAPI and `countermand decisions --json`."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from countermand.core.caller import Via
from countermand.core.model import Mode, Severity, StepStatus, SubjectKind, Verdict


class View(BaseModel):
    """Base of all views: immutable, and closed to anything that is not listed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ActorView(View):
    """The caller, as CloudTrail records it."""

    type: str = Field(description="CloudTrail's type of identity.", examples=["IAMUser"])
    arn: str = Field(
        description="ARN of the caller; empty when the event has none.",
        examples=["arn:aws:iam::111122223333:user/mallory"],
    )


class CallerView(View):
    """The caller: identity, address, and tool. A value is null when the event lacks it."""

    model_config = ConfigDict(from_attributes=True)

    type: str | None = Field(description="CloudTrail's type of identity.", examples=["AssumedRole"])
    name: str | None = Field(
        description="The user, the session, the service or the external account.",
        examples=["ana@example.com"],
    )
    arn: str | None = Field(
        description="ARN of the caller.",
        examples=["arn:aws:sts::111122223333:assumed-role/Ops/ana"],
    )
    account_id: str | None = Field(
        description="Account of the caller's credentials.", examples=["111122223333"]
    )
    cross_account: bool = Field(
        description="Whether that is another account than the one of the event.", examples=[False]
    )
    principal_id: str | None = Field(
        description="CloudTrail's `principalId`.", examples=["AROAEXAMPLE:ana"]
    )
    access_key_id: str | None = Field(
        description="The access key that signed the call.", examples=["ASIAEXAMPLE"]
    )
    session_issuer_arn: str | None = Field(
        description="The role or user whose session this is.",
        examples=["arn:aws:iam::111122223333:role/Ops"],
    )
    session_name: str | None = Field(description="The name of the session.", examples=["ana"])
    session_started: str | None = Field(
        description="When the session began.", examples=["2025-06-01T11:58:00Z"]
    )
    source_identity: str | None = Field(
        description="The person behind a chain of sessions.", examples=["ana@example.com"]
    )
    mfa: bool | None = Field(
        description="Whether the caller signed in with MFA; null: the event does not say.",
        examples=[True],
    )
    identity_provider: str | None = Field(
        description="The SAML or OIDC provider, or IAM Identity Center.",
        examples=["IAM Identity Center"],
    )
    on_behalf_of: str | None = Field(
        description="The Identity Center user that the call was made for.",
        examples=["111e2222-3333-4444-5555-666677778888"],
    )
    source_ip: str | None = Field(
        description="The address, or the name of the AWS service.", examples=["203.0.113.7"]
    )
    user_agent: str | None = Field(
        description="The user agent, which the caller chooses.", examples=["aws-cli/2.22.4"]
    )
    invoked_by: str | None = Field(
        description="The AWS service that made the call for the caller.",
        examples=["cloudformation.amazonaws.com"],
    )
    via: Via = Field(description="How the call was probably made.", examples=["cli"])
    request_id: str | None = Field(
        description="CloudTrail's `requestID`.", examples=["5b1c0e4c-0e2b-4d0e-9d8e-0a5d1f1f7a01"]
    )


class TechniqueView(View):
    """A MITRE ATT&CK technique."""

    id: str = Field(description="The ID.", examples=["T1098.003"])
    name: str | None = Field(
        description="The name; null when Countermand does not know the ID.",
        examples=["Account Manipulation: Additional Cloud Roles"],
    )
    url: str = Field(
        description="Its page.", examples=["https://attack.mitre.org/techniques/T1098/003/"]
    )


class TargetView(View):
    """The principal that the change is about. ARN and unique ID are null unless read live."""

    kind: SubjectKind = Field(description="Kind of the principal.", examples=["user"])
    name: str = Field(description="Name of the principal.", examples=["iam-test-user"])
    arn: str | None = Field(
        description="ARN, read live.", examples=["arn:aws:iam::111122223333:user/iam-test-user"]
    )
    unique_id: str | None = Field(
        description="IAM's unique ID, which a deleted and recreated principal does not share.",
        examples=["AIDAEXAMPLE1234567890"],
    )


class ReasonView(View):
    """One sentence, and the guard that said it."""

    guard: str = Field(description="Name of the guard.", examples=["approved"])
    text: str = Field(description="The sentence.", examples=["Approved for remediation"])


class RulingView(View):
    """What one rule saw, and what governance says about it."""

    rule_id: str = Field(
        description="The rule that matched.", examples=["admin_policy_attached_to_user"]
    )
    severity: Severity = Field(description="The rule's severity.", examples=["critical"])
    verdict: Verdict = Field(description="The verdict on this finding.", examples=["remediate"])
    mode: Mode = Field(description="The mode it was evaluated in.", examples=["dry-run"])
    reasons: list[ReasonView] = Field(description="Every reason; the first one decided.")
    evidence: dict[str, str] = Field(
        description="The values that the rule saw.",
        examples=[{"policy_arn": "arn:aws:iam::aws:policy/AdministratorAccess"}],
    )


class CallView(View):
    """An action by name, with its parameters."""

    action: str = Field(description="Name of the action.", examples=["undo_detach_user_policy"])
    params: dict[str, str] = Field(
        description="Its parameters.",
        examples=[
            {
                "user_name": "iam-test-user",
                "policy_arn": "arn:aws:iam::aws:policy/AdministratorAccess",
            }
        ],
    )


class OutcomeView(CallView):
    """How one remediation step ended, and what would undo it."""

    action: str = Field(description="Name of the action.", examples=["detach_user_policy"])
    status: StepStatus = Field(description="How the step ended.", examples=["simulated"])
    detail: str = Field(
        description="The same for people.", examples=["dry run: everything but the write"]
    )
    at: datetime | None = Field(description="When it ended.", examples=["2025-06-01T12:00:08Z"])
    inverse: CallView | None = Field(description="What `countermand undo` would do.")


class UndoView(View):
    """A person undid the remediation."""

    by: str = Field(
        description="ARN of the human's session.",
        examples=["arn:aws:sts::111122223333:assumed-role/security/ana"],
    )
    at: datetime = Field(description="When.", examples=["2025-06-01T13:00:00Z"])
    reason: str = Field(
        description="Why, in that person's words; empty when they gave no reason.",
        examples=["Break-glass access for INC-1234"],
    )


class TimingsView(View):
    """When each stage was reached; null: not (yet)."""

    received_at: datetime = Field(
        description="Received from the queue.", examples=["2025-06-01T12:00:07Z"]
    )
    decided_at: datetime | None = Field(
        description="Decided on live state.", examples=["2025-06-01T12:00:07.210Z"]
    )
    remediated_at: datetime | None = Field(
        description="Remediation steps ended.", examples=["2025-06-01T12:00:08Z"]
    )
    notified_at: datetime | None = Field(
        description="The security team was notified.", examples=["2025-06-01T12:00:08.400Z"]
    )


class LinksView(View):
    """Where to find the decision."""

    self: str = Field(
        description="This decision in the API.",
        examples=["http://127.0.0.1:8080/decisions/d-0f1e2d3c4b5a69788796"],
    )


class DecisionView(View):
    """A decision with everything that followed from it."""

    decision_id: str = Field(
        description="Id of the decision; the same event always has the same.",
        examples=["d-0f1e2d3c4b5a69788796"],
    )
    event_id: str = Field(
        description="CloudTrail's `eventID`.", examples=["7c2f9d1e-1b1a-4c55-9a52-3d1f0a7be001"]
    )
    event_name: str = Field(description="The API call.", examples=["AttachUserPolicy"])
    event_time: datetime = Field(
        description="When it was made, by CloudTrail.", examples=["2025-06-01T12:00:00Z"]
    )
    account_id: str = Field(description="The account it was made in.", examples=["111122223333"])
    region: str = Field(description="The region of the event.", examples=["us-east-1"])
    actor: ActorView = Field(description="Who made the call.")
    caller: CallerView | None = Field(
        description="The same in full; null in decisions of version 0.1.0."
    )
    target: TargetView | None = Field(description="What it affects; null when the event hides it.")
    rule_id: str = Field(
        description="The rule whose ruling decided.", examples=["admin_policy_attached_to_user"]
    )
    title: str = Field(
        description="That rule in one line.",
        examples=["Administrator policy attached to an IAM user"],
    )
    severity: Severity = Field(description="That rule's severity.", examples=["critical"])
    techniques: list[TechniqueView] = Field(description="The MITRE ATT&CK techniques it detects.")
    references: list[str] = Field(
        description="Pages about this kind of attack.",
        examples=[["https://pathfinding.cloud/paths/iam-007"]],
    )
    verdict: Verdict = Field(description="What was decided.", examples=["remediate"])
    approved_for_remediation: bool = Field(
        description="Whether governance allows the change to be reverted, also in a dry run.",
        examples=[True],
    )
    mode: Mode = Field(description="The mode it was decided in.", examples=["dry-run"])
    decision_reason: str = Field(
        description="The sentence that decided.", examples=["Approved for remediation"]
    )
    rulings: list[RulingView] = Field(description="One for every rule that matched.")
    outcome: str = Field(
        description="The worst status of the outcomes; `pending` before the first step; "
        "`none` when there was nothing to do.",
        examples=["simulated"],
    )
    outcomes: list[OutcomeView] = Field(description="How each remediation step ended.")
    notified: list[str] = Field(
        description="Each channel, and what was sent to it.", examples=[["sns:simulated"]]
    )
    annotations: list[str] = Field(
        description="Circumstances that deserve attention.", examples=[[]]
    )
    undo: UndoView | None = Field(description="Who undid the remediation; null when nobody did.")
    timings: TimingsView = Field(description="When each stage was reached.")
    links: LinksView = Field(description="Addresses to follow.")


class DecisionPage(View):
    """Decisions, newest first."""

    decisions: list[DecisionView] = Field(description="At most `limit` of them.")
    next_cursor: str | None = Field(
        description="Pass it as `cursor`, with the same filters, for older ones; null: no more.",
        examples=["eyJhdCI6IjIwMjUtMDYtMDEifQ"],
    )
