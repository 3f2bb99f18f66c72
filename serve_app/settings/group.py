"""What a group of options is made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(min_length=1)]


class Group(BaseModel):
    """Options that belong together. A name that is not one of them is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
