"""Alerts: sends each record to every channel on its own, so that one failure silences no other."""

from collections.abc import Sequence
from dataclasses import dataclass

from countermand.core.errors import CountermandError
from countermand.core.model import EXCEPTION_TAG, Record
from countermand.core.report import alert, notification_key
from countermand.logs import get_logger
from countermand.metrics import AlertStatus, Metrics
from countermand.ports import Notifier

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Notifications:
    """What was sent so far, as `channel:what`, and the channels that failed."""

    keys: tuple[str, ...]
    failed: tuple[str, ...]


class AlertDispatcher:
    """Sends one alert per channel and content, however often the message comes back."""

    def __init__(
        self,
        notifiers: Sequence[Notifier],
        api_url: str,
        metrics: Metrics,
        exception_tag: tuple[str, str] = EXCEPTION_TAG,
    ) -> None:
        self._notifiers = notifiers
        self._api_url = api_url
        self._metrics = metrics
        self._exception_tag = exception_tag

    def notify(self, record: Record) -> Notifications:
        """Alert every channel that has not had this alert."""
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
        try:
            message_id = notifier.send(alert(record, self._api_url, self._exception_tag))
        except CountermandError as error:
            self._count(notifier, AlertStatus.FAILED)
            log.error("Alert failed", channel=notifier.channel, error=str(error))
            return False
        except Exception:
            # A bug in one notifier must not silence the others.
            self._count(notifier, AlertStatus.FAILED)
            log.exception("Bug: notifier failed", channel=notifier.channel)
            return False
        self._count(notifier, AlertStatus.SENT)
        processed = f"{notifier.channel.upper()} alert processed"
        log.info(processed, channel=notifier.channel, message_id=message_id)
        return True

    def _count(self, notifier: Notifier, status: AlertStatus) -> None:
        self._metrics.alerts.labels(channel=notifier.channel, status=str(status)).inc()
