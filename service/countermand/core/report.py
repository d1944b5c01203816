"""Last pure stage: the alert about a decision, for people and for machines.

The caller chose the names, tags and ARNs in an event, and the caller may be the attacker. The email
shows them as plain ASCII, on one line and without `://`. An email program may still turn a bare
`www.` name into a link. The JSON document keeps every value exactly.
"""

from collections.abc import Mapping
from dataclasses import asdict

from countermand.core import mitre
from countermand.core.caller import Caller
from countermand.core.model import (
    EXCEPTION_TAG,
    Alert,
    Decision,
    Mode,
    Record,
    Ruling,
    StepStatus,
    Verdict,
)
from countermand.core.next_steps import console_links, next_steps

_SUBJECT_LENGTH = 99  # SNS refuses 100 and more
_LONGEST_VALUE = 256
_LONGEST_STEP = 1024
_MOST_OTHERS = 5
SCHEMA_VERSION = 1
"""The version of the JSON document. A member may be added to it without a new version."""


def notification_key(record: Record) -> str:
    """Return what an alert about this record says, in a word: Countermand sends each one once."""
    decision = record.decision
    if decision.unverified:
        return "unverified"
    if decision.approved_for_remediation:
        return record.outcome
    return f"{decision.verdict}/{decision.leading.reasons[0].guard}"


def alert(record: Record, api_url: str, exception_tag: tuple[str, str] = EXCEPTION_TAG) -> Alert:
    """Make the alert; each notifier sends the parts that fit its channel."""
    return Alert(
        subject=_subject(record),
        text=_text(record, api_url, exception_tag),
        document=_document(record, api_url),
        attributes=_attributes(record),
    )


def plain(value: str, longest: int = _LONGEST_VALUE) -> str:
    """Make an untrusted string safe for an email: one line of short printable ASCII, no `://`."""
    shown = "".join(c if " " <= c <= "~" else f"\\u{ord(c):04x}" for c in value[:longest])
    return shown.replace("://", "[:]//") + ("..." if len(value) > longest else "")


def summary(record: Record) -> str:
    """Say in a few words what Countermand did."""
    decision = record.decision
    if decision.unverified:
        return "UNVERIFIED, live state unreadable"
    if decision.verdict is Verdict.REMEDIATE:
        return _OUTCOME_SUMMARY.get(record.outcome, "approved for remediation")
    return _VERDICT_SUMMARY[decision.verdict]


_OUTCOME_SUMMARY: Mapping[str, str] = {
    StepStatus.APPLIED: "reverted",
    StepStatus.SIMULATED: "would be reverted (dry run)",
    StepStatus.UNCHANGED: "already removed",
    StepStatus.FAILED: "REMEDIATION FAILED, act now",
}
_VERDICT_SUMMARY = {
    Verdict.SKIP: "not reverted",
    Verdict.ALERT_ONLY: "alert only",
    Verdict.WAIT: "waiting",
}


def _subject(record: Record) -> str:
    finding = record.decision.leading.finding
    target = plain(finding.subject.name) if finding.subject else "hidden target"
    head = f"[{finding.severity.upper()}] "
    tail = f" - {summary(record)}"
    room = _SUBJECT_LENGTH - len(head) - len(tail)
    return head + f"{target}: {plain(finding.title)}"[:room].rstrip() + tail


def _text(record: Record, api_url: str, exception_tag: tuple[str, str]) -> str:
    decision = record.decision
    finding, event = decision.leading.finding, decision.event
    lines = [
        f"{plain(finding.title)}: {summary(record)}.",
        "",
        *_rows(
            ("Call", f"{event.name}, severity {finding.severity}"),
            ("Rule", finding.rule_id),
            *(("MITRE", _technique(technique)) for technique in finding.techniques),
            ("Actor", event.actor.arn or event.actor.type or "unknown"),
            *_caller(record.caller),
            ("Target", _target(decision.leading)),
            *(("Also", f"{r.finding.title}: {_target(r)}") for r in _others(decision)),
            *((_label(name), text) for name, text in sorted(finding.evidence.items())),
            ("Time", f"{event.time:%Y-%m-%d %H:%M:%S} UTC"),
            ("Account", f"{event.account_id}, region {event.region}"),
            ("Event", _event_ids(record)),
        ),
        "",
        *_rows(
            ("Decision", f"{decision.verdict}, mode {decision.mode}"),
            ("Reason", decision.reason),
            *(("Also", r.text) for r in decision.leading.reasons[1:]),
            *([] if record.outcomes else [("Result", record.outcome)]),
            *(("Step", f"{o.step.call.action}: {o.status}, {o.detail}") for o in record.outcomes),
            *(("Note", note) for note in record.annotations),
        ),
        "",
        "Next steps",
        *(
            f"  {number}. {plain(step, _LONGEST_STEP)}"
            for number, step in enumerate(next_steps(record, exception_tag), 1)
        ),
        "",
        f"Decision {decision.id}",
        f"{api_url}/decisions/{decision.id}",
        *console_links(record),
    ]
    return "\n".join(lines) + "\n"


def _technique(technique: str) -> str:
    return f"{technique} {mitre.NAMES.get(technique, '')}".rstrip()


def _caller(caller: Caller | None) -> list[tuple[str, str]]:
    """Return what the event says about the caller beside the ARN."""
    if caller is None:
        return []
    other = f", of account {caller.account_id}" if caller.cross_account else ""
    since = f", since {caller.session_started}" if caller.session_started else ""
    rows = (
        ("Name", caller.name, other),
        ("Session", caller.session_issuer_arn, since),
        ("Source id", caller.source_identity, ""),
        ("Sign-in", caller.identity_provider, ""),
        ("Behalf", caller.on_behalf_of, " in Identity Center"),
        ("Key", caller.access_key_id, ""),
        ("MFA", {True: "yes", False: "no", None: None}[caller.mfa], ""),
        ("From", caller.source_ip, ""),
        ("Via", str(caller.via), f" ({caller.user_agent})" if caller.user_agent else ""),
        ("Service", caller.invoked_by, ""),
    )
    return [(label, f"{value}{more}") for label, value, more in rows if value is not None]


def _event_ids(record: Record) -> str:
    """Return the IDs to search CloudTrail by, and to give to AWS Support."""
    request = record.caller.request_id if record.caller is not None else None
    event_id = record.decision.event.event_id
    return f"{event_id}, request {request}" if request is not None else event_id


def _label(evidence: str) -> str:
    """Turn the name of an evidence into a label: `policy_arn` -> `Policy`."""
    words = evidence.removesuffix("_arn").removesuffix("_name").replace("_", " ")
    return words.capitalize()


def _rows(*rows: tuple[str, str]) -> list[str]:
    return [f"  {label + ':':<9} {plain(value)}" for label, value in rows]


def _others(decision: Decision) -> list[Ruling]:
    """Return the rulings of other rules on the same event, except the skipped ones."""
    leading = decision.leading
    others = [r for r in decision.rulings if r is not leading and r.verdict is not Verdict.SKIP]
    return others[:_MOST_OTHERS]


def _target(ruling: Ruling) -> str:
    principal, subject = ruling.principal, ruling.finding.subject
    if principal is not None:
        return f"{principal.kind} {principal.arn}"
    return f"{subject.kind} {subject.name}" if subject is not None else "hidden by the event"


def _document(record: Record, api_url: str) -> Mapping[str, object]:
    decision = record.decision
    finding, event = decision.leading.finding, decision.event
    principal = decision.leading.principal
    return {
        "schema_version": SCHEMA_VERSION,
        "event_name": event.name,
        "actor_arn": event.actor.arn,
        "caller": asdict(record.caller) if record.caller is not None else None,
        "target_user": finding.subject.name if finding.subject else None,
        "target_kind": str(finding.subject.kind) if finding.subject else None,
        "target_arn": principal.arn if principal else None,
        "policy_arn": finding.evidence.get("policy_arn"),
        "evidence": dict(finding.evidence),
        "runbook": finding.runbook,
        "dry_run": decision.mode is not Mode.ENFORCE,
        "approved_for_remediation": decision.approved_for_remediation,
        "verdict": str(decision.verdict),
        "decision_reason": decision.reason,
        "reasons": [reason.text for reason in decision.leading.reasons],
        "decision_id": decision.id,
        "event_id": event.event_id,
        "event_time": event.time.isoformat(),
        "account_id": event.account_id,
        "region": event.region,
        "rule_id": finding.rule_id,
        "techniques": [
            {"id": each, "name": mitre.NAMES.get(each), "url": mitre.url(each)}
            for each in finding.techniques
        ],
        "references": list(finding.references),
        "severity": str(finding.severity),
        "mode": str(decision.mode),
        "outcome": record.outcome,
        "annotations": list(record.annotations),
        "decision_url": f"{api_url}/decisions/{decision.id}",
    }


def _attributes(record: Record) -> Mapping[str, str]:
    leading = record.decision.leading
    return {
        "severity": str(leading.finding.severity),
        "rule_id": leading.finding.rule_id,
        "verdict": str(record.decision.verdict),
        "account_id": record.decision.event.account_id,
    }
