"""`countermand rules new`: a rule file and its cases, written from a real event.

The pattern matches the call of the event, the target is the first name in its parameters, and the
texts say what to replace. Both files pass `rules lint` and `rules test` as they are.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from countermand.cli.yaml_text import as_yaml
from countermand.core.envelope import envelope
from countermand.core.errors import ConfigError, Malformed
from countermand.core.parse import parse
from countermand.replay.readers import items, records
from countermand.replay.source import sources

_ID = re.compile(r"[a-z][a-z0-9_]{2,63}")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9]{0,60}")
_NAMES = {"userName": "user", "roleName": "role", "groupName": "group", "policyArn": "policy"}
_MOST_EVIDENCE = 5
_WIDTH = 100
_ANOTHER_CALL = "ListTagsForResource"


def new_rule(rule_id: str, source: str, folder: Path) -> tuple[Path, Path]:
    """Write FOLDER/ID.yaml and FOLDER/cases/ID.yaml, and overwrite nothing.

    Raises `ConfigError`.
    """
    if _ID.fullmatch(rule_id) is None:
        raise ConfigError(
            f"{rule_id!r}: a rule ID is a fact in the past tense, such as bucket_policy_opened: "
            "3 to 64 lower-case letters, digits, and underscores"
        )
    rule_file, case_file = folder / f"{rule_id}.yaml", folder / "cases" / f"{rule_id}.yaml"
    for path in (rule_file, case_file):
        if path.exists():
            raise ConfigError(f"{path}: exists already. Choose another ID, or remove the file")
    record = _first_record(source)
    case_file.parent.mkdir(parents=True, exist_ok=True)
    rule_file.write_text(as_yaml(_rule(rule_id, record), width=_WIDTH), encoding="utf-8")
    case_file.write_text(as_yaml(_cases(record), width=_WIDTH), encoding="utf-8")
    return rule_file, case_file


def _first_record(source: str) -> Mapping[str, Any]:
    """Return the first CloudTrail record of any shape that `replay` reads."""
    why = "no CloudTrail event in it"
    found = (item for _, each in sources(source) for item in items(each))
    for item in found:
        why = item.error or why
        for record in records(item.document) if item.error is None else ():
            try:
                if isinstance(record, Malformed):
                    raise record
                whole = record if "detail" in record else envelope(record)
                parse(json.dumps(whole))
            except Malformed as error:
                why = str(error)
            else:
                detail: Mapping[str, Any] = whole["detail"]
                return detail
    raise ConfigError(f"{source}: {why}")


def _rule(rule_id: str, record: Mapping[str, Any]) -> dict[str, Any]:
    service = str(record["eventSource"]).partition(".")[0]
    name, title = str(record["eventName"]), rule_id.replace("_", " ").capitalize()
    (kind, path), *others = _named(record)
    return {
        "id": rule_id,
        "title": f"{title} ({name})" if len(title) < len("8 letters") else title,
        "description": f"Replace this: what {name} of {service} did here, and why it is a risk.",
        "severity": "medium",
        "mitre": [],
        "false_positives": "Replace this: when the call is legitimate.",
        "runbook": "1. Ask the caller whether the change was intended.\n"
        "2. Search CloudTrail for all calls by the actor ARN in the 6 hours before and after "
        "this alert.",
        "when": {
            "source": [f"aws.{service}"],
            "detail": {"eventSource": [record["eventSource"]], "eventName": [name]},
        },
        "subject": {kind: path},
        "evidence": {_snake(path): path for _, path in others[:_MOST_EVIDENCE]},
    }


def _named(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield kinds and paths of what the parameters name: principals first, at last the account."""
    request = record.get("requestParameters")
    texts = [
        key
        for key, value in (request.items() if isinstance(request, dict) else ())
        if isinstance(value, str) and value and _KEY.fullmatch(key)
    ]
    for key in sorted(texts, key=lambda key: key not in _NAMES):
        yield _NAMES.get(key, "resource"), f"detail.requestParameters.{key}"
    if not texts:
        yield "account", "detail.recipientAccountId"


def _cases(record: Mapping[str, Any]) -> dict[str, Any]:
    name = record["eventName"]
    return {
        "matches": [
            {"name": f"The event that the rule was made from: {name}"[:60], "record": dict(record)}
        ],
        "ignores": [
            {
                "name": "Another call of the service",
                "record": {"eventSource": record["eventSource"], "eventName": _ANOTHER_CALL},
            }
        ],
    }


def _snake(path: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z]+", "_", path.rpartition(".")[2])
    return words.lower().strip("_")[:41] or "value"
