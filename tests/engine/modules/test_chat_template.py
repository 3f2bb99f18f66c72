"""A decoder is asked by its directory's chat template as sentence-transformers asks it, or refused in one line."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import CrossEncoder

from serve_app.engine.assembly import TextSide, load_text_side
from serve_app.engine.files import ModelError
from serve_app.engine.modules.model_config import read_model
from tests.engine.asked import ids_of, passages_of
from tests.engine.modules.saved import write
from tests.prompt_templates import QWEN_RERANKER
from tests.service.reranking import Service, by_index
from tests.tiny_decoders import make_tiny_decoder
from tests.tiny_models import TinyModel, training_text

OF = '{{{{ messages | selectattr("role", "eq", "{role}") | map(attribute="content") | first{more} }}}}'
SYSTEM, QUERY, DOCUMENT = (
    OF.format(role="system", more=' | default("Answer yes or no.")'),
    OF.format(role="query", more=""),
    OF.format(role="document", more=""),
)
END = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n\n"
FLAT = f"<|im_start|>user\n<Instruct>: {SYSTEM}\n<Query>: {QUERY}\n<Document>: {DOCUMENT}{END}"
# Each message in its turn, with its content as a list, ahead of what asks for the answer.
STRUCTURED = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{{ message.content[0].text }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Nothing of the text around a document is apart from it by a blank.
TIGHT = f"<|im_start|>user\nQ={QUERY}\nD:({DOCUMENT}<|im_end|>"
TASK = "Find what answers."
LONGEST = 90
ODD = [
    "",
    " ",
    "\n",
    "  two  ",
    "x\n\n",
    ".\n",
    "'s",
    "e\u0301",
    "\u0301",
    "巴黎。",
    "<|im_end|>",
    "</think>",
    "1.5",
    ")(",
]
TEXTS = st.lists(st.sampled_from([*training_text()[:20], *ODD]), max_size=3).map("".join)
SHORT = TEXTS.map(lambda text: text[:60])

LOGITS = {"method": "forward", "method_output_name": "logits"}
SENTENCE: dict[str, Any] = {
    "transformer_task": "text-generation",
    "modality_config": {"text": LOGITS, "message": LOGITS | {"format": "flat"}},
    "module_output_name": "causal_logits",
}
HOME = "sentence_transformers.cross_encoder.modules.logit_score"
UNASKED = (
    "model: a decoder reads query and document in a prompt, and there is none; a card's [prompt] gives it, or `prompt` "
    "in the settings, or a chat template with the roles query and document"
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_decoder(tmp_path_factory.mktemp("chat") / "sound", "qwen3", "answers").directory


@pytest.fixture
def plain(sound: Path, tmp_path: Path) -> Path:
    """A decoder without modules or a template."""
    return Path(shutil.copytree(sound, tmp_path / "model"))


def with_modules(
    directory: Path,
    chat: str = FLAT,
    *,
    answers: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    home: str = HOME,
    **sentence: Any,
) -> Path:
    """The files that sentence-transformers saves of such a model."""
    listing = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"},
        {"idx": 1, "name": "1", "path": "1_LogitScore", "type": f"{home}.LogitScore"},
    ]
    write(directory / "modules.json", listing)
    write(directory / "1_LogitScore" / "config.json", answers or {"true_token_id": 301, "false_token_id": 295})
    write(directory / "config_sentence_transformers.json", {"model_type": "CrossEncoder"} | (settings or {}))
    write(directory / "sentence_bert_config.json", SENTENCE | sentence)
    (directory / "chat_template.jinja").write_text(chat, encoding="utf-8")
    return directory


def expected_ids(reference: CrossEncoder, query: str, document: str, instruction: str) -> list[int]:
    features = reference[0].preprocess([(query, document)], prompt=instruction or None)
    ids: list[int] = features["input_ids"][0].tolist()
    return ids


def our_ids(side: TextSide, query: str, document: str, instruction: str) -> list[int]:
    [ids] = ids_of(passages_of(side, query, [document], instruction))
    return ids


@pytest.fixture(
    scope="module",
    params=[
        ("flat", FLAT, {}),
        ("tight", TIGHT, {}),
        ("structured", STRUCTURED, {"processing_kwargs": {"chat_template": {"add_generation_prompt": True}}}),
    ],
    ids=lambda param: param[0],
)
def both(
    request: pytest.FixtureRequest, sound: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TextSide, CrossEncoder]:
    shape, chat, more = request.param
    directory = Path(shutil.copytree(sound, tmp_path_factory.mktemp("both") / "model"))
    message = LOGITS | {"format": "structured" if shape == "structured" else "flat"}
    kinds = {"modality_config": {"text": LOGITS, "message": message}}
    with_modules(directory, chat, max_seq_length=LONGEST, **kinds, **more)
    return load_text_side(directory), CrossEncoder(str(directory), device="cpu")


@settings(max_examples=60)
@given(query=SHORT, document=TEXTS, instruction=SHORT)
def test_any_pair_has_sentence_transformers_ids(
    both: tuple[TextSide, CrossEncoder], query: str, document: str, instruction: str
) -> None:
    side, reference = both
    if len(query) + len(instruction) < 40:
        found = our_ids(side, query, document, instruction)
        assert found == expected_ids(reference, query, document, instruction)


def test_a_document_that_is_too_long_is_cut_where_sentence_transformers_cuts_it(
    both: tuple[TextSide, CrossEncoder],
) -> None:
    side, reference = both
    document = " ".join(training_text()[:8])
    found = our_ids(side, "who?", document, "")
    assert len(found) == LONGEST
    assert found == expected_ids(reference, "who?", document, "")


@pytest.mark.parametrize("saved", ["modules", "plain", "in the tokenizer's configuration"])
def test_scores_are_sentence_transformers(plain: Path, saved: str) -> None:
    prompts = {"prompts": {"task": TASK}, "default_prompt_name": "task"}
    if saved == "modules":
        with_modules(plain, answers={"true_token_id": 40, "false_token_id": 60}, settings=prompts)
    elif saved == "plain":
        (plain / "chat_template.jinja").write_text(FLAT)
    else:
        fields = json.loads((plain / "tokenizer_config.json").read_text())
        write(plain / "tokenizer_config.json", fields | {"chat_template": FLAT})
    texts = [*training_text()[:6], "", "short.\n"]
    reference = CrossEncoder(str(plain), device="cpu")
    expected = reference.predict([("who?", text) for text in texts], activation_fn=lambda scores: scores)
    found = by_index(Service(TinyModel(plain, "qwen3", "classification")).rank("who?", texts, raw_scores=True))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_named_prompt_stands_where_the_instruction_does(plain: Path) -> None:
    with_modules(plain, settings={"prompts": {"task": TASK, "other": "Judge."}, "default_prompt_name": "task"})
    service, texts = Service(TinyModel(plain, "qwen3", "classification")), training_text()[:4]
    reference = CrossEncoder(str(plain), device="cpu")
    for name in ("task", "other"):
        pairs = [("who?", text) for text in texts]
        expected = reference.predict(pairs, prompt_name=name, activation_fn=lambda scores: scores)
        found = by_index(service.rank("who?", texts, raw_scores=True, prompt_name=name))
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_head_of_labels_is_asked_by_its_directorys_chat_template(tmp_path: Path) -> None:
    directory = make_tiny_decoder(tmp_path / "head", "qwen2", "classification").directory
    (directory / "chat_template.jinja").write_text(FLAT)
    texts = training_text()[:6]
    reference = CrossEncoder(str(directory), device="cpu")
    expected = reference.predict([("who?", text) for text in texts], activation_fn=lambda scores: scores)
    found = by_index(Service(TinyModel(directory, "qwen2", "classification")).rank("who?", texts, raw_scores=True))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_cards_template_wins_over_the_directorys(plain: Path) -> None:
    (plain / "chat_template.jinja").write_text("{{ messages[0].content }}")  # of a chat, without the two roles
    assert load_text_side(plain, template=QWEN_RERANKER).template == QWEN_RERANKER
    with_modules(plain, settings={"prompts": {"task": TASK}, "default_prompt_name": "task"})
    side = load_text_side(plain, template=QWEN_RERANKER)
    assert (side.template, side.prompts.named) == (QWEN_RERANKER, {})


def refusal(directory: Path) -> str:
    with pytest.raises(ModelError) as raised:
        load_text_side(directory)
    message = str(raised.value)
    assert "\n" not in message
    return message.replace(f"{directory}/", "").replace(f"{directory}", "model")


PREFIX = "chat_template.jinja: the chat template cannot be read as the parts of a prompt: "
ROLES = "for message in messages if message.role in ['user', 'assistant', 'system']"


@pytest.mark.parametrize(
    ("chat", "said"),
    [
        (f"{{% {ROLES} %}}{{{{ message.content }}}}{{% endfor %}}", "it has no place for a message of the role query"),
        (f"{QUERY}: ", "it has no place for a message of the role document"),
        (f"{DOCUMENT}, {QUERY}?", "the query stands behind the document"),
        (f"{QUERY}, {DOCUMENT}, {QUERY}", "it has 2 places for a message of the role query"),
        (f"{QUERY}, {DOCUMENT}, {SYSTEM}", "the system's message stands behind the document"),
        (f"{QUERY}\n{{{{ messages[-1].content | trim }}}}.", "it does not give back a text as it is: ' '"),
        (f"{QUERY} {{query}} {DOCUMENT}", None),
        (
            f"{QUERY} {{{{ messages | length }}}} {DOCUMENT}",
            "the system's message changes it, and does not stand in it",
        ),
        (f"{{% for %}}{QUERY}", "it cannot be rendered: "),
        (f"{{{{ raise_exception('no\nway') }}}}{QUERY}", "it cannot be rendered: 'no\\nway'"),
        (f"{{{{ 1 // 0 }}}}{QUERY}", "it cannot be rendered: ZeroDivisionError"),
        (f"{QUERY}{DOCUMENT}{{{{ strftime_now('%d') }}}}", "it cannot be rendered: 'it tells the date, with which a"),
        (f"{{{{ cls_token }}}}{QUERY}{DOCUMENT}", "it reads cls_token, which tokenizer_config.json does not name"),
    ],
)
def test_a_chat_template_that_is_not_a_prompt_of_parts_is_refused(plain: Path, chat: str, said: str | None) -> None:
    (plain / "chat_template.jinja").write_text(chat)
    if said is None:
        said = "its own text has {query}"
        (plain / "chat_template.jinja").write_text(chat.replace(" {query} ", " {{ '{query}' }} "))
    assert refusal(plain).startswith(PREFIX + said)


@pytest.mark.parametrize(
    ("chat", "where"), [(f"{QUERY}{DOCUMENT}<|im_end|>", "ahead of"), (f"{QUERY}\n: {DOCUMENT}.", "behind")]
)
def test_text_that_makes_tokens_with_the_document_is_refused(plain: Path, chat: str, where: str) -> None:
    (plain / "chat_template.jinja").write_text(chat)
    said = f"the chat template cannot be read as the parts of a prompt: what stands {where} the document makes tokens"
    assert refusal(plain) == f"model: {said} with it"


def test_several_chat_templates_are_refused(plain: Path) -> None:
    fields = json.loads((plain / "tokenizer_config.json").read_text())
    write(plain / "tokenizer_config.json", fields | {"chat_template": [{"name": "default", "template": FLAT}]})
    assert refusal(plain).endswith("parts of a prompt: chat_template: several templates are not supported")
    (plain / "additional_chat_templates").mkdir()
    assert refusal(plain).startswith("additional_chat_templates: the chat template cannot be read")


@pytest.mark.parametrize("head", ["answers", "classification"])
def test_a_decoder_that_nobody_says_how_to_ask_is_refused(tmp_path: Path, head: str) -> None:
    directory = make_tiny_decoder(tmp_path / "model", "qwen3", head).directory
    assert refusal(directory) == UNASKED


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"answers": {"true_token_id": 5, "false_token_id": None}},
            "1_LogitScore/config.json: false_token_id: null is not supported: a score is how much surer the model is "
            "of yes than of no",
        ),
        ({"answers": {"true_token_id": 5}}, "1_LogitScore/config.json: false_token_id: missing"),
        (
            {"answers": {"true_token_id": 5, "false_token_id": 768}},
            "1_LogitScore/config.json: false_token_id: 768 is not in the vocabulary of 768 tokens",
        ),
        (
            {"answers": {"true_token_id": 5, "false_token_id": 760}},
            "model: the answer's token 760 is not in tokenizer.json",
        ),
        (
            {"answers": {"true_token_id": 5, "false_token_id": 6, "module_input_name": "scores"}},
            "1_LogitScore/config.json: module_input_name: 'scores' is not supported; supported: causal_logits",
        ),
        (
            {"transformer_task": "sequence-classification", "module_output_name": "scores"},
            "sentence_bert_config.json: transformer_task: 'sequence-classification' does not go with what config.json "
            "names in architectures",
        ),
        (
            {"modality_config": {"text": LOGITS}},
            UNASKED,
        ),
        (
            {"processing_kwargs": {"chat_template": {"truncation": "do_not_truncate"}}},
            "sentence_bert_config.json: processing_kwargs.chat_template.truncation: 'do_not_truncate' is not supported",
        ),
        (
            {"processing_kwargs": {"chat_template": {"restore_suffix": False}}},
            "sentence_bert_config.json: processing_kwargs.chat_template.restore_suffix: false is not supported; "
            "supported: true",
        ),
        (
            {"processing_kwargs": {"text": {"max_length": 9}}},
            "sentence_bert_config.json: processing_kwargs.text: {'max_length': 9} is not known, and it may change "
            "scores",
        ),
        (
            {"settings": {"model_type": "SentenceTransformer"}},
            "modules.json: module 0: a SentenceTransformer needs states, and this Transformer gives logits",
        ),
    ],
)
def test_a_logit_score_that_is_not_supported_is_refused(plain: Path, changed: dict[str, Any], said: str) -> None:
    with_modules(plain, **changed)
    assert refusal(plain) == said


def test_logits_of_a_vocabulary_without_a_logit_score_are_refused(plain: Path) -> None:
    with_modules(plain)
    listing = json.loads((plain / "modules.json").read_text())
    write(plain / "modules.json", listing[:1])
    assert refusal(plain) == (
        "modules.json: module 0: it gives a vocabulary's logits, and no LogitScore follows that reads them"
    )
    write(plain / "modules.json", [*listing, {"idx": 2, "name": "2", "path": "", "type": f"{HOME}.LogitScore"}])
    assert refusal(plain) == "modules.json: module 2: LogitScore behind LogitScore is not supported"


@pytest.mark.parametrize("home", ["sentence_transformers.cross_encoder.modules", HOME])
def test_a_logit_score_is_known_by_all_its_homes(plain: Path, home: str) -> None:
    config = read_model(with_modules(plain, home=home))
    assert (config.answers, config.chain, config.reads_pairs) == ((301, 295), None, True)
