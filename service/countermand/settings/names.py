"""Names and values of settings as an operator writes them."""

from pydantic import SecretStr
from pydantic.fields import FieldInfo

PREFIX = "COUNTERMAND_"
REGION = r"[a-z]{2,}(?:-[a-z]+)+-[0-9]+"
_MASK = "********"


def variable(field: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + field.upper()


def shown(value: object) -> str:
    """Return a value as it would stand in a variable; a secret is masked."""
    match value:
        case None:
            return "unset"
        case SecretStr():
            return _MASK
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(map(str, value))
        case _:
            return str(value)


def example(field: FieldInfo) -> str:
    """Return the first example of a field."""
    return str((field.examples or [""])[0])


def is_secret(field: FieldInfo) -> bool:
    """Whether the value of a field must never be printed."""
    return "SecretStr" in str(field.annotation)
