"""Translate the errors of botocore into the failures of `core.errors`, by `core.aws_codes`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    TokenRetrievalError,
)

from countermand.aws.access import why_no_access, why_refused, why_unusable
from countermand.core import aws_codes
from countermand.core.errors import Denied, NoAccess, Permanent, Transient

_ANSWERS = frozenset({"ConditionalCheckFailedException"})
"""The codes that answer a conditional write: an expected answer is no failure to count."""

type ErrorListener = Callable[[str, str, str], None]
"""A function that gets the service, operation and error code of each failed call."""

_listeners: list[ErrorListener] = []


def on_error(listener: ErrorListener) -> None:
    """Call the listener for every failed AWS call; the metrics count them."""
    _listeners.append(listener)


def error_code(error: ClientError) -> str:
    """Return the code of AWS, such as `NoSuchEntity`."""
    return str(error.response.get("Error", {}).get("Code", "Unknown"))


def code_behind(error: BaseException | None) -> str | None:
    """Return the code of AWS if the error is an answer of AWS, or None otherwise."""
    return error_code(error) if isinstance(error, ClientError) else None


@contextmanager
def configured() -> Iterator[None]:
    """Let the SDK read its configuration or make a client; raise its failures as `NoAccess`."""
    try:
        yield
    except Exception as error:
        raise NoAccess(f"AWS configuration: {why_unusable(error)}") from error


@contextmanager
def translated(service: str, operation: str) -> Iterator[None]:
    """Run one AWS call, and raise its failures as `Denied`, `Permanent` or `Transient`.

    The texts name the call and the error code, never the body of a request or response.
    """
    call = f"{service}:{operation}"
    try:
        yield
    except ClientError as error:
        code = error_code(error)
        if code not in _ANSWERS:
            _report(service, operation, code)
        if (why := why_refused(code)) is not None:
            raise NoAccess(f"{call} failed: {why}") from error
        raise _by_code(code)(f"{call} failed: {code}") from error
    except ParamValidationError as error:
        _report(service, operation, "ParamValidation")
        raise Permanent(f"{call} refused by the SDK: wrong parameters") from error
    except (BotoCoreError, OSError, EOFError) as error:
        _report(service, operation, _name(error))
        if (why := why_no_access(error)) is not None:
            raise NoAccess(f"{call} failed: {why}") from error
        raise Transient(f"{call} failed without an answer ({_name(error)})") from error


def _name(error: Exception) -> str:
    if isinstance(error, NoCredentialsError | TokenRetrievalError):
        return "NoCredentials"
    return type(error).__name__


def _by_code(code: str) -> type[Denied | Permanent | Transient]:
    if code in aws_codes.DENIED:
        return Denied
    return Permanent if code in aws_codes.PERMANENT else Transient


def _report(service: str, operation: str, code: str) -> None:
    for listener in _listeners:
        listener(service, operation, code)
