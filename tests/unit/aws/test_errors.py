"""What AWS answers, sorted into failures that the queue has an answer for."""

from collections.abc import Iterator

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
    TokenRetrievalError,
)

from countermand.aws import errors
from countermand.aws.errors import error_code, on_error, translated
from countermand.core.errors import (
    CountermandError,
    Denied,
    LostLease,
    NoAccess,
    Permanent,
    Transient,
)

SECRET = "arn:aws:iam::111122223333:user/very-secret"


@pytest.fixture
def heard() -> Iterator[list[tuple[str, str, str]]]:
    calls: list[tuple[str, str, str]] = []
    before = len(errors._listeners)
    on_error(lambda *call: calls.append(call))
    yield calls
    del errors._listeners[before:]


def refusal(code: str) -> ClientError:
    response = {"Error": {"Code": code, "Message": f"User {SECRET} did something"}}
    return ClientError(response, "DetachUserPolicy")


def failure(error: Exception) -> CountermandError:
    with pytest.raises(CountermandError) as caught, translated("iam", "DetachUserPolicy"):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDenied", Denied),
        ("AccessDeniedException", Denied),
        ("AuthorizationError", Denied),
        ("KMSAccessDenied", Denied),
        ("KmsAccessDenied", Denied),
        ("UnauthorizedOperation", Denied),
        ("InvalidInput", Permanent),
        ("InvalidParameter", Permanent),
        ("InvalidParameterValue", Permanent),
        ("ValidationError", Permanent),
        ("ValidationException", Transient),
        ("Throttling", Transient),
        ("ThrottlingException", Transient),
        ("RequestLimitExceeded", Transient),
        ("ServiceUnavailable", Transient),
        ("ServiceFailure", Transient),
        ("InternalError", Transient),
        ("NoSuchEntity", Transient),
        ("AWS.SimpleQueueService.NonExistentQueue", Transient),
        ("SomethingNobodyHasSeen", Transient),
        ("", Transient),
    ],
)
def test_code_is_denied_permanent_or_transient(code: str, kind: type[CountermandError]) -> None:
    """Every code that the table does not list is transient."""
    error = failure(refusal(code))
    assert type(error) is kind
    assert str(error) == f"iam:DetachUserPolicy failed: {code}"


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidClientTokenId", "OptInRequired"])
def test_code_about_credentials_gives_the_fix(code: str) -> None:
    error = failure(refusal(code))
    assert type(error) is NoAccess
    assert str(error).startswith("iam:DetachUserPolicy failed: ")
    assert "`aws " in str(error)


def test_an_answer_without_a_code_is_transient() -> None:
    error = failure(ClientError({}, "DetachUserPolicy"))
    assert type(error) is Transient
    assert error_code(ClientError({}, "x")) == "Unknown"


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (ParamValidationError(report=f"bad {SECRET}"), Permanent),
        (NoCredentialsError(), NoAccess),
        (TokenRetrievalError(provider="sso", error_msg=SECRET), NoAccess),
        (EndpointConnectionError(endpoint_url=f"https://{SECRET}"), NoAccess),
        (ConnectTimeoutError(endpoint_url=f"https://{SECRET}"), NoAccess),
        (ReadTimeoutError(endpoint_url=f"https://{SECRET}"), Transient),
        (OSError(2, "No such file or directory", "/a/token"), NoAccess),
        (EOFError(), NoAccess),
        (BotoCoreError(), Transient),
    ],
)
def test_call_without_answer_is_translated(raised: Exception, kind: type[CountermandError]) -> None:
    """The errors that botocore raises without an answer are translated too."""
    error = failure(raised)
    assert type(error) is kind
    assert SECRET not in str(error)
    assert str(error).startswith("iam:DetachUserPolicy ")


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidInput", "Throttling"])
def test_the_text_never_repeats_what_aws_said(code: str) -> None:
    error = failure(refusal(code))
    assert SECRET not in str(error)
    assert isinstance(error.__cause__, ClientError)


@pytest.mark.parametrize("error", [ZeroDivisionError(), LostLease(), Transient("x"), KeyError("x")])
def test_other_errors_pass_unchanged(error: Exception) -> None:
    """An error that AWS did not cause is not translated."""
    with pytest.raises(type(error)) as caught, translated("iam", "GetUser"):
        raise error
    assert caught.value is error


def test_a_call_that_works_is_left_alone(heard: list[tuple[str, str, str]]) -> None:
    with translated("iam", "GetUser"):
        pass
    assert heard == []


def test_every_failed_call_is_heard_of_once(heard: list[tuple[str, str, str]]) -> None:
    failure(refusal("Throttling"))
    failure(ParamValidationError(report="x"))
    failure(NoCredentialsError())
    failure(EndpointConnectionError(endpoint_url="x"))
    assert heard == [
        ("iam", "DetachUserPolicy", "Throttling"),
        ("iam", "DetachUserPolicy", "ParamValidation"),
        ("iam", "DetachUserPolicy", "NoCredentials"),
        ("iam", "DetachUserPolicy", "EndpointConnectionError"),
    ]


def test_conditional_answer_is_no_failure(
    heard: list[tuple[str, str, str]],
) -> None:
    failure(refusal("ConditionalCheckFailedException"))
    assert heard == []
