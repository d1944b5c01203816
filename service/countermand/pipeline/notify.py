"""Tells the channels about a record; each channel by itself, so that one which is dead silences
no other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from countermand.core.errors import CountermandError
from countermand.core.model import Record
from countermand.core.report import alert, notification_key
from countermand.logs import get_logger
from countermand.metrics import Metrics
from countermand.ports import Notifier

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Notifications:
    """Which channels know by now, as `channel:what`, and which could not be reached."""

    keys: tuple[str, ...]
    failed: tuple[str, ...]


class AlertDispatcher:
    """Sends one alert per channel and content, however often the message comes back."""

    def __init__(self, notifiers: Sequence[Notifier], api_url: str, metrics: Metrics) -> None:
        self._notifiers = notifiers
        self._api_url = api_url
        self._metrics = metrics

    def notify(self, record: Record) -> Notifications:
        """Tell every channel that does not know yet."""
        keys, failed = list(record.notified), []
        for notifier in self._notifiers:
            key = f"{notifier.channel}:{notification_key(record)}"
            if key in keys:
                continue
            if self._send(notifier, record):
                keys.append(key)
            else:
                failed.append(notifier.channel)
        return Notifications(tuple(keys), tuple(failed))

    def _send(self, notifier: Notifier, record: Record) -> bool:
        count = self._metrics.alerts.labels
        try:
            message_id = notifier.send(alert(record, self._api_url))
        except CountermandError as error:
            count(channel=notifier.channel, status="failed").inc()
            log.error("Alert failed", channel=notifier.channel, error=str(error))
            return False
        except Exception:
            # A bug in one channel may not silence the others.
            count(channel=notifier.channel, status="failed").inc()
            log.exception("Bug: the channel broke", channel=notifier.channel)
            return False
        count(channel=notifier.channel, status="sent").inc()
        processed = f"{notifier.channel.upper()} alert processed"
        log.info(processed, channel=notifier.channel, message_id=message_id)
        return True
