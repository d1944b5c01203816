"""The ways to more rights that a policy may open: data, for `policydoc.py`.

A row needs all of its actions, each on the resource beside it (service and resource of its ARN;
`:::` for one without region and account). `NAME` is one that nobody had in mind: only what allows
(almost) all names covers it. `SOME` is any that a statement names.
Sources: Rhino Security Labs' list (RHN), pathfinding.cloud (PFC), HackTricks Cloud (HTC), others
and AWS's own pages.

A row needs the calls that reach the role, no more: a source may also list what the attacker finds
elsewhere or needs only to look (a network, a bucket with code, `sts:AssumeRole` on a role whose
trust policy names him).

A row is conditional where it gives rights only in an organisation's management account or only to
who is held back by a permissions boundary: nobody knows here.

Left out, because they give nothing by themselves: a new identity provider, which no role trusts
yet; changes of SCPs, and of policies that only deny, which take a limit away that the policies
judged here do not show; thumbprints and client ids of OIDC providers, of which nobody showed that
they are enough; tags, names and paths, which decide about rights only where another policy says so.
Left out too: CodeStar (RHN 23 to 25), which AWS closed in 2024; and, until their calls are checked,
the paths of PFC through Amplify, Batch, Braket, CodeDeploy, Cognito, EMR, GameLift, Image Builder,
Kinesis Analytics and Omics. Passing any role to them is found by the last row of passing.
"""

from dataclasses import dataclass
from enum import StrEnum

_RHN = "https://github.com/RhinoSecurityLabs/AWS-IAM-Privilege-Escalation"
_PFC = "https://pathfinding.cloud/paths/"
_HTC = (
    "https://github.com/HackTricks-wiki/hacktricks-cloud/blob/master/src/pentesting-cloud/"
    "aws-security/aws-privilege-escalation/"
)
_HTC_IAM = f"{_HTC}aws-iam-privesc/README.md"
_HTC_SSO = f"{_HTC}aws-sso-and-identitystore-privesc/README.md"
_AWS = "https://docs.aws.amazon.com/"
_LIFTED = (
    "https://detection.fyi/elastic/detection-rules/integrations/aws/"
    "privilege_escalation_iam_permissions_boundary_modified/"
)


class Privilege(StrEnum):
    """What a set of policies gives its holder, worst first."""

    ADMIN = "admin"
    """Everything."""
    ESCALATION = "escalation"
    """The way to more rights by what the policies themselves allow."""
    CONDITIONAL_ADMIN = "conditional admin"
    CONDITIONAL_ESCALATION = "conditional escalation"
    """The same, when a condition holds or does not: nobody knows here."""
    UNREADABLE = "unreadable"
    """A document is none that IAM would take, and the others give less than the above."""
    TAKEOVER = "takeover"
    """The rights of a role that something already bears: worth what the account happens to hold,
    and part of most deployment policies. Told apart, so that a rule need not fire on these."""
    CONDITIONAL_TAKEOVER = "conditional takeover"
    NONE = "none"

    @property
    def is_risk(self) -> bool:
        """Whether rules fire on it."""
        return self not in {Privilege.TAKEOVER, Privilege.CONDITIONAL_TAKEOVER, Privilege.NONE}

    @property
    def is_certain(self) -> bool:
        """Whether it is a risk whatever the circumstances."""
        return self in {Privilege.ADMIN, Privilege.ESCALATION}


@dataclass(frozen=True, slots=True)
class Way:
    """One row: who is allowed all of `needs` can do what `does` says."""

    privilege: Privilege
    needs: tuple[str, ...]
    does: str
    source: str
    on_own: bool = False
    """Enough on the bearer's own user, role, group or policy."""


ANY = "=:= =:="
"""An action and a resource that exist nowhere: allowed only by what allows nearly everything."""

_PASS = "iam:PassRole iam:role/NAME"  # noqa: S105  no password
_PASS_SOME = "iam:PassRole iam:role/SOME"  # noqa: S105  no password
_CREATE_FUNCTION = "lambda:CreateFunction lambda:function:NAME"


def _iam(action: str, resource: str, does: str, source: str, *, on_own: bool = False) -> Way:
    return Way(Privilege.ESCALATION, (f"iam:{action} iam:{resource}/NAME",), does, source, on_own)


def _passing(path: str, does: str, *needs: str) -> Way:
    source = path if path.startswith("https:") else _PFC + path
    return Way(Privilege.ESCALATION, (_PASS, *needs), f"pass a role to {does}", source)


def _takeover(path: str, does: str, *needs: str) -> Way:
    source = path if path.startswith("https:") else _PFC + path
    return Way(Privilege.TAKEOVER, needs, does, source)


def _perhaps(source: str, does: str, *needs: str, on_own: bool = False) -> Way:
    return Way(Privilege.CONDITIONAL_ESCALATION, needs, does, source, on_own)


def _passing_some(way: Way) -> Way:
    """The same with the roles that the policy names: worth what those happen to hold."""
    does = way.does.replace("pass a role", "pass the roles that it names")
    return Way(Privilege.TAKEOVER, (_PASS_SOME, *way.needs[1:]), does, way.source)


_WAYS: tuple[Way, ...] = (
    Way(
        Privilege.ADMIN,
        (
            ANY,
            "iam:AttachUserPolicy iam:user/NAME",
            "iam:CreatePolicyVersion iam:policy/NAME",
            "iam:PutRolePolicy iam:role/NAME",
            _PASS,
        ),
        "do everything",
        _AWS + "aws-managed-policy/latest/reference/AdministratorAccess.html",
    ),
    # --- by IAM alone
    _iam("PutUserPolicy", "user", "write a policy for users", _PFC + "iam-007", on_own=True),
    _iam("PutRolePolicy", "role", "write a policy for roles", _PFC + "iam-005", on_own=True),
    _iam("PutGroupPolicy", "group", "write a policy for groups", _PFC + "iam-011", on_own=True),
    _iam("AttachUserPolicy", "user", "attach any policy to users", _PFC + "iam-008", on_own=True),
    _iam("AttachRolePolicy", "role", "attach any policy to roles", _PFC + "iam-009", on_own=True),
    _iam(
        "AttachGroupPolicy", "group", "attach any policy to groups", _PFC + "iam-010", on_own=True
    ),
    _iam(
        "CreatePolicyVersion", "policy", "rewrite attached policies", _PFC + "iam-001", on_own=True
    ),
    _iam(
        "SetDefaultPolicyVersion",
        "policy",
        "bring back wider versions of policies",
        f"{_RHN}#2-setting-the-default-policy-version-to-an-existing-version",
        on_own=True,
    ),
    _iam("AddUserToGroup", "group", "join any group", _PFC + "iam-013"),
    _iam("UpdateAssumeRolePolicy", "role", "open any role to himself", _PFC + "iam-012"),
    _iam("CreateAccessKey", "user", "make a key of any user", _PFC + "iam-002"),
    _iam("CreateLoginProfile", "user", "give any user a password", _PFC + "iam-004"),
    _iam("UpdateLoginProfile", "user", "change the password of any user", _PFC + "iam-006"),
    _iam("UpdateSAMLProvider", "saml-provider", "sign in as any role of a federation", _HTC_IAM),
    Way(
        Privilege.ESCALATION,
        (ANY,),
        "do nearly everything",
        _AWS + "aws-managed-policy/latest/reference/PowerUserAccess.html",
    ),
    # --- by a role that is passed
    _passing(
        "lambda-001",
        "a new Lambda function and run it",
        _CREATE_FUNCTION,
        "lambda:InvokeFunction lambda:function:NAME",
    ),
    _passing(
        "lambda-002",
        "a new Lambda function that an event source runs",
        _CREATE_FUNCTION,
        "lambda:CreateEventSourceMapping lambda:event-source-mapping:NAME",
    ),
    _passing(
        f"{_RHN}#16-passing-a-role-to-a-new-lambda-function-then-invoking-it-cross-account",
        "a new Lambda function that another account may run",
        _CREATE_FUNCTION,
        "lambda:AddPermission lambda:function:NAME",
    ),
    _passing("ec2-001", "a new instance", "ec2:RunInstances ec2:instance/NAME"),
    _passing(
        "ec2-004", "a spot instance", "ec2:RequestSpotInstances ec2:spot-instances-request/NAME"
    ),
    _passing(
        f"{_AWS}AWSEC2/latest/UserGuide/permission-to-pass-iam-roles.html",
        "a running instance",
        "ec2:AssociateIamInstanceProfile ec2:instance/NAME",
    ),
    _passing(
        "cloudformation-001",
        "a new CloudFormation stack",
        "cloudformation:CreateStack cloudformation:stack/NAME/NAME",
    ),
    _passing(
        "cloudformation-003",
        "a new CloudFormation stack set",
        "cloudformation:CreateStackSet cloudformation:stackset/NAME",
        "cloudformation:CreateStackInstances cloudformation:stackset/NAME",
    ),
    _passing(
        "cloudformation-004",
        "a CloudFormation stack set",
        "cloudformation:UpdateStackSet cloudformation:stackset/NAME",
    ),
    _passing("ecs-008", "an ECS task", "ecs:RunTask ecs:task-definition/NAME:1"),
    _passing("ecs-009", "an ECS task", "ecs:StartTask ecs:task-definition/NAME:1"),
    _passing(
        "ecs-003",
        "an ECS service",
        "ecs:RegisterTaskDefinition ecs:task-definition/NAME:1",
        "ecs:CreateService ecs:service/NAME/NAME",
    ),
    _passing(
        "codebuild-001",
        "a new CodeBuild project and run it",
        "codebuild:CreateProject codebuild:project/NAME",
        "codebuild:StartBuild codebuild:project/NAME",
    ),
    _passing(
        "codebuild-004",
        "a new CodeBuild project and run it",
        "codebuild:CreateProject codebuild:project/NAME",
        "codebuild:StartBuildBatch codebuild:project/NAME",
    ),
    _passing(
        "glue-001", "a Glue development endpoint", "glue:CreateDevEndpoint glue:devEndpoint/NAME"
    ),
    _passing(
        "glue-003",
        "a new Glue job and run it",
        "glue:CreateJob glue:job/NAME",
        "glue:StartJobRun glue:job/NAME",
    ),
    _passing(
        "glue-004",
        "a new Glue job that a trigger runs",
        "glue:CreateJob glue:job/NAME",
        "glue:CreateTrigger glue:trigger/NAME",
    ),
    _passing(
        "glue-005",
        "a Glue job and run it",
        "glue:UpdateJob glue:job/NAME",
        "glue:StartJobRun glue:job/NAME",
    ),
    _passing(
        "glue-006",
        "a Glue job that a trigger runs",
        "glue:UpdateJob glue:job/NAME",
        "glue:CreateTrigger glue:trigger/NAME",
    ),
    _passing(
        "glue-007",
        "a Glue session and run code in it",
        "glue:CreateSession glue:session/NAME",
        "glue:RunStatement glue:session/NAME",
    ),
    _passing(
        f"{_RHN}#22-passing-a-role-to-data-pipeline",
        "a data pipeline",
        "datapipeline:CreatePipeline datapipeline:pipeline/NAME",
        "datapipeline:PutPipelineDefinition datapipeline:pipeline/NAME",
    ),
    _passing(
        "sagemaker-001",
        "a SageMaker notebook",
        "sagemaker:CreateNotebookInstance sagemaker:notebook-instance/NAME",
    ),
    _passing(
        "sagemaker-002",
        "a SageMaker training job",
        "sagemaker:CreateTrainingJob sagemaker:training-job/NAME",
    ),
    _passing(
        "sagemaker-003",
        "a SageMaker processing job",
        "sagemaker:CreateProcessingJob sagemaker:processing-job/NAME",
    ),
    _passing(
        "apprunner-001",
        "an App Runner service",
        "apprunner:CreateService apprunner:service/NAME/NAME",
    ),
    _passing(
        "bedrock-001",
        "a Bedrock code interpreter",
        "bedrock-agentcore:CreateCodeInterpreter bedrock-agentcore:code-interpreter/NAME",
        "bedrock-agentcore:StartCodeInterpreterSession bedrock-agentcore:code-interpreter/NAME",
        "bedrock-agentcore:InvokeCodeInterpreter bedrock-agentcore:code-interpreter/NAME",
    ),
    _passing(
        "mwaa-001",
        "an Airflow environment",
        "airflow:CreateEnvironment airflow:environment/NAME",
    ),
    _passing(
        "ssm-003",
        "a script of Systems Manager",
        "ssm:CreateDocument ssm:document/NAME",
        "ssm:StartAutomationExecution ssm:automation-definition/NAME:1",
    ),
    _passing(
        "stepfunctions-001",
        "a new state machine and run it",
        "states:CreateStateMachine states:stateMachine:NAME",
        "states:StartExecution states:stateMachine:NAME",
    ),
    _passing(
        f"{_AWS}AmazonECS/latest/APIReference/API_UpdateService.html",
        "an ECS service that runs",
        "ecs:RegisterTaskDefinition ecs:task-definition/NAME:1",
        "ecs:UpdateService ecs:service/NAME/NAME",
    ),
    _passing(
        "https://github.com/nccgroup/PMapper/blob/master/principalmapper/graphing/codebuild_edges.py",
        "a CodeBuild project and run it",
        "codebuild:UpdateProject codebuild:project/NAME",
        "codebuild:StartBuild codebuild:project/NAME",
    ),
    _passing(
        f"{_AWS}AWSEC2/latest/APIReference/API_ReplaceIamInstanceProfileAssociation.html",
        "a running instance",
        "ec2:ReplaceIamInstanceProfileAssociation ec2:instance/NAME",
    ),
    _passing(
        f"{_AWS}rolesanywhere/latest/userguide/getting-started.html",
        "whoever has a certificate of his own",
        "rolesanywhere:CreateTrustAnchor rolesanywhere:trust-anchor/NAME",
        "rolesanywhere:CreateProfile rolesanywhere:profile/NAME",
    ),
    Way(
        Privilege.ESCALATION,
        (_PASS,),
        "pass any role to any service that another policy lets him use",
        _AWS + "IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html"
        "#access-analyzer-reference-policy-checks-security-warning-pass-role-with-star-in-resource",
    ),
    # --- where it depends on the account
    _perhaps(
        _LIFTED,
        "be rid of a permissions boundary of users, if he has one",
        "iam:DeleteUserPermissionsBoundary iam:user/NAME",
        on_own=True,
    ),
    _perhaps(
        _LIFTED,
        "be rid of a permissions boundary of roles, if he has one",
        "iam:DeleteRolePermissionsBoundary iam:role/NAME",
        on_own=True,
    ),
    _perhaps(
        f"{_HTC_IAM}#iamputuserpermissionsboundary",
        "widen a permissions boundary of users, if he has one",
        "iam:PutUserPermissionsBoundary iam:user/NAME",
        on_own=True,
    ),
    _perhaps(
        f"{_HTC_IAM}#iamputrolepermissionsboundary",
        "widen a permissions boundary of roles, if he has one",
        "iam:PutRolePermissionsBoundary iam:role/NAME",
        on_own=True,
    ),
    _perhaps(
        f"{_AWS}organizations/latest/userguide/orgs_manage_accounts_access.html",
        "open to himself the administrators' role of an organisation, if there is one",
        "iam:UpdateAssumeRolePolicy iam:role/OrganizationAccountAccessRole",
    ),
    _perhaps(
        f"{_AWS}controltower/latest/userguide/enroll-account.html",
        "open to himself the administrators' role of Control Tower, if there is one",
        "iam:UpdateAssumeRolePolicy iam:role/AWSControlTowerExecution",
    ),
    _perhaps(
        f"{_HTC_SSO}#ssocreateaccountassignment",
        "take any permission set in any account, if this one manages Identity Center",
        "sso:CreateAccountAssignment sso:::permissionSet/NAME/NAME",
        "sso:CreateAccountAssignment sso:::account/NAME",
    ),
    _perhaps(
        f"{_HTC_SSO}#ssoputinlinepolicytopermissionset-ssoprovisionpermissionset",
        "write a policy for permission sets, if this account manages Identity Center",
        "sso:PutInlinePolicyToPermissionSet sso:::permissionSet/NAME/NAME",
        "sso:ProvisionPermissionSet sso:::permissionSet/NAME/NAME",
    ),
    _perhaps(
        f"{_HTC_SSO}#ssoattachmanagedpolicytopermissionset-ssoprovisionpermissionset",
        "attach any policy to permission sets, if this account manages Identity Center",
        "sso:AttachManagedPolicyToPermissionSet sso:::permissionSet/NAME/NAME",
        "sso:ProvisionPermissionSet sso:::permissionSet/NAME/NAME",
    ),
    _perhaps(
        f"{_HTC_SSO}#identitystorecreategroupmembership",
        "join any group, if this account manages Identity Center",
        "identitystore:CreateGroupMembership identitystore:::group/NAME",
    ),
    _perhaps(
        "https://cloudquery.io/blog/aws-priv-esc-identity-center",
        "join any group in the console, if this account manages Identity Center",
        "sso-directory:AddMemberToGroup sso-directory:NAME",
    ),
    _perhaps(
        f"{_AWS}IAM/latest/UserGuide/id_root-user-privileged-task.html",
        "act as root of other accounts, if this one manages the organisation",
        "sts:AssumeRoot iam:root",
    ),
    # --- by what already bears a role, or a key
    _takeover(
        f"{_HTC_IAM}#iamupdateaccesskey",
        "set any user's old key active",
        "iam:UpdateAccessKey iam:user/NAME",
    ),
    _takeover(
        f"{_HTC_IAM}#iamcreateservicespecificcredential--iamresetservicespecificcredential",
        "make a credential of any user for single services",
        "iam:CreateServiceSpecificCredential iam:user/NAME",
    ),
    _takeover(
        f"{_HTC_IAM}#reset",
        "replace a credential of any user for single services",
        "iam:ResetServiceSpecificCredential iam:user/NAME",
    ),
    _takeover(
        f"{_HTC_IAM}#iamuploadsshpublickey--iamdeactivatemfadevice",
        "sign in to CodeCommit as any user",
        "iam:UploadSSHPublicKey iam:user/NAME",
    ),
    _takeover(
        f"{_HTC_IAM}#iamdeactivatemfadevice",
        "take any user's MFA device away",
        "iam:DeactivateMFADevice iam:user/NAME",
    ),
    _takeover(
        f"{_HTC_IAM}#iamcreatevirtualmfadevice--iamenablemfadevice",
        "be the second factor of any user",
        "iam:CreateVirtualMFADevice iam:mfa/NAME",
        "iam:EnableMFADevice iam:user/NAME",
    ),
    _takeover(
        f"{_HTC}aws-eks-privesc/README.md",
        "be administrator of any EKS cluster",
        "eks:CreateAccessEntry eks:cluster/NAME",
        "eks:AssociateAccessPolicy eks:access-entry/NAME/NAME",
    ),
    _takeover(
        "stepfunctions-002",
        "change any state machine",
        "states:UpdateStateMachine states:stateMachine:NAME",
        "states:StartExecution states:stateMachine:NAME",
    ),
    _takeover(
        "iam-012",
        "open to himself the roles that it names",
        "iam:UpdateAssumeRolePolicy iam:role/SOME",
    ),
    _takeover("sts-001", "take any role that trusts the account", "sts:AssumeRole iam:role/NAME"),
    _takeover(
        "lambda-003",
        "change the code of any Lambda function",
        "lambda:UpdateFunctionCode lambda:function:NAME",
    ),
    _takeover(
        f"{_RHN}#26-addexistinglambdalayertolambdafunctionwithrole",
        "put code into any Lambda function by a layer",
        "lambda:UpdateFunctionConfiguration lambda:function:NAME",
    ),
    _takeover("ssm-001", "open a shell on any instance", "ssm:StartSession ec2:instance/NAME"),
    _takeover(
        "ssm-002",
        "run commands on any instance",
        "ssm:SendCommand ec2:instance/NAME",
        "ssm:SendCommand ssm:document/NAME",
    ),
    _takeover(
        "ec2-003",
        "log on to any instance",
        "ec2-instance-connect:SendSSHPublicKey ec2:instance/NAME",
    ),
    _takeover(
        "ec2-002",
        "run code at the start of any instance",
        "ec2:ModifyInstanceAttribute ec2:instance/NAME",
        "ec2:StopInstances ec2:instance/NAME",
        "ec2:StartInstances ec2:instance/NAME",
    ),
    _takeover(
        "ec2-005",
        "put code and a profile into launch templates",
        "ec2:CreateLaunchTemplateVersion ec2:launch-template/NAME",
        "ec2:ModifyLaunchTemplate ec2:launch-template/NAME",
    ),
    _takeover(
        "cloudformation-002",
        "change any CloudFormation stack",
        "cloudformation:UpdateStack cloudformation:stack/NAME/NAME",
    ),
    _takeover(
        "cloudformation-005",
        "change any CloudFormation stack",
        "cloudformation:CreateChangeSet cloudformation:stack/NAME/NAME",
        "cloudformation:ExecuteChangeSet cloudformation:stack/NAME/NAME",
    ),
    _takeover(
        "codebuild-002",
        "run any CodeBuild project his way",
        "codebuild:StartBuild codebuild:project/NAME",
    ),
    _takeover(
        "codebuild-003",
        "run any CodeBuild project his way",
        "codebuild:StartBuildBatch codebuild:project/NAME",
    ),
    _takeover("ecs-006", "open a shell in any ECS task", "ecs:ExecuteCommand ecs:task/NAME/NAME"),
    _takeover(
        "glue-002",
        "log on to any Glue development endpoint",
        "glue:UpdateDevEndpoint glue:devEndpoint/NAME",
    ),
    _takeover(
        "sagemaker-004",
        "open any SageMaker notebook",
        "sagemaker:CreatePresignedNotebookInstanceUrl sagemaker:notebook-instance/NAME",
    ),
    _takeover(
        "sagemaker-005",
        "put code into any SageMaker notebook",
        "sagemaker:CreateNotebookInstanceLifecycleConfig "
        "sagemaker:notebook-instance-lifecycle-config/NAME",
        "sagemaker:StopNotebookInstance sagemaker:notebook-instance/NAME",
        "sagemaker:UpdateNotebookInstance sagemaker:notebook-instance/NAME",
        "sagemaker:StartNotebookInstance sagemaker:notebook-instance/NAME",
    ),
    _takeover(
        "apprunner-002",
        "change any App Runner service",
        "apprunner:UpdateService apprunner:service/NAME/NAME",
    ),
    _takeover(
        "bedrock-002",
        "run code in any Bedrock code interpreter",
        "bedrock-agentcore:StartCodeInterpreterSession bedrock-agentcore:code-interpreter/NAME",
        "bedrock-agentcore:InvokeCodeInterpreter bedrock-agentcore:code-interpreter/NAME",
    ),
    _takeover(
        "mwaa-002",
        "change any Airflow environment",
        "airflow:UpdateEnvironment airflow:environment/NAME",
    ),
)

_PASSING_SOME = [_passing_some(w) for w in _WAYS if w.needs[0] == _PASS and len(w.needs) > 1]

WAYS = (
    *[way for way in _WAYS if way.privilege is not Privilege.TAKEOVER],
    *_PASSING_SOME,
    *[way for way in _WAYS if way.privilege is Privilege.TAKEOVER],
)
"""In the order in which they are told: of two ways to one privilege, the first."""
