from serve_app.catalog.catalog import load_catalog
from serve_app.domain.model import ModelFacts
from serve_app.web.catalogue import Listed
from serve_app.web.questions import questions
from tests.web.visiting import TRY, visiting

CATALOG = load_catalog()


def card(name: str) -> ModelFacts:
    found = CATALOG.find(name)
    assert found is not None
    return found


def answers(name: str, context_length: int) -> str:
    return " ".join(each.answer for each in questions(Listed(card(name), None, context_length), "http://here"))


def test_answers_are_of_the_model_as_it_is_served() -> None:
    for name in ("BAAI/bge-reranker-base", "sentence-transformers/all-MiniLM-L6-v2"):
        told = answers(name, 128)
        assert "128 tokens" in told
        assert f"{card(name).context_length:,} tokens" not in told


def test_a_model_of_many_languages_is_told_in_a_sentence() -> None:
    assert "documents, as text in many languages; query" in answers("BAAI/bge-reranker-v2-m3", 512)
    assert "documents, as text in Chinese and English; query" in answers("BAAI/bge-reranker-base", 512)


async def test_a_page_says_where_a_model_is_published() -> None:
    async with visiting() as visitor:
        page = (await visitor.get("/models/BAAI/bge-reranker-base")).text
        link = '<a href="https://huggingface.co/BAAI/bge-reranker-base" rel="noreferrer">BAAI/bge-reranker-base</a>'
        assert f"<dt>Published at</dt><dd>{link}</dd>" in page
        assert "Published at" not in (await visitor.get(TRY)).text
