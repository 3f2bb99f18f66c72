"""Types of fields as the promised services take them: FastAPI's and serde's clients send "true", 1 and "3", too.

A value that is none of these spellings is left as it is, for pydantic to refuse. The JSON Schema shows the plain type.
"""

import re
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

MOST = 2**31 - 1  # of a limit: sums of such numbers are far from what 64 bits hold
FLAGS = {"true": True, "1": True, "false": False, "0": False}
WHOLE = re.compile(r"\s*([+-]?[0-9]{1,4000})(?:\.0*)?\s*")  # more digits than Python reads are no number of anything
NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*")


def flag(value: object) -> object:
    """True for true, 1, "1" and "true" in any case; false likewise."""
    if isinstance(value, str):
        return FLAGS.get(value.strip().lower(), value)
    return bool(value) if isinstance(value, int | float) and value in {0, 1} else value


def whole(value: object) -> object:
    """1 for 1.0, which JSON Schema calls an integer, too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def whole_or_text(value: object) -> object:
    """3 for 3.0, "3" and "3.0", with or without space around it."""
    if isinstance(value, str) and (found := WHOLE.fullmatch(value)):
        return int(found[1])
    return whole(value)


def number_or_text(value: object) -> object:
    """0.5 for 0.5 and "0.5", with or without space around it."""
    return float(value) if isinstance(value, str) and NUMBER.fullmatch(value) else value


def none_if_blank(value: object) -> object:
    """None for a text of white space."""
    return None if isinstance(value, str) and not value.strip() else value


def limit(value: int | None) -> int | None:
    """A client's own limit, in 32 bits: nothing that is limited comes to more. None for 0, which is no limit."""
    return min(value, MOST) if value else None


Item = TypeVar("Item")
# Lists stop at their first fault: a fault for each of a million wrong items takes a minute and 2 GB.
Items = Annotated[list[Item], Field(fail_fast=True)]
# The bound comes first: behind a function, it would not be in the JSON Schema.
Flag = Annotated[bool, BeforeValidator(flag)]
Whole = Annotated[int, BeforeValidator(whole_or_text)]
NotNegative = Annotated[int, Field(ge=0), BeforeValidator(whole_or_text)]
Count = Annotated[int, Field(ge=1), BeforeValidator(whole_or_text)]
Number = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(number_or_text)]
# Among texts, "3" is a text: only a number is a token's id.
TokenId = Annotated[int, Field(ge=0), BeforeValidator(whole)]
ModelName = Annotated[
    str | None,
    Field(description="Id or alias of a served model; the server's default when left out or blank."),
    AfterValidator(none_if_blank),
]
PromptName = Annotated[str | None, AfterValidator(none_if_blank)]
