"""Read the settings from the environment, once, and report every mistake at once."""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Self

from pydantic import ValidationError, model_validator
from pydantic.fields import FieldInfo

from countermand.core.errors import ConfigError
from countermand.settings.checks import (
    SettingError,
    WrongRelations,
    names,
    warnings,
    wrong_relations,
)
from countermand.settings.docs import as_text, example, is_secret
from countermand.settings.fields import PREFIX, Fields, variable

_READ_ELSEWHERE = frozenset({"COUNTERMAND_LOCALSTACK_HOME"})
"""Not settings of the service: the Makefile exports them to everything it runs."""
_LONGEST_SHOWN = 120
_SERVICE_LINK = re.compile(
    r"COUNTERMAND_(?:.*_)?"
    r"(?:SERVICE_HOST=.*|SERVICE_PORT(?:_.*)?=.*|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP))?=(?:tcp|udp|sctp)://.*"
    r"|PORT_[0-9]+_(?:TCP|UDP|SCTP)_(?:PROTO|PORT|ADDR)=.*)"
)
"""Kubernetes sets these in every pod of a namespace that has a Service named `countermand...`."""


class Settings(Fields):
    """Everything that can be set. Build it with `load`; tests may name fields directly."""

    @model_validator(mode="after")
    def _check_relations(self) -> Self:
        if errors := tuple(wrong_relations(self)):
            raise WrongRelations(errors)
        return self

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings from variables. An empty one counts as unset; spaces are stripped.

        Raises `ConfigError`, whose text names every variable that is wrong.
        """
        ours = _ours(environ)
        values = _given(cls, ours)
        problems = [*_unknown(cls, ours), *_problems(cls, values)]
        if problems:
            raise ConfigError("\n".join(["The configuration is wrong:", *problems]))
        return cls.model_validate(values)

    def warnings(self) -> list[str]:
        """Return what is allowed but risky, as sentences for the log."""
        return list(warnings(self))

    def as_environment(self) -> dict[str, str]:
        """Return the variables that give these settings, with secrets masked."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {variable(name): as_text(v) for name, v in values.items() if v is not None}

    def as_text(self) -> str:
        """Return `as_environment` as lines `NAME=value`, for `countermand run --print-config`."""
        return "".join(f"{name}={value}\n" for name, value in self.as_environment().items())


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
    """The value of an unknown variable is not shown: it may be a misspelt token."""
    known = [variable(name) for name in settings.model_fields]
    for name in sorted(ours.keys() - known - _READ_ELSEWHERE):
        near = get_close_matches(name.upper(), known, n=1)
        hint = f"did you mean {near[0]}?" if near else "see docs/configuration.md"
        yield f"  {ascii(name)[1:-1]}: there is no such setting; {hint}"


def _problems(settings: type[Settings], values: Mapping[str, Any]) -> Iterator[str]:
    """Yield every error. For the relations, its example stands in for a wrong field."""
    wrong, relations = _attempt(settings, values)
    for name, text in wrong.items():
        yield _sentence(settings, (name,), text, values)
    if wrong:
        right = {name: v for name, v in values.items() if name not in wrong}
        fields = {name: settings.model_fields[name] for name in wrong}
        right |= {name: example(field) for name, field in fields.items() if field.is_required()}
        _, relations = _attempt(settings, right)
    for problem in relations:
        if wrong.keys().isdisjoint(problem.fields):
            yield _sentence(settings, problem.fields, problem.text, values)


def _attempt(
    settings: type[Settings], values: Mapping[str, Any]
) -> tuple[dict[str, str], Sequence[SettingError]]:
    """Return the errors of single fields, and if there are none, those of their relations."""
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
    """Return the variable, the error, the value unless it is secret, and an example."""
    field = settings.model_fields[fields[0]]
    if len(fields) == 1 and fields[0] in values:
        text += f" (it is {_shown(field, values[fields[0]])})"
    return f"  {names(fields)}: {text}; for example {variable(fields[0])}={example(field)}"


def _shown(field: FieldInfo, value: str) -> str:
    if is_secret(field):
        return "secret and not shown"
    return ascii(value if len(value) <= _LONGEST_SHOWN else value[:_LONGEST_SHOWN] + "...")
