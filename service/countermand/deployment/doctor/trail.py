"""Whether a trail gives EventBridge the calls to IAM.

EventBridge receives `AWS API Call via CloudTrail` only while a trail logs management events there.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from countermand.core.errors import Denied
from countermand.deployment.doctor.deployed import Deployed, command, listed
from countermand.deployment.doctor.result import CheckResult, Status, unchecked, warning

_WRITES = frozenset({"All", "WriteOnly"})
_IAM_SOURCE = "iam.amazonaws.com"


def trail(deployed: Deployed) -> Iterator[CheckResult]:
    """Check that one trail at least logs the management events of the event region."""
    region = deployed.settings.event_region
    if deployed.aws.is_emulated:
        yield unchecked("trail", "an emulator has no trail: its events come from the lab")
        return
    faults: list[tuple[str, str]] = []
    for found in deployed.aws.trails(region):
        fault = _fault(deployed, found, region)
        if fault is None:
            yield from _covered(deployed, found, region)
            return
        faults.append(fault)
    if not faults:
        fix = _create(deployed, region)
        yield CheckResult("trail", Status.FAILS, f"no trail in {region}: no event can arrive", fix)
        return
    why, fix = faults[0]
    others = f"; {len(faults) - 1} more trails do not help" if len(faults) > 1 else ""
    yield CheckResult("trail", Status.FAILS, why + others, fix)


def _create(deployed: Deployed, region: str) -> str:
    """Return the commands that create a trail of all regions, with its bucket."""
    name, account_id = deployed.settings.rule_prefix, deployed.account_id
    bucket = f"{name}-trail-{account_id}"
    arn = f"arn:{deployed.partition}:s3:::{bucket}"
    source = f"arn:{deployed.partition}:cloudtrail:{region}:{account_id}:trail/{name}"
    may = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudtrail.amazonaws.com"},
        "Condition": {"StringEquals": {"aws:SourceArn": source}},
    }
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {**may, "Action": "s3:GetBucketAcl", "Resource": arn},
            {**may, "Action": "s3:PutObject", "Resource": f"{arn}/AWSLogs/{account_id}/*"},
        ],
    }
    trail_of = {"name": name, "s3-bucket-name": bucket}
    return " && ".join(
        (
            f"aws s3 mb s3://{bucket} --region {region}",
            command("s3api put-bucket-policy", {"bucket": bucket, "policy": policy}),
            command("cloudtrail create-trail", trail_of, region) + " --is-multi-region-trail",
            command("cloudtrail start-logging", {"name": name}, region),
        )
    )


def _fault(deployed: Deployed, found: Mapping[str, Any], region: str) -> tuple[str, str] | None:
    """Return why a trail does not bring IAM's events, with the fix; None if it does."""
    name, home = found["Name"], found["HomeRegion"]
    arn, where = found["TrailARN"], {"name": found["TrailARN"]}
    if not found.get("IsMultiRegionTrail") and home != region:
        fix = command("cloudtrail update-trail", where, home) + " --is-multi-region-trail"
        return f"trail {name} covers only {home}, not {region}", fix
    if not found.get("IncludeGlobalServiceEvents", True):
        fix = command("cloudtrail update-trail", where, home) + " --include-global-service-events"
        return f"trail {name} leaves out global services, such as IAM", fix
    if not deployed.aws.trail_is_logging(arn, home):
        return f"trail {name} does not log", command("cloudtrail start-logging", where, home)
    if not _logs_what_it_should(deployed, found):
        basic = [{"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": []}]
        options = {"trail-name": arn, "event-selectors": basic}
        fix = command("cloudtrail put-event-selectors", options, home)
        return f"trail {name} does not log management events that write", fix
    return None


def _logs_what_it_should(deployed: Deployed, found: Mapping[str, Any]) -> bool:
    try:
        selectors = deployed.aws.selectors(found["TrailARN"], found["HomeRegion"])
    except Denied:
        if not found.get("IsOrganizationTrail"):
            raise
        return True  # only its own account may read them, and it logs
    none = not (selectors.get("EventSelectors") or selectors.get("AdvancedEventSelectors"))
    if none and found.get("HasCustomEventSelectors") is False:
        return True  # a trail that nobody changed logs all management events
    return _logs_management(selectors)


def _logs_management(selectors: Mapping[str, Any]) -> bool:
    basic = any(
        s.get("IncludeManagementEvents", True)
        and s.get("ReadWriteType", "All") in _WRITES
        and _IAM_SOURCE not in s.get("ExcludeManagementEventSources", ())
        for s in selectors.get("EventSelectors") or ()
    )
    return basic or any(
        _is_management(s["FieldSelectors"]) for s in selectors.get("AdvancedEventSelectors") or ()
    )


def _is_management(fields: list[Mapping[str, Any]]) -> bool:
    by_name = {field["Field"]: field for field in fields}
    if "Management" not in by_name.get("eventCategory", {}).get("Equals", ()):
        return False
    if "true" in by_name.get("readOnly", {}).get("Equals", ()):
        return False
    source = by_name.get("eventSource", {})
    left_out = _IAM_SOURCE in source.get("NotEquals", ())
    return not left_out and _IAM_SOURCE in source.get("Equals", (_IAM_SOURCE,))


def _covered(deployed: Deployed, found: Mapping[str, Any], region: str) -> Iterator[CheckResult]:
    name = found["Name"]
    if found.get("IsMultiRegionTrail"):
        yield CheckResult("trail", Status.OK, f"{name} logs the management events of all regions")
        return
    others = [r for r in {deployed.settings.region} if r != region]
    what = f" and not {listed(others)}" if others else ""
    where = {"name": found["TrailARN"]}
    fix = command("cloudtrail update-trail", where, found["HomeRegion"])
    yield warning("trail", f"{name} covers only {region}{what}", f"{fix} --is-multi-region-trail")
