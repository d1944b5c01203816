"""Last pure stage: what people and machines are told about a decision.

Names, tags and ARNs in an event are chosen by whoever made the call, who may be the attacker.
Here they become plain ASCII without line breaks and without `://`; a mail program may still make a
link of a bare `www.` name. The machine part keeps them exactly, as JSON.
"""

from collections.abc import Mapping

from countermand.core.model import Alert, Decision, Record, Ruling, StepStatus, Verdict

_SUBJECT_LENGTH = 99  # SNS refuses 100 and more
_LONGEST_VALUE = 256
_LONGEST_RUNBOOK = 1024
_MOST_OTHERS = 5


def notification_key(record: Record) -> str:
    """What an alert about this record would say, in a word; each is said once."""
    decision = record.decision
    if decision.unverified:
        return "unverified"
    if decision.approved_for_remediation:
        return record.outcome
    return f"{decision.verdict}/{decision.leading.reasons[0].guard}"


def alert(record: Record, api_url: str) -> Alert:
    """Everything a channel needs; channels choose the part that fits them."""
    return Alert(
        subject=_subject(record),
        text=_text(record, api_url),
        document=_document(record, api_url),
        attributes=_attributes(record),
    )


def plain(value: str, longest: int = _LONGEST_VALUE) -> str:
    """An untrusted string for a mail: printable ASCII, one line, bounded, without `://`."""
    shown = "".join(c if " " <= c <= "~" else f"\\u{ord(c):04x}" for c in value[:longest])
    return shown.replace("://", "[:]//") + ("..." if len(value) > longest else "")


def summary(record: Record) -> str:
    """What was done or not, in a few words."""
    decision = record.decision
    if decision.unverified:
        return "UNVERIFIED, live state unreadable"
    if decision.verdict is Verdict.REMEDIATE:
        return _OUTCOME_SUMMARY.get(record.outcome, "approved for remediation")
    return _VERDICT_SUMMARY[decision.verdict]


_OUTCOME_SUMMARY: Mapping[str, str] = {
    StepStatus.APPLIED: "taken back",
    StepStatus.SIMULATED: "would be taken back (dry run)",
    StepStatus.UNCHANGED: "already removed",
    StepStatus.FAILED: "REMEDIATION FAILED, act now",
}
_VERDICT_SUMMARY = {
    Verdict.SKIP: "not taken back",
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


def _text(record: Record, api_url: str) -> str:
    decision = record.decision
    finding, event = decision.leading.finding, decision.event
    lines = [
        f"{plain(finding.title)}: {summary(record)}.",
        "",
        *_rows(
            ("What", f"{event.name}, severity {finding.severity}"),
            ("Rule", finding.rule_id),
            ("Who", event.actor.arn or event.actor.type or "unknown"),
            ("Whom", _target(decision.leading)),
            *(("Also", f"{r.finding.title}: {_target(r)}") for r in _others(decision)),
            *((_label(name), text) for name, text in sorted(finding.evidence.items())),
            ("When", f"{event.time:%Y-%m-%d %H:%M:%S} UTC"),
            ("Where", f"account {event.account_id}, region {event.region}"),
        ),
        "",
        *_rows(
            ("Decision", f"{decision.verdict}, mode {decision.mode}"),
            ("Because", decision.reason),
            *(("Also", r.text) for r in decision.leading.reasons[1:]),
            ("Outcome", record.outcome),
            *(("Step", f"{o.step.call.action}: {o.status}, {o.detail}") for o in record.outcomes),
            *(("Note", note) for note in record.annotations),
        ),
        "",
        "What to do now:",
        *(f"  - {line}" for line in (*_advice(record), *_runbook(record))),
        "",
        f"Decision {decision.id}",
        f"{api_url}/decisions/{decision.id}",
    ]
    return "\n".join(lines) + "\n"


def _label(evidence: str) -> str:
    """`policy_arn` -> `Policy`, `group_name` -> `Group`."""
    words = evidence.removesuffix("_arn").removesuffix("_name").replace("_", " ")
    return words.capitalize()


def _rows(*rows: tuple[str, str]) -> list[str]:
    return [f"  {label + ':':<9} {plain(value)}" for label, value in rows]


def _others(decision: Decision) -> list[Ruling]:
    """What other rules saw in the same event, but for what is nothing to do."""
    leading = decision.leading
    others = [r for r in decision.rulings if r is not leading and r.verdict is not Verdict.SKIP]
    return others[:_MOST_OTHERS]


def _target(ruling: Ruling) -> str:
    principal, subject = ruling.principal, ruling.finding.subject
    if principal is not None:
        return f"{principal.kind} {principal.arn}"
    return f"{subject.kind} {subject.name}" if subject is not None else "hidden by the event"


def _advice(record: Record) -> list[str]:
    decision = record.decision
    undo = f"If it was legitimate: countermand undo {decision.id}"
    if decision.unverified:
        return [
            "Check the target in IAM by hand now: Countermand could not read it and did nothing.",
            "Restore the worker's access to IAM; it keeps trying until the queue gives up.",
        ]
    match decision.verdict, record.outcome:
        case Verdict.REMEDIATE, StepStatus.FAILED:
            return ["Take the change back by hand: Countermand tried and could not."]
        case Verdict.REMEDIATE, StepStatus.SIMULATED:
            return [
                "Take the change back by hand if it is not wanted: this was a dry run.",
                "To let Countermand do it, set COUNTERMAND_MODE=enforce.",
            ]
        case Verdict.REMEDIATE, outcome:
            ask = "Ask the caller why; look at what was done with the grant meanwhile."
            return [ask, undo] if outcome == StepStatus.APPLIED else [ask]
        case Verdict.SKIP, _:
            return [
                "Nothing, if the reason above is right; otherwise take the change back by hand."
            ]
        case _:
            return ["Look at the change and take it back by hand if it is not wanted."]


def _runbook(record: Record) -> list[str]:
    decision = record.decision
    if decision.verdict is Verdict.SKIP or not decision.leading.finding.runbook:
        return []
    return [plain(decision.leading.finding.runbook, _LONGEST_RUNBOOK)]


def _document(record: Record, api_url: str) -> Mapping[str, object]:
    decision = record.decision
    finding, event = decision.leading.finding, decision.event
    principal = decision.leading.principal
    return {
        "event_name": event.name,
        "actor_arn": event.actor.arn,
        "target_user": finding.subject.name if finding.subject else None,
        "target_kind": str(finding.subject.kind) if finding.subject else None,
        "target_arn": principal.arn if principal else None,
        "policy_arn": finding.evidence.get("policy_arn"),
        "evidence": dict(finding.evidence),
        "runbook": finding.runbook,
        "dry_run": decision.mode != "enforce",
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
