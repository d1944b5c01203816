"""Service-specific credentials on LocalStack, which has them where moto has none."""

import uuid

from countermand.actions import ALL
from countermand.aws.clients import Clients
from countermand.aws.cloud import AwsCloud
from countermand.lab.localstack import LocalStack
from support.running import aws_environment

SERVICE = "codecommit.amazonaws.com"


def test_a_service_credential_is_deactivated_and_undone(
    localstack: LocalStack,
) -> None:
    name, action = f"iam-test-{uuid.uuid4().hex[:8]}", ALL["deactivate_service_specific_credential"]
    with aws_environment(localstack.url):
        clients = Clients("us-east-1")
        iam, cloud = clients.get("iam"), AwsCloud(clients)
        iam.create_user(UserName=name)
        made = iam.create_service_specific_credential(UserName=name, ServiceName=SERVICE)
        credential_id = made["ServiceSpecificCredential"]["ServiceSpecificCredentialId"]
        params = {"user_name": name, "credential_id": credential_id}

        def status() -> str:
            # LocalStack lists nothing without the name of a service; IAM lists all.
            answer = iam.list_service_specific_credentials(UserName=name, ServiceName=SERVICE)
            (found,) = answer["ServiceSpecificCredentials"]
            return str(found["Status"])

        assert status() == "Active"
        assert action.apply(cloud, params)
        assert status() == "Inactive"
        action.undo(cloud, params)
        assert status() == "Active"
        iam.delete_service_specific_credential(
            UserName=name, ServiceSpecificCredentialId=credential_id
        )
        assert not action.is_present(cloud, params)
        assert not action.apply(cloud, params)
