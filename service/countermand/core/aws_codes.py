"""The error codes of AWS that Countermand knows: one table for adapters and metrics.

A code that is neither denied nor permanent is `Transient`. A retry ends in the dead-letter queue,
where a person looks at it, while a wrong "permanent" would drop an event.
https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
"""

DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        # SNS and SQS spell this code in different ways.
        "KMSAccessDenied",
        "KMSAccessDeniedException",
        "KmsAccessDenied",
        "UnauthorizedOperation",
    }
)
"""A permission is missing."""

GONE = frozenset(
    {
        "InvalidAssociationID.NotFound",
        "InvalidInstanceID.NotFound",
        "NoSuchEntity",
        "NoSuchEntityException",
        "ResourceNotFoundException",
        "TrailNotFoundException",
    }
)
"""The thing that the call names does not exist: `Gone` where an adapter expects that."""

NOT_FOUND = GONE | {
    "AWS.SimpleQueueService.NonExistentQueue",
    "NotFound",
    "NotFoundException",
    "QueueDoesNotExist",
}
"""The same, with the codes of queues, topics and keys, whose absence a worker waits out."""

PERMANENT = frozenset(
    {
        "InvalidInput",
        "InvalidParameter",
        "InvalidParameterException",
        "InvalidParameterValue",
        "MalformedPolicyDocument",
        "ValidationError",
    }
)
"""AWS will never accept the request."""

_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_TOO_MANY = frozenset(
    {
        "LimitExceeded",
        "OverLimit",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "Throttled",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_FAULTS_OF_AWS = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "ServiceFailure",
        "ServiceUnavailable",
    }
)
_STATE = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "ConcurrentModification",
        "ConditionalCheckFailedException",
        "EndpointDisabled",
        "MessageNotInflight",
        "NotFound",
        "QueueDoesNotExist",
        "ReceiptHandleIsInvalid",
        "TransactionCanceledException",
        "UnmodifiableEntity",
        "ValidationException",
    }
)
_WITHOUT_ANSWER = frozenset(
    {
        "ConnectTimeoutError",
        "ConnectionClosedError",
        "CredentialRetrievalError",
        "EndpointConnectionError",
        "NoCredentials",
        "ParamValidation",
        "ProxyConnectionError",
        "ReadTimeoutError",
        "SSLError",
    }
)
"""The errors that botocore raises without an answer of AWS."""

KNOWN = (
    DENIED | GONE | PERMANENT | _CREDENTIALS | _TOO_MANY | _FAULTS_OF_AWS | _STATE | _WITHOUT_ANSWER
)
"""All codes that a metric counts by name."""

_USUAL = (
    "AccessDenied",
    "AccessDeniedException",
    "ConnectTimeoutError",
    "EndpointConnectionError",
    "ExpiredToken",
    "InternalFailure",
    "NoCredentials",
    "ReadTimeoutError",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
)
_USUAL_OF = {
    "dynamodb": ("ProvisionedThroughputExceededException", "ResourceNotFoundException"),
    "ec2": ("RequestLimitExceeded", "UnauthorizedOperation"),
    "iam": ("ServiceFailure",),
    "sns": ("AuthorizationError", "AuthorizationErrorException", "KMSAccessDenied", "NotFound"),
    "sqs": (
        "AWS.SimpleQueueService.NonExistentQueue",
        "KmsAccessDenied",
        "QueueDoesNotExist",
        "RequestThrottled",
    ),
}


def usual(service: str) -> tuple[str, ...]:
    """Return the codes that any call to the service can end with: a missing permission, too many
    calls, no credentials, no answer.
    """
    return (*_USUAL, *_USUAL_OF.get(service, ()))
