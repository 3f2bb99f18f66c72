"""How a model is told to judge, for the commands that ask one."""

from typing import Annotated

import typer

from serve_app.domain.errors import UserError
from serve_app.domain.request import Instruction
from serve_app.domain.text_files import require_unicode

NAME = "--instruction"

InstructionOption = Annotated[
    str | None, typer.Option(NAME, "-i", help="How to judge, in place of the model's own instruction.")
]


def named_instruction(text: str | None) -> Instruction | None:
    """What the option says; None where it is left out. Raises UserError where it says nothing."""
    if text is None:
        return None
    if not text.strip():
        raise UserError(f"{NAME} must not be empty or blank; leave it out for the model's own")
    require_unicode(text, NAME)
    return Instruction(text, NAME)
