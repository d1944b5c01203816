"""The partition of a region, and the region in which IAM reports its calls.

IAM is one service for a whole partition, and CloudTrail records its calls in one region of it. A
partition that is not listed here is nobody's mistake: its regions are neither right nor wrong.
https://docs.aws.amazon.com/general/latest/gr/rande.html
"""

import re

_AWS_HOST = re.compile(
    r"(^|\.)(amazonaws\.(com|com\.cn|eu)|api\.aws|api\.amazonwebservices\.(com\.cn|eu)"
    r"|\w+\.ic\.gov|sc2s\.sgov\.gov|api\.aws\.scloud|adc-e\.uk)$"
)
_IAM_HOME = {
    "aws": "us-east-1",
    "aws-cn": "cn-north-1",
    "aws-eusc": "eusc-de-east-1",
    "aws-iso": "us-iso-east-1",
    "aws-iso-b": "us-isob-east-1",
    "aws-iso-e": "eu-isoe-west-1",
    "aws-iso-f": "us-isof-south-1",
    "aws-us-gov": "us-gov-west-1",
}
IAM_REGIONS = frozenset(_IAM_HOME.values())
"""The regions in which CloudTrail records the calls to IAM."""
_BY_AREA = {
    _area: _partition
    for _partition, _home in _IAM_HOME.items()
    for _area in [_home.rsplit("-", 2)[0]]
}


def partition_of(region: str) -> str | None:
    """Return the partition of a region, or None if its area, such as `us-gov`, is not known."""
    area = region.rsplit("-", 2)[0]
    # The areas of `aws` are one word and grow: us, eu, ap, mx. All others have their own entry.
    return _BY_AREA.get(area) or ("aws" if "-" not in area else None)


def iam_region(partition: str) -> str | None:
    """Return the region in which CloudTrail records the calls to IAM, or None if not known."""
    return _IAM_HOME.get(partition)


def is_aws_host(host: str) -> bool:
    """Return whether a host is an endpoint of AWS, not of an emulator."""
    return _AWS_HOST.search(host) is not None
