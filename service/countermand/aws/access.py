"""What keeps this machine from AWS, and the command that fixes it: one table for all commands.

`errors.py` asks it about what the SDK raises without an answer of AWS, and about the answers that
refuse the credentials. The texts hold no URL and nothing that a helper program printed: both may
contain a password. https://docs.aws.amazon.com/cli/latest/userguide/cli-chap-troubleshooting.html
"""

import os
import shlex
from collections.abc import Mapping

from botocore import exceptions as sdk

from countermand.core.policies.document import printable

_LONGEST = 300
_SDK_SAYS = "{error}"
_CHECK_CONFIGURATION = "Correct the AWS_* variable or the profile that `aws configure list` shows"
_CHECK_REGION = "Set COUNTERMAND_REGION to a region that `aws account list-regions{profile}` shows"
_SIGN_IN = "Run `aws sso login{profile}`"
_ENTER_MFA = "Run `aws sts get-session-token --serial-number MFA_ARN --token-code CODE{profile}`"
_CORRECT_PROXY = "Correct HTTPS_PROXY, or run `unset HTTPS_PROXY HTTP_PROXY`"
_NEW_KEYS = "Run `aws sso login{profile}` or `aws configure{profile}`"
_CHECK_HELPER = (
    "Run by itself what `aws configure get credential_process{profile}` shows, or check the role "
    "of the container"
)
_CHECK_CA = (
    "Set AWS_CA_BUNDLE to the PEM file of the CA that "
    "`openssl s_client -showcerts -connect sts.amazonaws.com:443` shows"
)
_CHECK_NETWORK = (
    "Check COUNTERMAND_REGION, the network, HTTPS_PROXY, and AWS_ENDPOINT_URL: "
    "`aws sts get-caller-identity --debug`"
)
_SSO_IS_OVER = ("the SSO session is over or was never opened", _SIGN_IN)

_WITHOUT_ANSWER: Mapping[type[BaseException], tuple[str, str]] = {
    sdk.ProfileNotFound: (
        "the AWS profile {name} does not exist",
        "Set AWS_PROFILE to a name that `aws configure list-profiles` shows",
    ),
    sdk.NoCredentialsError: (
        "no AWS credentials were found",
        f"{_NEW_KEYS}, or give the container a role",
    ),
    sdk.PartialCredentialsError: (
        "the AWS credentials from {provider} lack {cred_var}",
        "Set it too, or run `aws configure{profile}`",
    ),
    sdk.CredentialRetrievalError: ("{provider} returns no AWS credentials", _CHECK_HELPER),
    sdk.MetadataRetrievalError: (
        "the metadata service returns no AWS credentials",
        _NEW_KEYS,
    ),
    **dict.fromkeys((sdk.SSOError, sdk.TokenRetrievalError, sdk.NoAuthTokenError), _SSO_IS_OVER),
    sdk.RefreshWithMFAUnsupportedError: (
        "the AWS session is over, and a new one needs an MFA code",
        _ENTER_MFA,
    ),
    sdk.MissingDependencyException: (
        _SDK_SAYS,
        "Run `pip install 'botocore[crt]'`, or use another kind of profile",
    ),
    sdk.ConfigParseError: (
        "the AWS configuration file {path} cannot be read",
        "Correct the line, or set AWS_CONFIG_FILE to another file",
    ),
    sdk.ConfigNotFound: (
        "the AWS configuration file {path} does not exist",
        "Run `aws configure{profile}`",
    ),
    sdk.InvalidIMDSEndpointError: (
        "AWS_EC2_METADATA_SERVICE_ENDPOINT is not a URL",
        "Run `unset AWS_EC2_METADATA_SERVICE_ENDPOINT`",
    ),
    sdk.InvalidIMDSEndpointModeError: (
        _SDK_SAYS,
        "Run `unset AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE`",
    ),
    sdk.NoRegionError: ("no region is set", _CHECK_REGION),
    sdk.InvalidProxiesConfigError: (
        "the proxy settings are wrong",
        _CORRECT_PROXY,
    ),
    sdk.ProxyConnectionError: (
        "the proxy does not answer",
        _CORRECT_PROXY,
    ),
    sdk.SSLError: ("the TLS certificate is not trusted", _CHECK_CA),
    sdk.ConnectionError: ("the endpoint does not answer", _CHECK_NETWORK),
    **dict.fromkeys(
        (
            sdk.UnknownTokenProviderError,
            sdk.UnknownCredentialError,
            sdk.InvalidConfigError,
            sdk.InvalidEndpointConfigurationError,
            sdk.InvalidEndpointDiscoveryConfigurationError,
            sdk.InvalidRetryConfigurationError,
            sdk.InvalidDefaultsMode,
            sdk.InvalidSTSRegionalEndpointsConfigError,
            sdk.InvalidS3UsEast1RegionalEndpointConfigError,
            sdk.InvalidS3AddressingStyleError,
            sdk.UnknownSignatureVersionError,
            sdk.UnsupportedSignatureVersionError,
        ),
        (_SDK_SAYS, _CHECK_CONFIGURATION),
    ),
    **dict.fromkeys(
        (
            sdk.InvalidRegionError,
            sdk.UnknownRegionError,
            sdk.ServiceNotInRegionError,
            sdk.BaseEndpointResolverError,
            sdk.EndpointProviderError,
        ),
        (_SDK_SAYS, _CHECK_REGION),
    ),
    EOFError: (
        "the AWS profile asks for an MFA code, and there is no terminal to ask",
        _ENTER_MFA,
    ),
}
"""By class of the error: the cause, and what to do. A class stands for those below it too."""
_LOGIN = ("the login session is over or was never opened", "Run `aws login{profile}`")

_REFUSED: Mapping[str, tuple[str, str]] = {
    "ExpiredToken": ("the AWS session is over", _SIGN_IN + ", or set new keys"),
    "ExpiredTokenException": ("the AWS session is over", _SIGN_IN + ", or set new keys"),
    "InvalidClientTokenId": ("AWS does not know the access key", _NEW_KEYS),
    "UnrecognizedClientException": ("AWS does not know the access key", _NEW_KEYS),
    "IncompleteSignature": ("the access key is not in the expected format", _NEW_KEYS),
    "SignatureDoesNotMatch": (
        "the secret access key is wrong, or so is the clock of this machine",
        f"{_NEW_KEYS}, and compare `date -u` with the real time",
    ),
    "RequestExpired": (
        "the clock of this machine is wrong",
        "Compare `date -u` with the real time, and set it",
    ),
    "OptInRequired": (
        "the account has no access to this service in this region",
        "Run `aws account enable-region --region-name REGION{profile}`, or set another region",
    ),
}
"""By the code in the answer of AWS."""


def why_no_access(error: BaseException) -> str | None:
    """Return the cause and the fix for an error that the SDK raises without an answer.

    None means that the error says nothing about this machine.
    """
    if isinstance(error, OSError) and not isinstance(error, sdk.BotoCoreError):
        # A credential_process or a token file that does not exist raises Python's own error.
        name = printable(str(error.filename or "a file of the AWS configuration"))
        return _sentence(error, f"{name} cannot be used: {error.strerror}", _CHECK_CONFIGURATION)
    if isinstance(error, getattr(sdk, "LoginError", ())):  # older versions lack the class
        return _sentence(error, *_LOGIN)
    for kind in type(error).__mro__:
        if kind in _WITHOUT_ANSWER:
            return _sentence(error, *_WITHOUT_ANSWER[kind])
    return None


def why_unusable(error: Exception) -> str:
    """Return the cause and the fix for anything that keeps the SDK from making a client."""
    # What the SDK cannot read in a profile, a helper's answer, or a variable raises any exception.
    return why_no_access(error) or _sentence(error, _SDK_SAYS, _CHECK_CONFIGURATION)


def why_refused(code: str) -> str | None:
    """Return the cause and the fix for a code by which AWS refuses the credentials."""
    return _sentence(None, *_REFUSED[code]) if code in _REFUSED else None


def _sentence(error: BaseException | None, cause: str, fix: str) -> str:
    given = getattr(error, "kwargs", {})
    name = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or ""
    words = {key: printable(str(value)) for key, value in given.items()}
    words["name"] = words.get("profile", name)
    words["profile"] = f" --profile {shlex.quote(printable(name))}" if name else ""
    words["error"] = printable(" ".join(str(error).split()), _LONGEST).rstrip(".")
    return f"{cause}. {fix}".format_map(words)
