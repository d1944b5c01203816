"""Second stage: the rules that an event matches, and their findings.

| target in the event        | call failed | finding                                  |
|----------------------------|-------------|------------------------------------------|
| named                      | either      | with that subject                        |
| parameters null            | either      | without subject (AWS hides it on denial) |
| parameters `omitted: true` | either      | without subject (AWS cut a large body)   |
| not named                  | either      | none: the event is malformed             |
"""

from countermand.core.errors import Malformed
from countermand.core.model import Event, Finding, Subject, value_at
from countermand.core.rules.rule import Rule, RuleSet

_LONGEST_NAME = 128  # group names; user and role names have at most 64
_LONGEST_ARN = 2048


def detect(event: Event, rules: RuleSet) -> tuple[Finding, ...]:
    """Ask every rule that could match. A broken rule makes a finding and does not stop the others.

    Raises `Malformed` when a rule matched, no rule made a finding and the event lacks its target.
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
        evidence = rule.check(event, _evidence(rule, event))
        if evidence is None:
            return None
    except Malformed:
        raise
    except Exception as error:  # noqa: BLE001  operators bring their own rules
        evidence, failure = {}, f"{type(error).__name__}: {error}"
    subject = _subject(rule, event)
    return rule.info.finding(subject, evidence, failure)


def _subject(rule: Rule, event: Event) -> Subject | None:
    if event.hides_request and any(path[0] == "requestParameters" for path in rule.subject_paths):
        return None
    is_principal = rule.subject_kind.is_principal
    limit = _LONGEST_NAME if is_principal else _LONGEST_ARN
    for path in rule.subject_paths:
        name = value_at(event, path)
        if is_principal:
            name = _name_in(name, event.account_id)
        if type(name) is str and 0 < len(name) <= limit:
            return Subject(rule.subject_kind, name)
    where = " or ".join(f"detail.{'.'.join(path)}" for path in rule.subject_paths)
    raise Malformed(f"{where} must name the {rule.subject_kind} in at most {limit} characters")


def _name_in(value: object, account_id: str) -> object:
    """Return the name in an ARN of this account; None for an ARN of another account.

    sts:AssumeRole names its role by ARN. No name of a principal contains a colon.
    """
    if type(value) is not str or not value.startswith("arn:"):
        return value
    parts = value.split(":")
    return value.rpartition("/")[2] if parts[4:5] == [account_id] else None


def _evidence(rule: Rule, event: Event) -> dict[str, str]:
    """Return texts, and numbers and booleans as JSON writes them; anything else is left out."""
    shown = {}
    for name, path in rule.evidence:
        value = value_at(event, path)
        if type(value) is str:
            shown[name] = value
        elif type(value) is int or type(value) is bool:
            shown[name] = str(value).lower()
    return shown
