"""The worker's settings, for commands that need only some of them."""

from collections.abc import Mapping

from countermand.settings import Settings, variable
from countermand.settings import load as load_settings
from countermand.settings.names import PREFIX


def settings_in_force(environ: Mapping[str, str]) -> Settings | None:
    """Return the worker's settings, or None when no variable sets any.

    These commands need no queue and no topic: where these are not set, the examples stand in.
    """
    ours = {name: text for name, text in environ.items() if name.upper().startswith(PREFIX)}
    fields = Settings.model_fields
    if not any(text.strip() and name in map(variable, fields) for name, text in ours.items()):
        return None
    region = ours.get(variable("region")) or fields["region"].default
    account = ours.get(variable("account_id")) or "111122223333"
    stand_ins = {
        variable("queue_url"): f"https://sqs.{region}.amazonaws.com/{account}/countermand",
        variable("topic_arn"): f"arn:aws:sns:{region}:{account}:countermand-alerts",
        variable("ledger_url"): "sqlite:countermand.sqlite3",
    }
    if variable("api_token") not in ours:
        stand_ins |= {variable("api_host"): "127.0.0.1", variable("api_allow_anonymous"): "true"}
    return load_settings({**stand_ins, **{n: text for n, text in ours.items() if text.strip()}})
