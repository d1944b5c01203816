"""The failures that the queue has an answer for.

    CountermandError
    |- Permanent          the message can never succeed: it goes to the dead-letter queue
    |  |- Malformed       the body is not a CloudTrail event we can judge
    |  |- Gone            AWS has no such thing (any more)
    |  '- CannotRestore   what the change replaced is not known
    |- Transient          comes back later, after `retry_in` seconds when given
    |  '- Denied          lacks a permission, until a human grants it
    |- LostLease          another worker owns this event now: stop before the next effect
    '- ConfigError        refused at start-up

Adapters translate AWS error codes into these; the core never sees a `ClientError`. Any other
exception is a bug: the message stays on the queue and the trace is logged.
"""


class CountermandError(Exception):
    """Base of everything that Countermand raises on purpose."""


class Permanent(CountermandError):
    """Retrying cannot help: to the dead-letter queue. Also a decision too large for the ledger."""


class Malformed(Permanent):
    """The body is not an event that can be judged; the text says what is wrong and where."""


class Gone(Permanent):
    """AWS has no such user, policy, trail ...: deleted, or never there."""


class CannotRestore(Permanent):
    """The change cannot be taken back, because nobody knows what it replaced."""


class Benign(CountermandError):
    """What is there now gives nobody the way to administrator: nothing is to be taken back."""


class Transient(CountermandError):
    """Worth another try. `retry_in` is in seconds; None leaves it to the worker's backoff."""

    def __init__(self, message: str, retry_in: float | None = None) -> None:
        super().__init__(message)
        self.retry_in = retry_in


class Denied(Transient):
    """AWS refused the call for lack of permission. It comes back all the same: a policy can be
    mended, and an event that went to the dead-letter queue for it would be lost work.
    """


class LostLease(CountermandError):
    """The lease passed to another worker; a write of the former owner was refused."""


class ConfigError(CountermandError):
    """Configuration that must be mended before the service may start."""
