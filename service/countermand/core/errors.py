"""The failures that the queue has an answer for.

    CountermandError
    |- Permanent          the message cannot succeed: it goes to the dead-letter queue
    |  |- Malformed       the body is not a CloudTrail event that Countermand can evaluate
    |  |- Gone            AWS has no such resource (any more)
    |  '- CannotRestore   the previous value is unknown
    |- Transient          the message comes back, after `retry_in` seconds if given
    |  |- Denied          AWS refuses the call until someone adds the permission
    |  '- NoAccess        credentials, region or network of this machine keep it from AWS
    |- Benign             the change gives no path to administrator: there is nothing to revert
    |- LostLease          another worker owns this event now: stop before the next effect
    '- ConfigError        the service must not start, or keeps its previous rules

Adapters translate AWS error codes into these; the core never sees a `ClientError`. Any other
exception is a bug: the message stays on the queue and the worker logs the trace.
"""


class CountermandError(Exception):
    """Base of every error that Countermand raises on purpose."""


class Permanent(CountermandError):
    """Raised when a retry cannot help, such as for a decision too large for the ledger."""


class Malformed(Permanent):
    """Raised when the body is not an event; the text says what is wrong and where."""


class Gone(Permanent):
    """Raised when AWS has no such user, policy or trail: deleted, or never created."""


class CannotRestore(Permanent):
    """Raised when the change cannot be reverted, because its previous value is unknown."""


class Benign(CountermandError):
    """Raised when the change gives nobody a path to administrator; the pipeline catches it."""


class Transient(CountermandError):
    """Raised when a retry may help.

    `retry_in` is in seconds; None leaves the delay to the worker's backoff.
    """

    def __init__(self, message: str, retry_in: float | None = None) -> None:
        super().__init__(message)
        self.retry_in = retry_in


class Denied(Transient):
    """Raised when AWS refuses a call for lack of permission."""

    # Transient, because someone can fix the policy. In the dead-letter queue the event would wait
    # for a redrive instead.


class NoAccess(Transient):
    """Raised when the credentials, the region or the network of this machine keep it from AWS.

    The text says how to fix that.
    """


class LostLease(CountermandError):
    """Raised when the lease passed to another worker: the ledger refuses the former owner."""


class ConfigError(CountermandError):
    """Raised when the configuration is invalid; the text lists every error and its fix."""
