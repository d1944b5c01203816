"""The EventBridge rules that bring the worker the events of the enabled rules."""

import json
from typing import Any

from countermand.core.errors import ConfigError
from countermand.core.rules.routing import routes_of
from countermand.core.rules.rule import RuleSet

LONGEST_PATTERN = 2048
"""The most characters that EventBridge accepts in an event pattern.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
"""


def routing_patterns(rules: RuleSet) -> dict[str, dict[str, Any]]:
    """Return the EventBridge rules by name, as `{"pattern": {...}, "state": "..."}`.

    Raises `ConfigError` for a pattern that EventBridge would refuse.
    """
    routes = routes_of(rules)
    for name, route in routes.items():
        if (size := len(json.dumps(route.pattern, separators=(",", ":")))) > LONGEST_PATTERN:
            raise ConfigError(
                f"the pattern of {name} has {size} characters, more than the {LONGEST_PATTERN} of "
                "EventBridge: switch off rules, or route manually"
            )
    return {name: {"pattern": r.pattern, "state": str(r.state)} for name, r in routes.items()}
