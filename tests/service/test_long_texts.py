"""Of a long text no more is tokenised than is read, and what is read is the same as if all had been tokenised."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.domain.errors import ServiceError
from serve_app.domain.passages import cut_passages
from serve_app.domain.request import Reading, TokenizeRequest
from serve_app.engine.assembly import TextSide, load_text_side
from serve_app.service import reader as reading_module
from serve_app.service import tokenizer_threads
from serve_app.service.reader import Group, Reader
from serve_app.service.tokenizer_threads import TokenizerThreads
from tests.service.reranking import Service
from tests.tiny_models import TinyModel, TinyModels, training_text

LINES = training_text()
TEXT = st.lists(st.sampled_from(LINES), max_size=8).map(" ".join)
READINGS = st.builds(
    Reading,
    max_passages=st.sampled_from([1, 2, 5, None]),
    truncated_side=st.sampled_from([None, "left", "right"]),
    max_query_tokens=st.sampled_from([None, 3, 200]),
    max_document_tokens=st.sampled_from([None, 5, 150, 400]),
)


@pytest.fixture(params=["bert", "xlm-roberta", "modernbert"], scope="module")
def side(request: pytest.FixtureRequest, tiny_models: TinyModels) -> TextSide:
    return load_text_side(tiny_models[request.param, "classification"].directory)


@settings(max_examples=60)
@given(query=TEXT, texts=st.lists(TEXT, min_size=1, max_size=4), reading=READINGS)
def test_what_is_read_of_long_texts_is_what_is_read_of_them_tokenised_whole(
    side: TextSide, query: str, texts: list[str], reading: Reading
) -> None:
    with pytest.MonkeyPatch.context() as patch:  # so that these texts are long ones
        patch.setattr(reading_module, "BITE_CHARACTERS", 60)
        patch.setattr(reading_module, "CHARACTERS_READ_PER_TOKEN", 1)
        patch.setattr(reading_module, "WAVE_CHARACTERS", 10**9)
        patch.setattr(tokenizer_threads, "BITE_CHARACTERS", 60)
        [found] = asyncio.run(parts(side, query, texts, reading))
    encoded = side.tokenizer.encode([query, *texts])
    wanted = cut_passages(encoded[:1], encoded[1:], side.form, reading)
    for name in ("documents", "starts", "lengths", "query_of"):
        assert np.array_equal(getattr(found, name), getattr(wanted, name)), name
    for name in ("queries", "token_ids"):
        same = zip(getattr(found, name), getattr(wanted, name), strict=True)
        assert all(np.array_equal(one, other) for one, other in same), name


async def parts(side: TextSide, query: str, texts: Sequence[str], reading: Reading) -> list[object]:
    threads = TokenizerThreads(1)
    try:
        reader = Reader(side.tokenizer, side.form, threads, reading)
        return [part async for part in reader.groups([Group(query, texts)])]
    finally:
        threads.close()


def test_a_text_that_is_cut_is_tokenised_no_further_than_it_is_read(
    side: TextSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    encode = side.tokenizer.encode_pieces
    monkeypatch.setattr(
        side.tokenizer, "encode_pieces", lambda pieces: seen.extend(len(p.text) for p in pieces) or encode(pieces)
    )
    asyncio.run(parts(side, "red", ["red fish " * 100_000], Reading()))
    assert sum(seen) < 10_000


def test_more_tokens_than_one_answer_tells_are_refused_by_the_name_of_the_text(tiny_models: TinyModels) -> None:
    model: TinyModel = tiny_models["bert", "classification"]
    with pytest.raises(ServiceError, match=r"inputs\[1\].*more than 100,000 tokens") as raised:
        Service(model).ask(TokenizeRequest(None, ["red", "red fish " * 100_000, "blue"]))
    assert (raised.value.param, raised.value.fault) == ("inputs[1]", "size")
