"""Token ids and input formats that look like a model's."""

import numpy as np
from hypothesis import strategies as st

from serve_app.domain.input_format import InputFormat, TokenIds, Truncation


def ids(count: int, first: int = 100) -> TokenIds:
    return np.arange(first, first + count, dtype=np.int32)


def input_format(
    max_tokens: int, *, reads_pairs: bool, between: int = 2, truncation: Truncation = "longest_first"
) -> InputFormat:
    """RoBERTa's special tokens: `<s> A </s> </s> B </s>`; BERT has one token between."""
    return InputFormat(max_tokens, reads_pairs, ids(1, 0), ids(between, 2), ids(1, 2), truncation=truncation)


formats = st.builds(
    input_format,
    st.integers(16, 600),
    reads_pairs=st.booleans(),
    between=st.sampled_from([1, 2]),
    truncation=st.sampled_from(["longest_first", "query_to_three_quarters"]),
)
lengths = st.integers(0, 700)
