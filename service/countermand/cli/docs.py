"""The pages of the documentation that are made from the code; `make docs` writes them."""

from collections.abc import Callable, Mapping

from countermand.cli.catalogue import rule_schema, rules_page
from countermand.settings.docs import configuration_page

PAGES: Mapping[str, Callable[[], str]] = {
    "configuration.md": configuration_page,
    "rules.md": rules_page,
    "rule.schema.json": rule_schema,
}
