"""Deliver the emails in LocalStack's outbox to an SMTP server; LocalStack itself sends none.

    relay.py http://localstack:4566 mail:1025     run until SIGTERM
    relay.py --check                              exit with 0 if a round succeeded a moment ago

A file lists the delivered emails, so that a restart repeats none. A crash right after a delivery
can repeat one. The relay logs an email that the server rejects, and does not try it again. It
retries an email that cannot be delivered now.
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

type Email = dict[str, Any]


def outbox(localstack: str) -> list[Email]:
    """Read all emails since LocalStack started, oldest first."""
    try:
        with _opener.open(f"{localstack}/_aws/ses", timeout=_TIMEOUT_SECONDS) as answer:
            emails: list[Email] = json.load(answer)["messages"]
            return emails
    except urllib.error.HTTPError as error:
        error.close()
        # Before the first email, neither the outbox nor, sometimes, its service exists.
        if error.code in {404, 501}:
            return []
        raise


def message(email: Email) -> EmailMessage:
    """Build the SMTP message of an email."""
    made = EmailMessage()
    made["From"] = _one_line(email["Source"])
    made["To"] = ", ".join(_one_line(address) for address in email["Destination"]["ToAddresses"])
    made["Subject"] = _subject(email)
    made["Message-ID"] = f"<{_one_line(email['Id'])}@localstack>"
    body = email["Body"]
    made.set_content(body.get("text_part") or "")
    if body.get("html_part"):
        made.add_alternative(body["html_part"], subtype="html")
    return made


def deliver(emails: list[Email], server: tuple[str, int]) -> None:
    """Send the undelivered emails; stop at the first that cannot be delivered now."""
    # An email that is no longer in the outbox cannot come again: LocalStack was restarted.
    delivered = _delivered() & {email["Id"] for email in emails}
    new = [email for email in emails if email["Id"] not in delivered]
    if not new:
        _save(delivered)
        return
    with smtplib.SMTP(*server, timeout=_TIMEOUT_SECONDS) as smtp:
        for email in new:
            try:
                smtp.send_message(message(email))
                print(f"delivered {email['Id']}")
            except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused, ValueError) as no:
                print(f"rejected {email['Id']}: {no}")
            delivered.add(email["Id"])
            _save(delivered)


def healthy() -> bool:
    """Return whether the file was written a moment ago; every successful round writes it."""
    return STATE.exists() and time.time() - STATE.stat().st_mtime < _FRESH_SECONDS


def main() -> int:
    """Deliver in rounds until SIGTERM; log a failed round and try again."""
    if sys.argv[1:] == ["--check"]:
        return 0 if healthy() else 1
    localstack, server = sys.argv[1:]
    host, _, port = server.rpartition(":")
    # The handler raises no exception: within a delivery, smtplib's cleanup would turn it into a
    # timeout, which looks like any other failure.
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while not stop.is_set():
        try:
            deliver(outbox(localstack), (host, int(port)))
        except (OSError, smtplib.SMTPException, ValueError, KeyError) as error:
            print(f"delivery failed, retrying: {type(error).__name__}: {error}")
        stop.wait(_ROUND_SECONDS)
    return 0


def _subject(email: Email) -> str:
    # LocalStack drops the subject of an SNS email; the first line of its text says as much.
    subject = _one_line(email.get("Subject") or "")
    if subject != _NO_SUBJECT:
        return subject
    return _one_line((email["Body"].get("text_part") or "").strip().partition("\n")[0])


def _one_line(text: str) -> str:
    # A name that an attacker chose must not become a header of its own.
    return " ".join(text.split())


def _delivered() -> set[str]:
    return set(json.loads(STATE.read_text())) if STATE.exists() else set()


def _save(delivered: set[str]) -> None:
    # Rename the new file into place, so that a crash leaves either the old list or the new list.
    fresh = STATE.with_suffix(".new")
    fresh.write_text(json.dumps(sorted(delivered)))
    fresh.replace(STATE)


if __name__ == "__main__":
    sys.exit(main())
