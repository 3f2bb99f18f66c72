"""A decoder in a prompt reads the token ids that its authors' own script gives it."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from serve_app.domain.passages import PassageTooLongError
from serve_app.domain.prompt_template import PromptTemplate
from serve_app.domain.request import Reading
from serve_app.engine.assembly import TextSide, load_text_side
from serve_app.engine.files import ModelError
from tests.engine.asked import ids_of, passages_of
from tests.engine.published import MxbaiIds, format_instruction, qwen_ids
from tests.engine.tokenizer.directories import configure_tokenizer
from tests.prompt_templates import MXBAI, QWEN_EMBEDDING, QWEN_RERANKER
from tests.tiny_decoders import TOKENS, make_tiny_decoder
from tests.tiny_models import training_text

LONGEST = 350  # tokens that the scripts are told to read, so that many documents are too long
ODD = [
    "",
    " ",
    "\n",
    "  two  blanks ",
    "x\n\n",
    ".\n",
    "'s",
    "é",
    "e\u0301",
    "\u0301",
    "ﬁ½…",
    "🍌",
    "巴黎。",
    "\u00a0x",
]
ODD += ["<|im_end|>", "<|im_start|>user\n", "<think>", "</think>", "<|endoftext|>x", "\n<Document>: no", "{query}"]
ODD += ["{document}", "{instruction}", "1.5", "don't", "\t", "\r\n", "\x00"]
TEXTS = st.lists(st.sampled_from([*training_text()[:40], *ODD]) | st.text(max_size=12), max_size=3).map("".join)

SHORT = TEXTS.map(lambda text: text[:150])  # a query is not cut


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("asked")


@pytest.fixture(scope="module")
def qwen(root: Path) -> Path:
    return make_tiny_decoder(root / "qwen3", "qwen3", "answers").directory


@pytest.fixture(scope="module")
def mxbai(root: Path) -> Path:
    return make_tiny_decoder(root / "qwen2", "qwen2", "answers").directory


@pytest.fixture(scope="module")
def embedding(root: Path) -> Path:
    return make_tiny_decoder(root / "embedding", "qwen3", "embedding").directory


def asked(directory: Path, prompt: PromptTemplate, **changed: Any) -> tuple[TextSide, Any]:
    """Our reading of a directory, and the released tokenizer that the authors' scripts call."""
    side = load_text_side(directory, template=replace(prompt, **changed))
    return side, AutoTokenizer.from_pretrained(directory, padding_side="left")


def pairs(count: int) -> Iterator[tuple[str, str, str | None]]:
    """Queries, documents and instructions: prose and what tokenizers treat in ways of their own."""
    chosen, prose = random.Random(5), training_text()
    for _ in range(count):
        query, document, instruction = (
            "".join(chosen.choices([*ODD, *chosen.choices(prose, k=10)], k=chosen.randint(0, most)))
            for most in (2, 6, 2)
        )
        yield query[:60], document, chosen.choice([None, instruction[:60] or "Judge."])


def qwen_read(side: TextSide, query: str, document: str, instruction: str | None) -> list[int]:
    [ids] = ids_of(passages_of(side, query, [document], instruction or ""))
    return ids


def test_qwens_reranker_reads_its_scripts_ids(qwen: Path) -> None:
    side, released = asked(qwen, QWEN_RERANKER, max_tokens=LONGEST)
    cut = 0
    for query, document, instruction in pairs(200):
        [expected] = qwen_ids(released, [format_instruction(instruction, query, document)], LONGEST)
        cut += len(expected) == LONGEST
        assert qwen_read(side, query, document, instruction) == expected
    assert 20 < cut < 180


def test_mxbais_reranker_reads_its_scripts_ids(mxbai: Path) -> None:
    side, released = asked(mxbai, MXBAI, max_text_tokens=LONGEST, max_query_tokens=LONGEST * 3 // 4)
    script, cut = MxbaiIds(released, LONGEST, TOKENS), 0
    for query, document, instruction in pairs(200):
        expected = script(query, document, instruction)
        cut += len(expected) == LONGEST + script.predefined_length
        [ids] = ids_of(passages_of(side, query, [document], instruction or ""))
        assert ids == expected
    assert 20 < cut < 180


@settings(max_examples=60)
@given(query=SHORT, document=TEXTS, instruction=st.none() | SHORT.filter(bool))
def test_any_pair_has_qwens_ids(qwen_sides: tuple[TextSide, Any], query: str, document: str, instruction: str) -> None:
    side, released = qwen_sides
    text = format_instruction(instruction, query, document)
    assert [qwen_read(side, query, document, instruction)] == qwen_ids(released, [text], TOKENS)


@pytest.fixture(scope="module")
def qwen_sides(qwen: Path) -> tuple[TextSide, Any]:
    return asked(qwen, QWEN_RERANKER)


def test_the_script_of_a_shorter_model_reads_what_that_leaves_room_for(mxbai: Path) -> None:
    """Its texts are cut to what is left beside its own words, where that is less than it would read."""
    side, released = asked(mxbai, MXBAI)
    script = MxbaiIds(released, 8192, TOKENS)
    document = " ".join(training_text()[:40])
    assert ids_of(passages_of(side, "who?", [document])) == [script("who?", document)]
    assert len(script("who?", document)) == TOKENS


def test_a_query_that_leaves_no_room_is_not_cut(qwen: Path) -> None:
    side, _ = asked(qwen, QWEN_RERANKER, max_tokens=LONGEST)
    with pytest.raises(PassageTooLongError) as raised:
        passages_of(side, "far too long " * 200, ["a text"], reading=Reading(truncate=True))
    assert (raised.value.document, raised.value.cuttable) == (-1, False)


@pytest.mark.parametrize("side_cut", ["left", "right"])
@pytest.mark.parametrize("max_passages", [1, None])
def test_every_passage_of_a_long_document_begins_as_a_document_does(
    mxbai: Path, side_cut: Any, max_passages: int | None
) -> None:
    side, _ = asked(mxbai, MXBAI, max_text_tokens=100)
    reading = Reading(max_passages=max_passages, truncated_side=side_cut)
    passages = passages_of(side, "who?", [" ".join(training_text()[:5])], reading=reading)
    assert len(passages.token_ids) == 1 if max_passages else len(passages.token_ids) > 3
    [words] = side.tokenizer.encode(["document:"])
    for token_ids in passages.token_ids:
        assert token_ids[: words.size].tolist() == words.tolist()
    assert passages.lengths.max() <= side.form.max_tokens


def test_an_embedding_is_asked_by_its_prompt_within_its_own_frame(embedding: Path) -> None:
    side, released = asked(embedding, QWEN_EMBEDDING)
    prompt = side.query_prompt("Find what answers.")
    [ids] = side.tokenizer.encode([prompt.around("who?")])
    expected = released("Instruct: Find what answers.\nQuery:who?")["input_ids"]
    assert [*side.form.opening, *ids, *side.form.closing] == expected
    assert side.query_prompt().text.startswith("Instruct: Given a web search query")
    assert side.document_prompt().text == ""
    assert prompt.token_ids.tolist() == side.tokenizer.encode([prompt.text])[0].tolist()


def refusal(directory: Path, prompt: PromptTemplate, **changed: Any) -> str:
    with pytest.raises(ModelError) as raised:
        load_text_side(directory, template=replace(prompt, **changed))
    message = str(raised.value)
    assert "\n" not in message
    return message.removeprefix(f"{directory}")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"closing": ("\ud800",)}, ": prompt.closing: '\\ud800' is not Unicode: it has half of a surrogate pair"),
        ({"query": "{instruction}"}, ": prompt.query: '{instruction}' must have {query} in it once"),
        ({"query": "{query}{query}"}, ": prompt.query: '{query}{query}' must have {query} in it once"),
        ({"query": "{query}"}, ": prompt.instruction: the query has no place for it: {instruction}"),
        ({"document": "{document}."}, ": prompt.document: '{document}.' does not end with {document}, which is cut"),
        ({"document": "x"}, ": prompt.document: 'x' must have {document} in it once"),
        ({"opening": ("{query}",)}, ": prompt.opening: '{query}' has {query}, for which this part is no place"),
        ({"yes": ""}, ": prompt.yes: missing; both answers are needed"),
        ({"yes": "", "no": ""}, ": prompt: yes and no are needed, since the model answers by its vocabulary"),
        ({"yes": "surely"}, "/tokenizer.json: the answer 'surely' has 3 tokens in this vocabulary; it must be one"),
        (
            {"max_tokens": 150},
            ": prompt: 62 tokens around a query leave no room for one; at most 58 are read with it",
        ),
        (
            {"max_query_tokens": 50},
            ": prompt: 62 tokens around a query leave no room for one; at most 50 are read with it",
        ),
    ],
)
def test_a_prompt_that_does_not_fit_the_model_is_refused_by_its_part(
    qwen: Path, changed: dict[str, Any], said: str
) -> None:
    assert refusal(qwen, QWEN_RERANKER, **changed) == said


def test_answers_that_no_head_reads_are_refused(root: Path) -> None:
    directory = make_tiny_decoder(root / "head", "qwen3", "classification").directory
    assert refusal(directory, QWEN_RERANKER) == (
        ": prompt.yes: the model has a head of its own, and no answer of its vocabulary is read"
    )
    asked_for = replace(QWEN_RERANKER, yes="", no="")
    assert load_text_side(directory, template=asked_for).head == "classification"
    # transformers takes the state of the last token that is no padding.
    assert refusal(directory, asked_for, closing=("\n<|endoftext|>",)) == (
        ": prompt.closing: it ends with '<|endoftext|>', which is config.json's pad_token_id; the head reads the last "
        "token that is not padding"
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"opening": ("x",)}, ": prompt.opening: only a cross-encoder's prompt has it, and this model makes vectors"),
        ({"query": "{query} {instruction}"}, " does not end with {query}, as an embedding's must"),
    ],
)
def test_an_embeddings_prompt_is_a_query_and_a_document_alone(
    embedding: Path, changed: dict[str, Any], said: str
) -> None:
    assert refusal(embedding, QWEN_EMBEDDING, **changed).endswith(said)


def test_a_tokenizer_that_ends_every_text_is_refused_where_a_prompt_has_parts(root: Path, embedding: Path) -> None:
    directory = make_tiny_decoder(root / "ends", "qwen3", "answers").directory
    (directory / "tokenizer.json").write_bytes((embedding / "tokenizer.json").read_bytes())
    assert refusal(directory, QWEN_RERANKER) == (
        ": the tokenizer puts '<|endoftext|>' around every text; a prompt's parts are read without"
    )


def test_a_tokenizer_that_would_cut_the_prompt_is_refused(root: Path) -> None:
    directory = make_tiny_decoder(root / "left", "qwen3", "answers").directory
    configure_tokenizer(directory, truncation_side="left", padding_side="left")
    said = "'left' would cut the prompt and not the document; supported where there is a prompt: right"
    assert refusal(directory, QWEN_RERANKER) == f"/tokenizer_config.json: truncation_side: {said}"
