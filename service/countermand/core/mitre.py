"""The names of the MITRE ATT&CK techniques that the built-in rules name.

https://attack.mitre.org/techniques/enterprise/ (version 17). A technique of an operator's own rule
that is not here is shown by its ID alone.
"""

from collections.abc import Mapping

NAMES: Mapping[str, str] = {
    "T1036": "Masquerading",
    "T1078": "Valid Accounts",
    "T1078.004": "Valid Accounts: Cloud Accounts",
    "T1087.004": "Account Discovery: Cloud Account",
    "T1098": "Account Manipulation",
    "T1098.001": "Account Manipulation: Additional Cloud Credentials",
    "T1098.003": "Account Manipulation: Additional Cloud Roles",
    "T1098.004": "Account Manipulation: SSH Authorized Keys",
    "T1098.006": "Account Manipulation: Additional Container Cluster Roles",
    "T1136": "Create Account",
    "T1136.003": "Create Account: Cloud Account",
    "T1199": "Trusted Relationship",
    "T1484": "Domain or Tenant Policy Modification",
    "T1484.002": "Domain or Tenant Policy Modification: Trust Modification",
    "T1525": "Implant Internal Image",
    "T1531": "Account Access Removal",
    "T1548": "Abuse Elevation Control Mechanism",
    "T1548.005": "Abuse Elevation Control Mechanism: Temporary Elevated Cloud Access",
    "T1550": "Use Alternate Authentication Material",
    "T1550.001": "Use Alternate Authentication Material: Application Access Token",
    "T1552": "Unsecured Credentials",
    "T1556": "Modify Authentication Process",
    "T1556.006": "Modify Authentication Process: Multi-Factor Authentication",
    "T1556.007": "Modify Authentication Process: Hybrid Identity",
    "T1562": "Impair Defenses",
    "T1562.008": "Impair Defenses: Disable or Modify Cloud Logs",
    "T1578": "Modify Cloud Compute Infrastructure",
    "T1578.002": "Modify Cloud Compute Infrastructure: Create Cloud Instance",
    "T1580": "Cloud Infrastructure Discovery",
    "T1648": "Serverless Execution",
}


def url(technique: str) -> str:
    """Return the page of a technique: a part of a technique is a folder below it."""
    return f"https://attack.mitre.org/techniques/{technique.replace('.', '/')}/"
