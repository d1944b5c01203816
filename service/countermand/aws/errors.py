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

from countermand.core import aws_codes
from countermand.core.errors import Denied, Permanent, Transient

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
def translated(service: str, operation: str) -> Iterator[None]:
    """Run one AWS call, and raise its failures as `Denied`, `Permanent` or `Transient`.

    The texts name the call and the error code, never the body of a request or response.
    """
    try:
        yield
    except ClientError as error:
        code = error_code(error)
        if code not in _ANSWERS:
            _report(service, operation, code)
        raise _by_code(code)(f"{service}:{operation} failed: {code}") from error
    except ParamValidationError as error:
        _report(service, operation, "ParamValidation")
        raise Permanent(f"{service}:{operation} refused by the SDK: wrong parameters") from error
    except (NoCredentialsError, TokenRetrievalError) as error:
        _report(service, operation, "NoCredentials")
        raise Transient(f"{service}:{operation} failed: no AWS credentials") from error
    except BotoCoreError as error:
        _report(service, operation, type(error).__name__)
        raise Transient(f"{service}:{operation} failed: {type(error).__name__}") from error


def _by_code(code: str) -> type[Denied | Permanent | Transient]:
    if code in aws_codes.DENIED:
        return Denied
    return Permanent if code in aws_codes.PERMANENT else Transient


def _report(service: str, operation: str, code: str) -> None:
    for listener in _listeners:
        listener(service, operation, code)
