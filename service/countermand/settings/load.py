"""Read the settings from the environment, once, at start-up.

`load` reports every mistake at once. It does not ask AWS: whether the queue exists and the worker
may read it is for `countermand doctor`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from countermand.core.errors import ConfigError
from countermand.settings.checks import SettingError, named
from countermand.settings.fields import Settings
from countermand.settings.names import PREFIX, example, is_secret, variable

_READ_ELSEWHERE = frozenset({"COUNTERMAND_LOCALSTACK_HOME"})
"""Not a setting of the service: the Makefile exports it to every command."""
_LONGEST_SHOWN = 120
_SERVICE_LINK = re.compile(
    r"COUNTERMAND_(?:.*_)?"
    r"(?:SERVICE_HOST=.*|SERVICE_PORT(?:_.*)?=.*|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP))?=(?:tcp|udp|sctp)://.*"
    r"|PORT_[0-9]+_(?:TCP|UDP|SCTP)_(?:PROTO|PORT|ADDR)=.*)"
)
"""Variables that Kubernetes adds to each pod for a Service whose name begins with `countermand`."""


def load(environ: Mapping[str, str]) -> Settings:
    """Return the settings. An empty variable counts as unset; spaces around a value are dropped.

    Raises `ConfigError`, whose text names every variable that is wrong.
    """
    ours = _ours(environ)
    values = _given(Settings, ours)
    mistakes = [*_unknown(Settings, ours), *_mistakes(Settings, values)]
    if mistakes:
        raise ConfigError("\n".join(["The configuration is wrong:", *mistakes]))
    return Settings.model_validate(values)


def _ours(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value.strip()
        for name, value in environ.items()
        if name.upper().startswith(PREFIX) and not _SERVICE_LINK.fullmatch(f"{name}={value}")
    }


def _given(settings: type[Settings], ours: Mapping[str, str]) -> dict[str, str]:
    found = {name: ours.get(variable(name)) for name in settings.model_fields}
    return {name: text for name, text in found.items() if text}


def _unknown(settings: type[Settings], ours: Mapping[str, str]) -> Iterator[str]:
    """Yield each unknown variable without its value, which might be a misspelled token."""
    known = [variable(name) for name in settings.model_fields]
    for name in sorted(ours.keys() - known - _READ_ELSEWHERE):
        near = get_close_matches(name.upper(), known, n=1)
        hint = f"did you mean {near[0]}?" if near else "see docs/configuration.md"
        yield f"  {ascii(name)[1:-1]}: there is no such setting; {hint}"


def _mistakes(settings: type[Settings], values: Mapping[str, Any]) -> Iterator[str]:
    """Yield every mistake. Relations are checked even if some field is wrong, with its example."""
    wrong, found = _attempt(settings, values)
    for name, text in wrong.items():
        yield _sentence(settings, (name,), text, values)
    if wrong:
        right = {name: v for name, v in values.items() if name not in wrong}
        fields = {name: settings.model_fields[name] for name in wrong}
        right |= {name: example(field) for name, field in fields.items() if field.is_required()}
        _, found = _attempt(settings, right)
    for error in found:
        if wrong.keys().isdisjoint(error.fields):
            yield _sentence(settings, error.fields, error.text, values)


def _attempt(
    settings: type[Settings], values: Mapping[str, Any]
) -> tuple[dict[str, str], Sequence[SettingError]]:
    """Return what is wrong with single fields, and if nothing is, with their relations."""
    try:
        settings(**values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    else:
        found = []
    fields: dict[str, str] = {}
    for detail in found:
        if not detail["loc"]:
            relations: Sequence[SettingError] = detail["ctx"]["error"].errors
            return {}, relations
        fields.setdefault(str(detail["loc"][0]), _plain_words(detail["type"], detail["msg"]))
    return fields, ()


def _plain_words(kind: str, message: str) -> str:
    if kind == "missing":
        return "is required"
    if kind == "string_pattern_mismatch":
        return "is not in the expected format"
    return message.removeprefix("Value error, ").removeprefix("Input ")


def _sentence(
    settings: type[Settings], fields: tuple[str, ...], text: str, values: Mapping[str, Any]
) -> str:
    """Say which variable is wrong and why, with its value unless it is secret, and an example."""
    field = settings.model_fields[fields[0]]
    if len(fields) == 1 and fields[0] in values:
        text += f" (current value: {_shown(field, values[fields[0]])})"
    return f"  {named(fields)}: {text}; for example {variable(fields[0])}={example(field)}"


def _shown(field: FieldInfo, value: str) -> str:
    if is_secret(field):
        return "secret, not shown"
    return ascii(value if len(value) <= _LONGEST_SHOWN else value[:_LONGEST_SHOWN] + "...")
