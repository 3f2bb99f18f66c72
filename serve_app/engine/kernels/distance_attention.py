"""Attention whose scores depend on distances, too, over sequences of any lengths, in one launch.

Softmax is FlashAttention's (arXiv 2205.14135): a block of queries goes through the keys, and a row's sums so far are
scaled down when a higher score comes. Scores are float32, in powers of two.
"""

import torch
import triton
import triton.language as tl

from serve_app.engine.kernels.operator import operator

# Queries and keys that a program has at a time, by the bytes of a number.
TILES = {
    2: {"ROWS": 64, "COLUMNS": 64, "num_warps": 4, "num_stages": 1},
    4: {"ROWS": 32, "COLUMNS": 32, "num_warps": 4, "num_stages": 1},
}
# What both kernels are given, in the order of their arguments from query to out.
Tensors = tuple[
    torch.Tensor, torch.Tensor, torch.Tensor,
    torch.Tensor | None, torch.Tensor | None, torch.Tensor | None, torch.Tensor | None,
    torch.Tensor, torch.Tensor,
]  # fmt: skip
COLUMNS = 64  # keys at a time of a program that has one query


# What varies from step to step would otherwise be compiled anew for each multiple of 16 and for 1.
@triton.jit(do_not_specialize=["bounds", "blocks", "tokens_of_all", "reached", "low"])
def attention_kernel(
    query, key, value, of_queries, of_keys, buckets, biases, bounds, out,
    blocks, tokens_of_all, reached, low, middle, near, centre, scale, heads,
    query_stride, key_stride, value_stride,
    SIZE: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DOT: tl.constexpr,
):  # fmt: skip
    """ROWS queries of one head of one sequence. BLOCK: a power of two from SIZE on. DOT: precision of float32's.

    What depends on distances is of_queries, of_keys and buckets, or biases; the others are None. middle: where distance
    0 is among these.
    """
    sequence, block = tl.program_id(0) // blocks, tl.program_id(0) % blocks
    head = tl.program_id(1)
    first = tl.load(bounds + sequence)
    tokens = tl.load(bounds + sequence + 1) - first
    if block * ROWS >= tokens:
        return
    row, column, width = block * ROWS + tl.arange(0, ROWS), tl.arange(0, COLUMNS), tl.arange(0, BLOCK)
    asking, here = (row < tokens)[:, None], (width < SIZE)[None, :]
    of_head = (head * SIZE + width)[None, :]
    q = tl.load(query + (first + row).to(tl.int64)[:, None] * query_stride + of_head, asking & here, other=0.0)
    unscale, scale = 1 / scale, scale * 1.4426950408889634
    if biases is None:
        before = (head.to(tl.int64) * tokens_of_all + first) * reached - low
        of_queries += before
        of_keys += before
    else:
        biases += head * (2 * middle + 1) + middle
    highest = tl.full((ROWS,), float("-inf"), tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    sums = tl.zeros((ROWS, BLOCK), tl.float32)
    for start in range(0, tokens, COLUMNS):
        seen = start + column
        known = (seen < tokens)[None, :]
        at = (first + seen).to(tl.int64)[:, None]
        inside = (seen < tokens)[:, None] & here
        k = tl.load(key + at * key_stride + of_head, inside, other=0.0)
        pairs = asking & known
        if biases is None:
            # The same distances twice: neighbouring threads, which are those of a column, are to read neighbouring
            # numbers, of one key those of neighbouring queries, and the other way round.
            away = row[:, None] - seen[None, :]
            turned = row[None, :] - seen[:, None]
            if (start <= block * ROWS + near - (COLUMNS - 1)) & (start >= block * ROWS - near + (ROWS - 1)):
                bucket, turned_bucket = away + centre, turned + centre
            else:
                bucket = tl.load(buckets + middle + away, pairs, other=0)
                turned_bucket = tl.load(buckets + (3 * middle + 1) - turned, tl.trans(pairs), other=0)
            distant = tl.load(of_keys + (seen[None, :] * reached + bucket), pairs, other=0.0).to(tl.float32)
            turned_number = tl.load(of_queries + (row[None, :] * reached + turned_bucket), tl.trans(pairs), other=0.0)
            distant += tl.trans(turned_number).to(tl.float32)
        else:
            distant = tl.load(biases + (seen[None, :] - row[:, None]), pairs, other=0.0).to(tl.float32)
        # Added to the product itself, what is loaded does not decide in which layout all that follows is computed.
        scores = tl.dot(q, tl.trans(k), acc=distant * unscale, input_precision=DOT)
        scores = tl.where(known, scores * scale, float("-inf"))
        higher = tl.maximum(highest, tl.max(scores, 1))
        weights = tl.exp2(scores - higher[:, None])
        kept = tl.exp2(highest - higher)
        total = total * kept + tl.sum(weights, 1)
        v = tl.load(value + at * value_stride + of_head, inside, other=0.0)
        sums = sums * kept[:, None] + tl.dot(weights.to(v.dtype), v, input_precision=DOT)
        highest = higher
    to = out + (first + row).to(tl.int64)[:, None] * (heads * SIZE) + of_head
    tl.store(to, (sums / total[:, None]).to(out.dtype.element_ty), asking & here)


@triton.jit(do_not_specialize=["bounds"])
def first_kernel(
    query, key, value, of_query, of_key, buckets, biases, bounds, out, middle, scale, heads,
    query_stride, key_stride, value_stride,
    SIZE: tl.constexpr, BLOCK: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """The first query of one head of one sequence.

    What depends on distances is the buckets' own queries and keys, of_query and of_key, or biases; the others are None.
    """
    sequence, head = tl.program_id(0), tl.program_id(1)
    first = tl.load(bounds + sequence)
    tokens = tl.load(bounds + sequence + 1) - first
    column, width = tl.arange(0, COLUMNS), tl.arange(0, BLOCK)
    here = width < SIZE
    of_head = head * SIZE + width
    q = tl.load(query + sequence.to(tl.int64) * query_stride + of_head, here, other=0.0).to(tl.float32)[None, :]
    highest = tl.full((), float("-inf"), tl.float32)
    total = tl.zeros((), tl.float32)
    sums = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, tokens, COLUMNS):
        seen = start + column
        known = seen < tokens
        at = (first + seen).to(tl.int64)[:, None]
        inside = known[:, None] & here[None, :]
        k = tl.load(key + at * key_stride + of_head[None, :], inside, other=0.0).to(tl.float32)
        scores = tl.sum(q * k, 1) * scale
        if biases is None:
            bucket = tl.load(buckets + middle - seen, known, other=0)[:, None] * (heads * SIZE) + of_head[None, :]
            distant = q * tl.load(of_key + bucket, inside, other=0.0).to(tl.float32)
            distant += k * tl.load(of_query + bucket, inside, other=0.0).to(tl.float32)
            scores += tl.sum(distant, 1)
        else:
            scores += tl.load(biases + head * (2 * middle + 1) + middle + seen, known, other=0.0).to(tl.float32)
        scores = tl.where(known, scores * 1.4426950408889634, float("-inf"))
        higher = tl.maximum(highest, tl.max(scores, 0))
        weights = tl.exp2(scores - higher)
        kept = tl.exp2(highest - higher)
        total = total * kept + tl.sum(weights, 0)
        v = tl.load(value + at * value_stride + of_head[None, :], inside, other=0.0).to(tl.float32)
        sums = sums * kept + tl.sum(weights[:, None] * v, 0)
        highest = higher
    tl.store(out + sequence.to(tl.int64) * (heads * SIZE) + of_head, (sums / total).to(out.dtype.element_ty), here)


def _out(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bounds: torch.Tensor) -> torch.Tensor:
    for x in (query, key, value):
        # A token's heads lie side by side; the tokens may lie apart, as in a product of keys and values.
        assert x.stride()[1:] == (x.shape[2], 1), x.stride()
        assert x.dtype == query.dtype
    assert bounds.dtype == torch.int32
    return query.new_empty(query.shape[0], query.shape[1] * query.shape[2])


def _fake(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    of_queries: torch.Tensor,
    of_keys: torch.Tensor,
    buckets: torch.Tensor,
    bounds: torch.Tensor,
    low: int,
    near: int,
    centre: int,
    longest: int,
    scale: float,
) -> torch.Tensor:
    assert buckets.dtype == torch.int32
    assert buckets.is_contiguous()
    assert of_queries.is_contiguous()
    assert of_keys.is_contiguous()
    assert of_queries.shape == of_keys.shape == (query.shape[1], query.shape[0], of_keys.shape[2])
    return _out(query, key, value, bounds)


def _fake_first(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    of_query: torch.Tensor,
    of_key: torch.Tensor,
    buckets: torch.Tensor,
    bounds: torch.Tensor,
    scale: float,
) -> torch.Tensor:
    assert buckets.dtype == torch.int32
    assert buckets.is_contiguous()
    assert of_query.is_contiguous()
    assert of_key.is_contiguous()
    return _out(query, key, value, bounds)


@operator(
    "distance_attention(Tensor query, Tensor key, Tensor value, Tensor of_queries, Tensor of_keys, Tensor buckets,"
    " Tensor bounds, int low, int near, int centre, int longest, float scale) -> Tensor",
    fake=_fake,
)
def distance_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    of_queries: torch.Tensor,
    of_keys: torch.Tensor,
    buckets: torch.Tensor,
    bounds: torch.Tensor,
    low: int,
    near: int,
    centre: int,
    longest: int,
    scale: float,
) -> torch.Tensor:
    """What every token makes of its own sequence's: (tokens, heads * size).

    A score is query times key times scale, and the two numbers that of_queries has of the one token and of_keys of the
    other in the bucket of their distance.
    query, key, value: (tokens, heads, size). of_queries, of_keys: (heads, tokens, reached), contiguous, of the buckets
    from the one numbered low on. buckets: int32 (2, 2 * most - 1), of each distance from -(most - 1) on, query's place
    less key's, and the other way round. near, centre: a distance up to near, to either side, has the bucket centre +
    distance. bounds: int32 (sequences + 1,). longest: a number that no length exceeds.
    """
    out = _fake(query, key, value, of_queries, of_keys, buckets, bounds, low, near, centre, longest, scale)
    tensors = query, key, value, of_queries, of_keys, buckets, None, bounds, out
    numbers = query.shape[0], of_queries.shape[2], low, buckets.shape[1] // 2, near, centre, scale
    return _attend(tensors, numbers, longest)


@operator(
    "first_distance_attention(Tensor query, Tensor key, Tensor value, Tensor of_query, Tensor of_key, Tensor buckets,"
    " Tensor bounds, float scale) -> Tensor",
    fake=_fake_first,
)
def first_distance_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    of_query: torch.Tensor,
    of_key: torch.Tensor,
    buckets: torch.Tensor,
    bounds: torch.Tensor,
    scale: float,
) -> torch.Tensor:
    """What the first token of each sequence makes of the sequence: (sequences, heads * size).

    query: (sequences, heads, size). of_query, of_key: what a bucket has for a query and for a key, (buckets, heads,
    size), contiguous, scaled already. The others are those of `distance_attention`.
    """
    out = _fake_first(query, key, value, of_query, of_key, buckets, bounds, scale)
    tensors = query, key, value, of_query, of_key, buckets, None, bounds, out
    return _attend_first(tensors, buckets.shape[1] // 2, scale)


def _fake_biased(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    biases: torch.Tensor,
    bounds: torch.Tensor,
    longest: int,
    first_tokens: bool,
) -> torch.Tensor:
    assert biases.is_contiguous()
    return _out(query, key, value, bounds)


@operator(
    "biased_attention(Tensor query, Tensor key, Tensor value, Tensor biases, Tensor bounds, int longest,"
    " bool first_tokens) -> Tensor",
    fake=_fake_biased,
)
def biased_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    biases: torch.Tensor,
    bounds: torch.Tensor,
    longest: int,
    first_tokens: bool,
) -> torch.Tensor:
    """What every token, or the first of each sequence, makes of its own sequence's: (rows, heads * size).

    A score is query times key, divided by the root of size, and the bias of the distance. biases: (heads,
    2 * most - 1), contiguous, of each distance from -(most - 1) on, key's place less query's. The others are those of
    `distance_attention`.
    """
    out = _fake_biased(query, key, value, biases, bounds, longest, first_tokens)
    middle, scale = biases.shape[1] // 2, query.shape[2] ** -0.5
    tensors = query, key, value, None, None, None, biases, bounds, out
    if first_tokens:
        return _attend_first(tensors, middle, scale)
    return _attend(tensors, (0, 0, 0, middle, 0, 0, scale), longest)


def _attend(tensors: Tensors, numbers: tuple[float, ...], longest: int) -> torch.Tensor:
    """Launch attention_kernel. numbers: its arguments from tokens_of_all to scale. Returns the last of the tensors."""
    options = TILES[tensors[0].dtype.itemsize]
    blocks = triton.cdiv(longest, options["ROWS"])
    sequences, heads, shape = _shape(tensors)
    attention_kernel[blocks * sequences, heads](
        *tensors, blocks, *numbers, heads, *_strides(tensors), DOT="ieee", **shape, **options
    )
    return tensors[-1]


def _attend_first(tensors: Tensors, middle: int, scale: float) -> torch.Tensor:
    """Launch first_kernel. Returns the last of the tensors."""
    sequences, heads, shape = _shape(tensors)
    first_kernel[sequences, heads](
        *tensors, middle, scale, heads, *_strides(tensors), COLUMNS=COLUMNS, num_warps=4, **shape
    )
    return tensors[-1]


def _shape(tensors: Tensors) -> tuple[int, int, dict[str, int]]:
    """Sequences, heads, and what kernels are compiled for."""
    _, heads, size = tensors[0].shape
    # Tensor cores take 16 numbers at least.
    return tensors[7].shape[0] - 1, heads, {"SIZE": size, "BLOCK": max(16, int(triton.next_power_of_2(size)))}


def _strides(tensors: Tensors) -> tuple[int, int, int]:
    query, key, value = tensors[:3]
    return query.stride(0), key.stride(0), value.stride(0)
