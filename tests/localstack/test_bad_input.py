"""Hostile messages on a real queue: no exit, no remediation, no blocked neighbor."""

import hashlib
import json

from countermand.core.envelope import attach_event, envelope
from support.running import Site, decision, eventually


def hostile(account: str, user: str) -> list[str]:
    """The bad bodies of faults 30 to 34 that SQS accepts; each names a user in scope."""
    good = json.dumps(envelope(attach_event(account, user)), separators=(",", ":"))

    def changed(**fields: object) -> str:
        record = attach_event(account, user) | fields
        record = {name: text for name, text in record.items() if text is not ...}
        return json.dumps(envelope(record), separators=(",", ":"))

    return [
        "not JSON",
        good[:-30],
        "[1]",
        "12",
        good.replace("AWS API Call via CloudTrail", "Scheduled Event"),
        changed(requestParameters={}),
        changed(requestParameters=[]),
        changed(requestParameters="x"),
        changed(eventID=...),
        changed(userIdentity=...),
        '{"a":' * 1100 + "1" + "}" * 1100,
        "[" * 250_000,
        good.replace('"readOnly":false', '"readOnly":' + "9" * 4301),
        good.replace('"readOnly":false', '"readOnly":NaN'),
        good.replace('"readOnly":false', '"readOnly":"\\ud800"'),
        good.replace('"version":"0"', '"version":"0","account":"1"'),
        '{"a":"' + "x" * 262_000 + '"',
        '"text"',
        "null",
        " ",
        "[" * 500_000,
        good[:-1] + " " * (1024 * 1024 - len(good)) + "}",  # the most that SQS takes
        changed(eventName="Attach\x00UserPolicy", eventID="\x00"),
        changed(userIdentity="root"),
        changed(eventID=""),
        changed(eventTime="yesterday"),
        good.replace('"detail":{', '"detail":{"requestParameters":{"userName":"a"},'),
    ]


def test_bad_messages_are_dead_lettered(site: Site) -> None:
    """The other messages of the batch are handled."""
    victim = site.user("victim")
    site.lab.create_user(victim, {})
    site.lab.attach(victim, "arn:aws:iam::aws:policy/AdministratorAccess")
    bodies = hostile(site.account, victim)
    events = []
    for number, body in enumerate(bodies):
        site.lab.send(site.stack.queue_url, body)
        if number < 9:
            events.append(site.attack(site.user(f"neighbor{number}")))
    worker = site.start(mode="enforce")
    assert all(decision(worker, event)["outcome"] == "applied" for event in events)
    dead: list[str] = []

    def all_dead() -> bool:
        dead.extend(site.lab.take(site.stack.dlq_url))
        return len(dead) == len(bodies)

    assert eventually(all_dead), [body[:60] for body in bodies if body not in dead]
    assert sorted(dead) == sorted(bodies)
    assert site.has_admin(victim)
    assert worker.get("/livez")[0] == 200
    refusals = [line for line in worker.log if line["message"] == "Message refused"]
    assert len(refusals) == 3 * len(bodies)
    assert all(len(line["sha256"]) == 64 for line in refusals)
    assert victim not in json.dumps(refusals)
    assert {line["sha256"] for line in refusals} == {
        hashlib.sha256(body.encode()).hexdigest() for body in bodies
    }
    assert not [line for line in worker.log if line["message"].startswith("Bug")]
    for event, number in zip(events, range(9), strict=True):
        assert decision(worker, event)["outcome"] == "applied"
        assert not site.has_admin(site.user(f"neighbor{number}"))
    status, text = worker.get("/decisions?limit=100")
    assert (status, len(json.loads(text)["decisions"])) == (200, 9)
    counted = f"countermand_events_malformed_total {3.0 * len(bodies)}"
    assert counted in worker.get("/metrics")[1].splitlines()
    assert worker.process.poll() is None
    assert eventually(lambda: site.waiting() == (0, 0), 5)
    assert worker.stop() == 0


def test_hostile_names_are_safe_in_log_and_email(site: Site) -> None:
    """Newlines, markup, and bidirectional characters stay inside their field."""
    worker = site.start(mode="enforce", settle_seconds="1")
    evil = 'a\r\nX: <script>"\u202e\u2028${7*7}=cmd()'
    record = attach_event(site.account, evil, actor=evil)
    record["userAgent"] = evil * 300
    site.lab.put_event(record, "AWS API Call via CloudTrail")
    # IAM knows no such user, and refuses to look for some of these names.
    assert eventually(lambda: any(line["message"].startswith("SNS") for line in worker.log))
    assert eventually(site.mails)
    mail = site.mails()[0]
    assert mail.isascii()
    assert "\r\nX:" not in mail
    assert worker.log_file.read_text().isascii()
    assert worker.get("/livez")[0] == 200
