"""Whether the alerts reach somebody: the topic and its subscriptions."""

from collections.abc import Iterator

from countermand.deployment.doctor.deployed import Deployed, command, listed
from countermand.deployment.doctor.result import CheckResult, Status, verdict


def topic(deployed: Deployed) -> Iterator[CheckResult]:
    """Check the topic of the alerts."""
    arn = deployed.settings.topic_arn
    found = deployed.aws.topic(arn)
    yield CheckResult("topic", Status.OK, found["TopicArn"])
    subscriptions = deployed.aws.subscriptions(arn)
    states = [(s, deployed.aws.subscription(s["SubscriptionArn"])) for s in subscriptions]
    pending = [
        f"{s['Protocol']}:{s['Endpoint']}"
        for s, state in states
        if state.get("PendingConfirmation") == "true"
    ]
    confirmed = len(subscriptions) - len(pending)
    wrong = f"not confirmed: {listed(pending)}" if pending else None
    options = {
        "topic-arn": arn,
        "protocol": "email",
        "notification-endpoint": next((e.partition(":")[2] for e in pending), "you@example.com"),
    }
    subscribe = command("sns subscribe", options, deployed.settings.region)
    yield verdict(
        "subscriptions",
        f"{confirmed} confirmed",
        wrong if confirmed or pending else "nobody gets the alerts",
        f"{subscribe}  # then confirm with the link in the email",
    )
