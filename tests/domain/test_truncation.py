"""Which text of a pair is cut, held against the libraries whose rules these are."""

from functools import cache

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing

from serve_app.domain.passages import cut_passages
from serve_app.domain.request import Reading, Side
from tests.domain.texts import ids, input_format

counts = st.integers(0, 40)


@cache
def reference() -> Tokenizer:
    """`opening A between between B closing`, a token for each word."""
    tokenizer = Tokenizer(WordLevel({"q": 0, "d": 1, "x": 2}, unk_token="x"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing("x $A x", "x $A x x $B x", [("x", 2)])
    return tokenizer


@given(counts, counts, st.integers(5, 40), st.sampled_from(["left", "right"]))
def test_longest_first_keeps_what_the_tokenizers_library_keeps(
    query: int, document: int, most: int, side: Side
) -> None:
    reference().enable_truncation(most, strategy="longest_first", direction=side)
    kept = reference().encode("q " * query, "d " * document).ids
    passages = cut_passages(
        [ids(query)], [ids(document)], input_format(most, reads_pairs=True), Reading(truncated_side=side)
    )
    assert (passages.queries[0].size, passages.token_ids[0].size) == (kept.count(0), kept.count(1))
    dropped = query - passages.queries[0].size if side == "left" else 0
    np.testing.assert_array_equal(passages.queries[0], ids(query)[dropped:][: passages.queries[0].size])


@given(counts, counts, st.integers(5, 40))
def test_a_query_to_three_quarters_leaves_the_rest_to_the_document(query: int, document: int, most: int) -> None:
    form = input_format(most, reads_pairs=True, truncation="query_to_three_quarters")
    passages = cut_passages([ids(query)], [ids(document)], form)
    kept = min(query, most * 3 // 4, most - 4)
    assert (passages.queries[0].size, passages.token_ids[0].size) == (kept, min(document, most - 4 - kept))
