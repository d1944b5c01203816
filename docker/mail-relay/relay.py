"""Carry the mails of LocalStack's outbox to an SMTP server: LocalStack sends none itself.

    relay.py http://localstack:4566 mail:1025     run until a signal
    relay.py --check                              0 if the last round went well, and not long ago

Which mails were carried is kept in a file, so that a restart repeats none; only a crash right
after one may. A mail that the server refuses is told and left alone; one that cannot be carried
now is tried again.
"""

import json
import os
import signal
import smtplib
import sys
import threading
import time
import urllib.error
import urllib.request
from email.message import EmailMessage
from pathlib import Path
from typing import Any

STATE = Path(os.environ.get("MAIL_RELAY_STATE", "/var/lib/countermand/relayed.json"))
_NO_SUBJECT = "SNS-Subscriber-Endpoint"
_ROUND_SECONDS = 1
_FRESH_SECONDS = 15
_TIMEOUT_SECONDS = 5
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

type Mail = dict[str, Any]


def outbox(localstack: str) -> list[Mail]:
    """All mails since LocalStack started, the oldest first; none before it ever sent one."""
    try:
        with _opener.open(f"{localstack}/_aws/ses", timeout=_TIMEOUT_SECONDS) as answer:
            mails: list[Mail] = json.load(answer)["messages"]
            return mails
    except urllib.error.HTTPError as error:
        error.close()
        # Before the first mail neither the outbox nor, sometimes, the service behind it exists.
        if error.code in {404, 501}:
            return []
        raise


def message(mail: Mail) -> EmailMessage:
    """The mail as SMTP wants it."""
    made = EmailMessage()
    made["From"] = _one_line(mail["Source"])
    made["To"] = ", ".join(_one_line(address) for address in mail["Destination"]["ToAddresses"])
    made["Subject"] = _subject(mail)
    made["Message-ID"] = f"<{_one_line(mail['Id'])}@localstack>"
    body = mail["Body"]
    made.set_content(body.get("text_part") or "")
    if body.get("html_part"):
        made.add_alternative(body["html_part"], subtype="html")
    return made


def carry(mails: list[Mail], server: tuple[str, int]) -> None:
    """Hand over the mails that were not yet; stops at the first that cannot be carried now."""
    done = _done()
    # What is no longer in the outbox cannot come again: LocalStack was started anew.
    kept = done & {mail["Id"] for mail in mails}
    new = [mail for mail in mails if mail["Id"] not in kept]
    if not new:
        _keep(kept)
        return
    with smtplib.SMTP(*server, timeout=_TIMEOUT_SECONDS) as smtp:
        for mail in new:
            try:
                smtp.send_message(message(mail))
                print(f"carried {mail['Id']}")
            except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused, ValueError) as no:
                print(f"refused {mail['Id']}: {no}")
            kept.add(mail["Id"])
            _keep(kept)


def healthy() -> bool:
    """Whether the file was written a moment ago: every round that goes well does."""
    return STATE.exists() and time.time() - STATE.stat().st_mtime < _FRESH_SECONDS


def main() -> int:
    """Go round until SIGTERM; what fails is told, and tried again."""
    if sys.argv[1:] == ["--check"]:
        return 0 if healthy() else 1
    localstack, server = sys.argv[1:]
    host, _, port = server.rpartition(":")
    # Not an exception out of the handler: in the middle of a mail, smtplib's clean-up would turn
    # it into a time-out, which is a failure like any other.
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while not stop.is_set():
        try:
            carry(outbox(localstack), (host, int(port)))
        except (OSError, smtplib.SMTPException, ValueError, KeyError) as error:
            print(f"not now: {type(error).__name__}: {error}")
        stop.wait(_ROUND_SECONDS)
    return 0


def _subject(mail: Mail) -> str:
    """LocalStack drops the subject of an SNS mail; the first line of its text says as much."""
    subject = _one_line(mail.get("Subject") or "")
    if subject != _NO_SUBJECT:
        return subject
    return _one_line((mail["Body"].get("text_part") or "").strip().partition("\n")[0])


def _one_line(text: str) -> str:
    """A name that an attacker chose must not become a header of its own."""
    return " ".join(text.split())


def _done() -> set[str]:
    return set(json.loads(STATE.read_text())) if STATE.exists() else set()


def _keep(done: set[str]) -> None:
    # Renamed into place, so that a crash leaves the old list or the new one.
    fresh = STATE.with_suffix(".new")
    fresh.write_text(json.dumps(sorted(done)))
    fresh.replace(STATE)


if __name__ == "__main__":
    sys.exit(main())
