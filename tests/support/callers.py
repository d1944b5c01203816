"""One event for every type of identity that CloudTrail's user guide describes, and its caller."""

from typing import Any

from countermand.core.caller import Via

ACCOUNT, PARTNER = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Deploy"
SSO_ROLE = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Ops_0123"
CLI = "aws-cli/2.22.4 md/awscrt#0.23.1 ua/2.0 os/linux lang/python md/command#iam.create-user"


def a_session(issuer: str = ROLE, name: str = "ana", **context: Any) -> dict[str, Any]:
    return {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLE:{name}",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{issuer.rpartition('/')[2]}/{name}",
        "accountId": ACCOUNT,
        "accessKeyId": "ASIAEXAMPLE",
        "sessionContext": {
            "sessionIssuer": {"type": "Role", "arn": issuer, "accountId": ACCOUNT},
            "attributes": {"creationDate": "2026-03-01T10:00:00Z", "mfaAuthenticated": "false"},
            **context,
        },
    }


def a_detail(identity: object, **fields: Any) -> dict[str, Any]:
    return {
        "userIdentity": identity,
        "sourceIPAddress": "203.0.113.7",
        "userAgent": CLI,
        "recipientAccountId": ACCOUNT,
        "requestID": "b1e2",
    } | fields


USER = {
    "type": "IAMUser",
    "principalId": "AIDAEXAMPLE",
    "arn": f"arn:aws:iam::{ACCOUNT}:user/ops/mallory",
    "accountId": ACCOUNT,
    "accessKeyId": "AKIAEXAMPLE",
    "userName": "mallory",
}
IN_CONSOLE = USER | {
    "accessKeyId": "ASIAEXAMPLE",
    "sessionContext": {
        "sessionIssuer": {},
        "webIdFederationData": {},
        "attributes": {"creationDate": "2026-03-01T10:00:00Z", "mfaAuthenticated": "true"},
    },
}
GITHUB = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
WEB = a_session(name="ci-run-7", webIdFederationData={"federatedProvider": GITHUB})
IDENTITY_CENTER_USER = {
    "type": "IdentityCenterUser",
    "accountId": ACCOUNT,
    "onBehalfOf": {"userId": "111e2222-3333", "identityStoreArn": "arn:aws:identitystore::1:x"},
    "credentialId": "aaaa",
}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "IAM user with key": (
        a_detail(USER),
        {"name": "mallory", "access_key_id": "AKIAEXAMPLE", "mfa": None, "via": Via.CLI},
    ),
    "console with MFA": (
        a_detail(IN_CONSOLE, sessionCredentialFromConsole="true", userAgent="Mozilla/5.0"),
        {"name": "mallory", "mfa": True, "via": Via.CONSOLE, "session_name": None},
    ),
    "sign-in with MFA": (
        a_detail(
            USER,
            eventType="AwsConsoleSignIn",
            additionalEventData={"MFAUsed": "Yes"},
            userAgent="x",
        ),
        {"mfa": True, "via": Via.CONSOLE},
    ),
    "assumed role": (
        a_detail(a_session(sourceIdentity="ana@example.com")),
        {
            "name": "ana",
            "session_name": "ana",
            "session_issuer_arn": ROLE,
            "source_identity": "ana@example.com",
            "session_started": "2026-03-01T10:00:00Z",
            "mfa": False,
        },
    ),
    "federated user": (
        a_detail(
            {
                "type": "FederatedUser",
                "principalId": f"{ACCOUNT}:alice",
                "arn": f"arn:aws:sts::{ACCOUNT}:federated-user/alice",
                "accountId": ACCOUNT,
                "sessionContext": {"sessionIssuer": {"type": "IAMUser", "arn": USER["arn"]}},
            }
        ),
        {"name": "alice", "session_name": "alice", "session_issuer_arn": USER["arn"]},
    ),
    "SAML": (
        a_detail(
            {
                "type": "SAMLUser",
                "principalId": "SampleUniqueHash=:bob",
                "userName": "bob",
                "identityProvider": "SampleUniqueHash=",
            }
        ),
        {"name": "bob", "identity_provider": "SampleUniqueHash=", "cross_account": False},
    ),
    "web identity": (
        a_detail(
            {
                "type": "WebIdentityUser",
                "principalId": "accounts.google.com:app.apps.example:109876",
                "userName": "109876",
                "identityProvider": "accounts.google.com",
            }
        ),
        {"name": "109876", "identity_provider": "accounts.google.com"},
    ),
    "session of a web identity": (
        a_detail(WEB),
        {"name": "ci-run-7", "identity_provider": GITHUB, "session_issuer_arn": ROLE},
    ),
    "Identity Center session": (
        a_detail(a_session(SSO_ROLE, "ana@example.com")),
        {"name": "ana@example.com", "identity_provider": "IAM Identity Center"},
    ),
    "Identity Center user": (
        a_detail(IDENTITY_CENTER_USER, userAgent="aws-cli/2.22"),
        {"name": "111e2222-3333", "on_behalf_of": "111e2222-3333", "via": Via.CLI, "arn": None},
    ),
    "Identity Center sign-in": (
        a_detail(
            {"type": "Unknown", "accountId": ACCOUNT},
            eventType="AwsServiceEvent",
            additionalEventData={"UserName": "ana@example.com", "MFAUsed": "No"},
        ),
        {"name": "ana@example.com", "mfa": False},
    ),
    "root": (
        a_detail({"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root", "accountId": ACCOUNT}),
        {"name": "root", "type": "Root", "cross_account": False},
    ),
    "AWS service": (
        a_detail(
            {"type": "AWSService", "invokedBy": "autoscaling.amazonaws.com"},
            sourceIPAddress="autoscaling.amazonaws.com",
            userAgent="autoscaling.amazonaws.com",
        ),
        {"name": "autoscaling.amazonaws.com", "via": Via.AWS_SERVICE, "account_id": None},
    ),
    "service for a user": (
        a_detail(USER | {"invokedBy": "servicecatalog.amazonaws.com"}),
        {"name": "mallory", "invoked_by": "servicecatalog.amazonaws.com", "via": Via.AWS_SERVICE},
    ),
    "CloudFormation for a user": (
        a_detail(USER | {"invokedBy": "cloudformation.amazonaws.com"}),
        {"name": "mallory", "via": Via.CLOUDFORMATION},
    ),
    "cross-account": (
        a_detail({"type": "AWSAccount", "principalId": "AROAX:eve", "accountId": PARTNER}),
        {"name": "eve", "account_id": PARTNER, "cross_account": True},
    ),
    "cross-account by ARN only": (
        a_detail({"type": "AssumedRole", "arn": f"arn:aws:sts::{PARTNER}:assumed-role/R/eve"}),
        {"name": "eve", "account_id": PARTNER, "cross_account": True},
    ),
    "anonymous": (
        a_detail({"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}),
        {"name": "ANONYMOUS_PRINCIPAL", "cross_account": False},
    ),
    "directory user": (
        a_detail({"type": "Directory", "userName": "carol", "accountId": ACCOUNT}),
        {"name": "carol"},
    ),
    "other partition": (
        a_detail(USER | {"arn": f"arn:aws-eusc:iam::{ACCOUNT}:user/mallory"}),
        {"arn": f"arn:aws-eusc:iam::{ACCOUNT}:user/mallory", "name": "mallory"},
    ),
}
