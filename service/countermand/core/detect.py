"""Second stage: which rules an event matches, and what they saw.

| target in the event        | call failed | finding                                  |
|----------------------------|-------------|------------------------------------------|
| named                      | either      | with that subject                        |
| parameters null            | yes         | without subject (AWS hides it on denial) |
| parameters `omitted: true` | either      | without subject (AWS cut a large body)   |
| not named                  | no          | none: the event is malformed             |
"""

from countermand.core.errors import Malformed
from countermand.core.model import Event, Finding, Subject
from countermand.core.rule import Rule, RuleSet, request_text

_LONGEST_NAME = 128  # group names; user and role names have at most 64


def detect(event: Event, rules: RuleSet) -> tuple[Finding, ...]:
    """Ask every rule that could match. One that breaks is a finding too, and stops no other.

    Raises `Malformed` when a rule matched, none gave a finding and the event lacks its target.
    """
    findings: list[Finding] = []
    malformed: Malformed | None = None
    for rule in rules.candidates(event):
        try:
            finding = _apply(rule, event)
        except Malformed as error:
            malformed = error
        else:
            if finding is not None:
                findings.append(finding)
    if malformed is not None and not findings:
        raise malformed
    return tuple(findings)


def _apply(rule: Rule, event: Event) -> Finding | None:
    failure = None
    try:
        if not rule.matches(event.body):
            return None
        evidence = rule.check(event)
        if evidence is None:
            return None
    except Malformed:
        raise
    except Exception as error:  # noqa: BLE001  a rule file may come from anybody
        evidence, failure = {}, f"{type(error).__name__}: {error}"
    subject = _subject(rule, event)
    return Finding(
        rule.id,
        rule.title,
        rule.severity,
        subject,
        evidence,
        rule.remediation,
        rule.mode,
        failure,
    )


def _subject(rule: Rule, event: Event) -> Subject | None:
    if event.request is None and event.error_code is not None:
        return None
    if event.request is not None and "omitted" in event.request:
        return None
    name = request_text(event.request, rule.subject_key)
    if name is not None and len(name) <= _LONGEST_NAME:
        return Subject(rule.subject_kind, name)
    raise Malformed(
        f"detail.requestParameters.{rule.subject_key} must name the {rule.subject_kind} "
        f"in at most {_LONGEST_NAME} characters"
    )
