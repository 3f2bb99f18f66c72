"""The prompts of the cards, beside the functions by which their authors ask, written out as they are published."""

from pathlib import Path

import pytest

from serve_app.catalog.card import Card
from serve_app.catalog.catalog import CatalogError, load_card, load_catalog
from serve_app.domain.prompt_template import PromptTemplate
from tests.catalog.test_catalog import CARD, written
from tests.engine.published import PREFIX, SUFFIX, MxbaiIds, format_instruction

CATALOG = load_catalog()
ASKED = {card.id: card.prompt for card in CATALOG if card.prompt}
# With tomaarsen's conversions, which are asked by the same text.
QWEN = [name for name in ASKED if "Qwen3-Reranker" in name]
QUERY, DOCUMENT = "What is {query}?\n", " <Document>: {document} ü "
INSTRUCTIONS = ["", "Find code. {query}"]


def mxbai_parts(instruction: str | None, query: str, document: str) -> list[str]:
    """What is tokenised, each by itself, in the order in which it is put together."""
    query_prompt = f"query: {query}"
    if instruction:
        query_prompt = f"instruction: {instruction}\n{query_prompt}"
    return [MxbaiIds.prefix, query_prompt, "\n", f"document: {document}", "\n", MxbaiIds.task_prompt, MxbaiIds.suffix]


# https://github.com/QwenLM/Qwen3-Embedding, README: Embedding Model.
def get_detailed_instruct(task_description: str, query: str) -> str:
    return f"Instruct: {task_description}\nQuery:{query}"


def parts(prompt: PromptTemplate, instruction: str) -> list[str]:
    before, behind = prompt.around_query(instruction)
    return [
        *prompt.opening,
        before + QUERY + behind,
        *prompt.between,
        prompt.before_document + DOCUMENT,
        *prompt.closing,
    ]


@pytest.mark.parametrize("instruction", INSTRUCTIONS)
@pytest.mark.parametrize("name", QWEN)
def test_qwens_rerankers_are_asked_as_their_authors_ask(name: str, instruction: str) -> None:
    prefix, query, document, suffix = parts(ASKED[name], instruction)
    assert (prefix, suffix) == (PREFIX, SUFFIX)
    # Told apart where their tokenizer tells texts apart, before a space.
    assert query.endswith(":")
    assert document.startswith(" ")
    assert query + document == format_instruction(instruction or None, QUERY, DOCUMENT)


@pytest.mark.parametrize("instruction", INSTRUCTIONS)
@pytest.mark.parametrize("size", ["base", "large"])
def test_mixedbreads_rerankers_are_asked_as_their_authors_ask(size: str, instruction: str) -> None:
    prompt = ASKED[f"mixedbread-ai/mxbai-rerank-{size}-v2"]
    assert parts(prompt, instruction) == mxbai_parts(instruction or None, QUERY, DOCUMENT)


def test_qwens_embedding_model_is_asked_as_its_authors_ask() -> None:
    prompt = ASKED["Qwen/Qwen3-Embedding-0.6B"]
    task = "Given a web search query, retrieve relevant passages that answer the query"
    for instruction in INSTRUCTIONS:
        assert parts(prompt, instruction) == [get_detailed_instruct(instruction or task, QUERY), DOCUMENT]


def test_answers_and_limits_are_the_authors() -> None:
    told = {
        name: (prompt.yes, prompt.no, prompt.max_tokens, prompt.max_text_tokens, prompt.max_query_tokens)
        for name, prompt in ASKED.items()
    }
    original = ("yes", "no", 8192, None, None)
    # Its head is one row of numbers: yes less no.
    converted = ("", "", 8192, None, None)
    mixedbread = ("1", "0", None, 8192, 8192 * 3 // 4)
    assert told == {name: converted if "seq-cls" in name else original for name in QWEN} | {
        "mixedbread-ai/mxbai-rerank-base-v2": mixedbread,
        "mixedbread-ai/mxbai-rerank-large-v2": mixedbread,
        "Qwen/Qwen3-Embedding-0.6B": ("", "", None, None, None),
    }


@pytest.mark.parametrize("card", CATALOG, ids=lambda card: card.id)
def test_a_language_model_has_a_prompt_and_an_encoder_has_none(card: Card) -> None:
    assert (card.prompt is not None) == card.architecture.startswith("Qwen")


SOUND = 'query = "{query}"'
PAIR = 'yes = "1"\nno = "0"'


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ('query = "Query: "', "prompt: query: must have the place {query} once; got 'Query: '"),
        ('query = "{query} {query}"', "prompt: query: must have the place {query} once; got '{query} {query}'"),
        ('query = "{query} {task}"', "prompt: query: has no place {task}; got '{query} {task}'"),
        (f'{SOUND}\ndocument = "Document:"', "prompt: document: must have the place {document} once; got 'Document:'"),
        (f'{SOUND}\ndocument = "{{document}}."', "prompt: document: nothing may follow {document}, which is what is"),
        (f'{SOUND}\ndocument = "{{query}}{{document}}"', "prompt: document: has no place {query}; got"),
        (f'{SOUND}\nquery_alone = "Query"', "prompt: query_alone: must have the place {query} once; got 'Query'"),
        (f'{SOUND}\nopening = ["a", "{{instruction}}"]', "prompt: opening: has no place {instruction}; got"),
        (f'{SOUND}\nbetween = ["{{query}}"]', "prompt: between: has no place {query}; got"),
        (f'{SOUND}\nclosing = ["{{document}}"]', "prompt: closing: has no place {document}; got"),
        (f'{SOUND}\ninstruction = "Find."', "prompt: instruction: query has no place {instruction} for it"),
        (f'{SOUND}\nyes = "yes"', "prompt: no: must be given where yes is"),
        (f'{SOUND}\nno = "no"', "prompt: yes: must be given where no is"),
        (f'{SOUND}\nyes = "a"\nno = "a"', "prompt: no: must be another token than yes, 'a'"),
        (f"{SOUND}\nmax_tokens = 0", "prompt: max_tokens: must be 1 or more; got 0"),
        (f"{SOUND}\nmax_text_tokens = -1", "prompt: max_text_tokens: must be 1 or more; got -1"),
        (f"{SOUND}\nmax_query_tokens = 0", "prompt: max_query_tokens: must be 1 or more; got 0"),
        ("", "prompt.query: Field required"),
        (f'{SOUND}\nquestion = "?"', "prompt.question: Unexpected keyword argument; got ?"),
    ],
)
def test_a_prompt_that_cannot_be_put_around_texts_is_refused(tmp_path: Path, prompt: str, said: str) -> None:
    with pytest.raises(CatalogError) as raised:
        load_card(written(tmp_path, f"{CARD}\n[prompt]\n{prompt}\n"))
    assert str(raised.value).startswith(f"card.toml: {said}")
    assert "\n" not in str(raised.value)


def test_braces_that_are_no_places_stay(tmp_path: Path) -> None:
    text = f"{CARD}\n[prompt]\n{SOUND}\nopening = ['Answer like {{\"score\": 1}}.']\n{PAIR}"
    card = load_card(written(tmp_path, text))
    assert card.prompt == PromptTemplate(query="{query}", opening=('Answer like {"score": 1}.',), yes="1", no="0")


@pytest.mark.parametrize(
    "pairs", ['opening = ["a"]', 'between = ["a"]', 'closing = ["a"]', PAIR, "max_query_tokens = 512"]
)
def test_a_bi_encoders_prompt_has_nothing_of_pairs(tmp_path: Path, pairs: str) -> None:
    text = CARD.replace('head = "classification"', 'head = "embedding"')
    assert load_card(written(tmp_path, f"{text}\n[prompt]\n{SOUND}")).prompt
    field, _, _ = pairs.partition(" ")
    with pytest.raises(CatalogError, match=rf"card\.toml: prompt: {field}: a prompt of single texts has none"):
        load_card(written(tmp_path, f"{text}\n[prompt]\n{SOUND}\n{pairs}"))
