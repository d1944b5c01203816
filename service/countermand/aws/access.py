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
    sdk.SSOError: ("the SSO session is over or was never opened", _SIGN_IN),
    sdk.TokenRetrievalError: ("the SSO session is over or was never opened", _SIGN_IN),
    sdk.NoAuthTokenError: ("the SSO session is over or was never opened", _SIGN_IN),
    sdk.UnknownTokenProviderError: (_SDK_SAYS, _CHECK_CONFIGURATION),
    sdk.UnknownCredentialError: (_SDK_SAYS, _CHECK_CONFIGURATION),
    sdk.RefreshWithMFAUnsupportedError: (
        "the AWS session is over, and a new one needs an MFA code",
        "Run `aws sts get-session-token --serial-number MFA_ARN --token-code CODE{profile}`",
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
    sdk.InvalidConfigError: (_SDK_SAYS, _CHECK_CONFIGURATION),
    sdk.InvalidIMDSEndpointError: (
        "AWS_EC2_METADATA_SERVICE_ENDPOINT is not a URL",
        "Run `unset AWS_EC2_METADATA_SERVICE_ENDPOINT`",
    ),
    sdk.InvalidIMDSEndpointModeError: (
        _SDK_SAYS,
        "Run `unset AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE`",
    ),
    sdk.NoRegionError: ("no region is set", _CHECK_REGION),
    sdk.InvalidRegionError: (_SDK_SAYS, _CHECK_REGION),
    sdk.UnknownRegionError: (_SDK_SAYS, _CHECK_REGION),
    sdk.ServiceNotInRegionError: (_SDK_SAYS, _CHECK_REGION),
    sdk.BaseEndpointResolverError: (_SDK_SAYS, _CHECK_REGION),
    sdk.EndpointProviderError: (_SDK_SAYS, _CHECK_REGION),
    sdk.InvalidEndpointConfigurationError: (_SDK_SAYS, _CHECK_CONFIGURATION),
    sdk.InvalidEndpointDiscoveryConfigurationError: (_SDK_SAYS, _CHECK_CONFIGURATION),
    sdk.InvalidRetryConfigurationError: (_SDK_SAYS, _CHECK_CONFIGURATION),
    sdk.InvalidDefaultsMode: (_SDK_SAYS, _CHECK_CONFIGURATION),
    sdk.InvalidSTSRegionalEndpointsConfigError: (_SDK_SAYS, _CHECK_CONFIGURATION),
    sdk.InvalidS3UsEast1RegionalEndpointConfigError: (_SDK_SAYS, _CHECK_CONFIGURATION),
    sdk.InvalidS3AddressingStyleError: (_SDK_SAYS, _CHECK_CONFIGURATION),
    sdk.InvalidProxiesConfigError: (
        "the proxy settings are wrong",
        "Correct HTTPS_PROXY, or run `unset HTTPS_PROXY HTTP_PROXY`",
    ),
    sdk.ProxyConnectionError: (
        "the proxy does not answer",
        "Correct HTTPS_PROXY, or run `unset HTTPS_PROXY HTTP_PROXY`",
    ),
    sdk.SSLError: ("the TLS certificate is not trusted", _CHECK_CA),
    sdk.ConnectionError: ("the endpoint does not answer", _CHECK_NETWORK),
    sdk.UnknownSignatureVersionError: (_SDK_SAYS, _CHECK_CONFIGURATION),
    sdk.UnsupportedSignatureVersionError: (_SDK_SAYS, _CHECK_CONFIGURATION),
    EOFError: (
        "the AWS profile asks for an MFA code, and there is no terminal to ask",
        "Run `aws sts get-session-token --serial-number MFA_ARN --token-code CODE{profile}`",
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
