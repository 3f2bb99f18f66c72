"""Text Embeddings Inference's `POST /tokenize`."""

from collections.abc import Mapping
from itertools import accumulate
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import to_json

from serve_app.api.dialects import examples
from serve_app.api.dialects.inputs import names_of
from serve_app.api.dialects.tei.errors import ERRORS
from serve_app.api.dialects.tei.fields import INPUTS
from serve_app.api.endpoint import Asked, Post, Reply, Words
from serve_app.api.lenient import Flag, Items, ModelName, none_if_blank
from serve_app.api.validation import NOT_EMPTY, RequestBody, require_count
from serve_app.domain.answer import Token, TokenLists
from serve_app.domain.request import TokenizeRequest
from serve_app.settings import HttpSettings


class TokenizeBody(RequestBody):
    """Texts to split into tokens. `model` is not TEI's; it is there to choose another than the default one."""

    model_config = ConfigDict(json_schema_extra={"example": {"inputs": examples.TEXTS[0]}})

    item_forms: ClassVar[Mapping[str, str]] = {"inputs": "a string"}

    model: ModelName = None
    inputs: str | Annotated[Items[str], Field(json_schema_extra=NOT_EMPTY)]
    add_special_tokens: Flag | None = None
    prompt_name: Annotated[
        None, BeforeValidator(none_if_blank), Field(description="Not supported; write the prompt into the text.")
    ] = None


class SimpleToken(BaseModel):
    """One token: where it lies in its text, in bytes of UTF-8, unless it is a special one."""

    id: int
    text: str
    special: bool
    start: int | None
    stop: int | None


def parse(body: TokenizeBody, http: HttpSettings) -> TokenizeRequest:
    """What a body asks for. Raises ServiceError invalid_request naming the field at fault."""
    texts = [body.inputs] if isinstance(body.inputs, str) else body.inputs
    require_count(texts, INPUTS, http.max_documents)
    special, names = body.add_special_tokens is not False, names_of(body.inputs, INPUTS)
    return TokenizeRequest(model=body.model, texts=texts, special=special, names=names)


def render(tokens: TokenLists, asked: Asked[TokenizeBody, TokenizeRequest]) -> Reply:
    """The answer: an array of tokens for each text. A token's text is what it was made of."""
    texts = zip(asked.request.texts, tokens.texts, strict=True)
    return Reply(to_json([_of_text(text, found) for text, found in texts]))


def _of_text(text: str, tokens: list[Token]) -> list[dict[str, Any]]:
    ends = list(accumulate((len(character.encode("utf-8", "surrogatepass")) for character in text), initial=0))
    return [
        {
            "id": token.id,
            "text": text[token.span.start : token.span.end] if token.span else token.text,
            "special": token.special,
            "start": ends[token.span.start] if token.span else None,
            "stop": ends[token.span.end] if token.span else None,
        }
        for token in tokens
    ]


TOKENIZE = Post(
    name="tokenize",
    paths=("/tokenize",),
    scope="embeddings",
    body=TokenizeBody,
    parse=parse,
    answer=list[list[SimpleToken]],
    render=render,
    errors=ERRORS,
    words=Words(
        summary="Split texts into the default model's tokens, as Text Embeddings Inference does",
        example=[
            [
                {"id": 101, "text": "[CLS]", "special": True, "start": None, "stop": None},
                {"id": 3000, "text": "paris", "special": False, "start": 0, "stop": 5},
                {"id": 102, "text": "[SEP]", "special": True, "start": None, "stop": None},
            ]
        ],
        statuses=(400, 404, 408, 413, 415, 422, 424, 429, 503),
    ),
)
