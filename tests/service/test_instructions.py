"""A model that takes an instruction is told the request's in place of its own; any other refuses it by name."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from serve_app.domain.errors import ServiceError
from serve_app.domain.prompt_template import PromptTemplate
from serve_app.domain.request import (
    Document,
    EmbedRequest,
    Instruction,
    ModelRequest,
    Reading,
    RerankRequest,
    ScoreRequest,
)
from tests.prompt_templates import QWEN_RERANKER
from tests.service.decoders import (
    directory,
    embedder_card,
    pair_tokens,
    reference_logits,
    reranker_card,
)
from tests.service.reranking import Service, by_index
from tests.tiny_models import TinyModels, training_text

QUERY, SAID = "who wrote about whales?", "Find what was printed, {query} <|im_end|>"
TEXTS = [*training_text()[:4], "short", "", "巴黎是法国的首都。", " ".join(training_text()[:120])]
TOLD = Instruction(SAID, "instruct")
EACH: list[ModelRequest[Any]] = [
    RerankRequest(None, QUERY, [Document("a")], instruction=TOLD),
    ScoreRequest(None, [QUERY], ["a"], instruction=TOLD),
    EmbedRequest(None, [QUERY], input_type="query", instruction=TOLD),
]


def refusal(service: Service, request: ModelRequest[Any]) -> ServiceError:
    with pytest.raises(ServiceError) as raised:
        service.ask(request)
    assert raised.value.code == "invalid_request"
    assert "\n" not in raised.value.message
    return raised.value


class TestOfARerankers:
    @pytest.mark.parametrize("told", [None, TOLD])
    def test_scores_are_those_of_the_models_own_script(self, told: Instruction | None) -> None:
        expected = reference_logits(QUERY, TEXTS, *([] if told is None else [told.text]))
        service = Service(reranker_card())
        ranking = service.rank(QUERY, TEXTS, raw_scores=True, instruction=told)
        np.testing.assert_allclose(by_index(ranking), expected, atol=1e-4)
        pairs = service.ask(ScoreRequest(None, [QUERY] * len(TEXTS), TEXTS, raw_scores=True, instruction=told))
        np.testing.assert_allclose(pairs.scores, expected, atol=1e-4)

    def test_a_template_without_an_instruction_of_its_own_has_another_form_without_one(self) -> None:
        apart = replace(QWEN_RERANKER, instruction="", query_alone="<Query>: {query}\n<Document>:")
        alone = replace(QWEN_RERANKER, query="<Query>: {query}\n<Document>:", query_alone="", instruction="")
        told, plain = (
            by_index(Service(reranker_card(apart)).rank(QUERY, TEXTS, instruction=each)) for each in (TOLD, None)
        )
        np.testing.assert_allclose(plain, by_index(Service(reranker_card(alone)).rank(QUERY, TEXTS)), atol=1e-6)
        np.testing.assert_allclose(
            told, by_index(Service(reranker_card()).rank(QUERY, TEXTS, instruction=TOLD)), atol=1e-6
        )

    def test_usage_tells_each_pair_whole_and_no_characters_of_the_prompt(self) -> None:
        texts = ["red fish", "blue whales swim"]
        usage = Service(reranker_card()).rank(QUERY, texts, instruction=TOLD).usage
        assert usage.tokens == sum(pair_tokens(QUERY, text, SAID) for text in texts)
        assert usage.characters == len(QUERY) + sum(map(len, texts))
        assert (usage.documents, usage.nano_dollars) == (2, 16_000)

    def test_a_clients_limits_cut_texts_and_never_the_prompt(self) -> None:
        service, long = Service(reranker_card()), "red fish swim in the sea " * 50
        words = "a b c d e f g h i j"  # of which " i" is two tokens
        for side, query, text in (("right", "a b c d e", "a b c d e"), ("left", " g h i j", "g h i j")):
            limited = Reading(max_query_tokens=5, max_document_tokens=5, truncated_side=side)  # type: ignore[arg-type]
            found = by_index(service.rank(words, [words], reading=limited, raw_scores=True))
            assert found == pytest.approx(reference_logits(query, [text]), abs=1e-4), side
        assert service.rank(QUERY, [long], reading=Reading(max_sequence_tokens=200)).usage.tokens == 200

    def test_a_label_before_a_document_stays_where_its_beginning_is_cut(self) -> None:
        labelled = Service(reranker_card(replace(QWEN_RERANKER, document="document: {document}")))
        words = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]
        plain = labelled.rank(QUERY, [" ".join(words[5:])], raw_scores=True)
        most = plain.usage.tokens
        cut = labelled.rank(
            QUERY, [" ".join(words)], raw_scores=True, reading=Reading(max_sequence_tokens=most, truncated_side="left")
        )
        assert cut.usage.tokens == most
        assert by_index(cut) == pytest.approx(by_index(plain), abs=1e-5)


class TestOfAnEmbedder:
    def test_queries_have_it_and_documents_have_none(self) -> None:
        sentences = SentenceTransformer(str(directory("qwen3", "embedding")), device="cpu")
        service, prompt = Service(embedder_card()), f"Instruct: {SAID}\nQuery:"
        expected = sentences.encode(TEXTS, prompt=prompt)
        asked = EmbedRequest(None, TEXTS, input_type="query", instruction=TOLD, truncate=True)
        np.testing.assert_allclose(service.ask(asked).vectors, expected, atol=1e-5)
        documents = sentences.encode(TEXTS)
        kinds: tuple[Literal["document"] | None, ...] = ("document", None)
        for kind in kinds:
            plain = service.ask(EmbedRequest(None, TEXTS, input_type=kind, truncate=True)).vectors
            np.testing.assert_allclose(plain, documents, atol=1e-5)
        ranking = by_index(service.rank(TEXTS[0], TEXTS, instruction=TOLD, raw_scores=True))
        np.testing.assert_allclose(ranking, documents @ expected[0], atol=1e-5)

    @pytest.mark.parametrize("kind", ["document", None])
    def test_it_is_refused_for_what_is_no_query(self, kind: Any) -> None:
        error = refusal(Service(embedder_card()), EmbedRequest(None, ["a"], input_type=kind, instruction=TOLD))
        assert (error.param, "queries alone" in error.message) == ("instruct", True)


class TestRefusals:
    @pytest.mark.parametrize("request_", EACH, ids=["rank", "score", "embed"])
    def test_a_model_that_takes_none_says_so_with_the_clients_name_for_it(
        self, tiny_models: TinyModels, request_: ModelRequest[Any]
    ) -> None:
        embeds = isinstance(request_, EmbedRequest)
        error = refusal(Service(tiny_models["bert", "embedding" if embeds else "classification"]), request_)
        assert error.param == "instruct"
        assert error.message.startswith("instruct: 'org/tiny' takes no instruction; leave it out")

    def test_so_does_one_whose_prompt_has_no_place_for_it(self) -> None:
        fixed = PromptTemplate(
            opening=QWEN_RERANKER.opening, query="<Query>: {query}", closing=QWEN_RERANKER.closing, yes="yes", no="no"
        )
        assert "takes no instruction" in refusal(Service(reranker_card(fixed)), EACH[0]).message

    def test_a_prompt_that_is_named_beside_it(self) -> None:
        request = RerankRequest(None, QUERY, [Document("a")], instruction=TOLD, prompt_name="query")
        assert refusal(Service(reranker_card()), request).param == "prompt_name"

    @pytest.mark.parametrize("request_", EACH, ids=["rank", "score", "embed"])
    @pytest.mark.parametrize(("words", "said"), [(1_500, "tokens; "), (9_000, "characters; at most 20,000 are read")])
    def test_one_that_leaves_no_room(self, request_: ModelRequest[Any], words: int, said: str) -> None:
        long = Instruction("fish " * words, "instruction")
        service = Service(embedder_card() if isinstance(request_, EmbedRequest) else reranker_card())
        error = refusal(service, replace(request_, instruction=long))
        assert (error.param, said in error.message) == ("instruction", True), error.message

    def test_a_query_that_leaves_no_room_beside_it_is_named(self) -> None:
        request = RerankRequest(
            None, "fish " * 700, [Document("a")], instruction=Instruction("sea " * 300, "instruction")
        )
        error = refusal(Service(reranker_card()), request)
        assert error.param == "query"
        assert "with the instruction" in error.message
