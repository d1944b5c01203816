"""What the reader of an alert does next: commands with the real names, and links to the console.

A runbook is written once per rule, with placeholders. Here it is fitted to one decision: names are
filled in, and steps that revert the change are left out when Countermand has reverted it.

| decision                    | first                                         | runbook            |
|-----------------------------|-----------------------------------------------|--------------------|
| unverified                  | check the target, restore the worker's access | whole              |
| remediate: failed           | revert the change manually                    | whole              |
| remediate: simulated        | nothing was changed, how to enforce           | whole              |
| remediate: applied          | how to undo, how to make an exception         | without the revert |
| remediate: unchanged        | the change was gone already                   | without the revert |
| remediate: not finished yet | Countermand retries                           | without the revert |
| alert only, wait            | nothing was changed                           | whole              |
| skip                        | none if the reason is right                   | none               |
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

from countermand.core.model import Record, StepStatus, SubjectKind, Verdict
from countermand.core.runbook import steps_of

_NUMBER = re.compile(r"^[1-9]\. ")
_PLACEHOLDER = re.compile(r"<([a-z][a-z_]{1,40})>")
_WORD = re.compile(r"[A-Za-z0-9_+=,.@/][A-Za-z0-9_+=,.@/:-]{0,255}")
_TARGETS = frozenset(
    {
        *("cluster", "event_data_store", "function", "group_id", "instance_profile"),
        *("permission_set_arn", "provider_arn", "queue_url", "resource", "rule", "trail"),
    }
)
"""Placeholders that stand for the target of a rule about a resource."""
_REVERTED = frozenset({StepStatus.APPLIED, StepStatus.UNCHANGED, StepStatus.STARTED, "pending"})
_TAGGED = frozenset({SubjectKind.USER, SubjectKind.ROLE})
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}")
_EVENT = re.compile(r"[A-Za-z0-9-]{1,128}")
_CONSOLES = (
    ("cn-", "console.amazonaws.cn"),
    ("us-gov-", "console.amazonaws-us-gov.com"),
    ("eusc-", "console.amazonaws-eusc.eu"),
    ("us-iso", None),
    ("eu-iso", None),
    ("", "console.aws.amazon.com"),
)
"""The console by the beginning of the region; None: its address is not published."""


def next_steps(record: Record, exception_tag: tuple[str, str]) -> list[str]:
    """Return the steps, most important first. They may hold text that an attacker chose."""
    return [*_first(record, exception_tag), *_runbook(record)]


def console_links(record: Record) -> list[str]:
    """Return the addresses of the target and the event in the AWS console, where they are known.

    A name is put into an address only in percent-encoding, and a region only in its usual form.
    """
    event, subject = record.decision.event, record.decision.leading.finding.subject
    host = _console(event.region)
    if host is None:
        return []
    links = []
    if subject is not None and subject.kind.is_principal and _is_pasteable(subject.name):
        page = f"{subject.kind}s/details/{quote(subject.name, safe='')}"
        links.append(f"https://{host}/iam/home#/{page}")
    if _EVENT.fullmatch(event.event_id):
        page = f"cloudtrailv2/home?region={event.region}#/events/{event.event_id}"
        links.append(f"https://{event.region}.{host}/{page}")
    return links


def _console(region: str) -> str | None:
    if _REGION.fullmatch(region) is None:
        return None
    return next(host for prefix, host in _CONSOLES if region.startswith(prefix))


_UNVERIFIED = (
    "Check the target in IAM now: Countermand could not read it and changed nothing.",
    "Restore the worker's access to IAM.",
    "Countermand retries until the message reaches the dead-letter queue.",
)
_AFTER_REMEDIATION: Mapping[str, str] = {
    StepStatus.FAILED: "Revert the change manually: Countermand tried and failed.",
    StepStatus.SIMULATED: "Nothing was changed, because this was a dry run. To let Countermand "
    "revert such changes, set COUNTERMAND_MODE=enforce.",
    StepStatus.UNCHANGED: "The change was gone before Countermand could revert it.",
}
_UNFINISHED = "The remediation is not finished. Countermand retries, and alerts if it fails."
_SKIPPED = "None if the reason above is right. Otherwise, revert the change manually."
_ALERTED = "Review the change: Countermand changed nothing."


def _first(record: Record, exception_tag: tuple[str, str]) -> Sequence[str]:
    decision = record.decision
    if decision.unverified:
        return _UNVERIFIED
    if decision.verdict is not Verdict.REMEDIATE:
        return [_SKIPPED if decision.verdict is Verdict.SKIP else _ALERTED]
    if record.outcome == StepStatus.APPLIED:
        undo = f"If the change was legitimate, undo its remediation: countermand undo {decision.id}"
        return [undo, *_exception(record, exception_tag)]
    return [_AFTER_REMEDIATION.get(record.outcome, _UNFINISHED)]


def _exception(record: Record, exception_tag: tuple[str, str]) -> Iterator[str]:
    """Say how to exempt the target, which only a user or a role can be: by a tag."""
    subject, (key, value) = record.decision.leading.finding.subject, exception_tag
    if subject is None or subject.kind not in _TAGGED:
        return
    if not all(map(_is_pasteable, (subject.name, key, value))):
        return
    kind = subject.kind
    command = f"aws iam tag-{kind} --{kind}-name {subject.name} --tags Key={key},Value={value}"
    yield f"To exempt this {kind} from now on: {command}"


def _runbook(record: Record) -> list[str]:
    decision, finding = record.decision, record.decision.leading.finding
    if decision.verdict is Verdict.SKIP or not finding.runbook:
        return []
    is_reverted = decision.verdict is Verdict.REMEDIATE and record.outcome in _REVERTED
    done = finding.revert_steps if is_reverted else ()
    values = _values(record)
    return [
        _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), _NUMBER.sub("", step))
        for number, step in enumerate(steps_of(finding.runbook), 1)
        if number not in done
    ]


def _values(record: Record) -> Mapping[str, str]:
    """Return the known values of placeholders, without those that a shell would not take."""
    event, finding = record.decision.event, record.decision.leading.finding
    values = {"account_id": event.account_id, "region": event.region}
    if finding.subject is not None:
        name, kind = finding.subject.name, finding.subject.kind
        named = _TARGETS if kind is SubjectKind.RESOURCE else {str(kind)}
        values |= dict.fromkeys({"policy_arn"} if kind is SubjectKind.POLICY else named, name)
    values |= finding.evidence
    return {name: value for name, value in values.items() if _is_pasteable(value)}


def _is_pasteable(value: str) -> bool:
    """Return whether a shell takes it as one word that is neither an option nor an address."""
    return _WORD.fullmatch(value) is not None and "://" not in value
