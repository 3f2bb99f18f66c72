"""A decoder gives what transformers gives, whatever else is in its step and whatever its sequences share."""

import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from serve_app.domain.prompt_template import PromptTemplate
from serve_app.domain.sequences import Sequences
from serve_app.engine.files import ModelError
from serve_app.engine.model import Model
from serve_app.engine.models.families import read_config
from serve_app.engine.options import EngineOptions
from tests.engine.spoilt import configure
from tests.tiny_decoders import FAMILIES, make_tiny_decoder

ASKED = PromptTemplate("{query}", yes="yes", no="no")
ON_CPU = EngineOptions(device="cpu", precision="exact", threads=1)
IDS = 600  # of the tiny vocabulary, special ones left out
WITHIN = 1e-4  # of a logit, in float32

lengths = st.lists(st.integers(1, 90), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("decoders")


@cache
def made(root: Path, family: str, head: str) -> Path:
    return make_tiny_decoder(root / f"{family}-{head}", family, head).directory


@cache
def loaded(root: Path, family: str = "qwen3", head: str = "answers") -> Model:
    return Model.load(made(root, family, head), ON_CPU, None, None if head == "embedding" else ASKED)


def drawn(sizes: list[int], seed: int = 0) -> list[np.ndarray]:
    chance = np.random.default_rng(seed)
    return [chance.integers(10, IDS, size).astype(np.int32) for size in sizes]


def end_to_end(rows: list[np.ndarray]) -> Sequences:
    return Sequences.plain(np.concatenate(rows), np.array([row.size for row in rows], dtype=np.int32))


def behind(beginnings: list[np.ndarray], of: list[int], own: list[np.ndarray]) -> Sequences:
    return replace(end_to_end(own), beginnings=tuple(beginnings), beginning_of=np.array(of, dtype=np.int32))


def reference(directory: Path, head: str, rows: list[np.ndarray]) -> np.ndarray:
    """A row of each sequence, computed alone, by the code that model cards show."""
    kinds = {"answers": AutoModelForCausalLM, "classification": AutoModelForSequenceClassification}
    model = kinds.get(head, AutoModel).from_pretrained(directory, dtype=torch.float32).eval()
    yes, no = AutoTokenizer.from_pretrained(directory).convert_tokens_to_ids(["yes", "no"])
    found = []
    for row in rows:
        with torch.no_grad():
            out = model(torch.from_numpy(row)[None])
        if head == "answers":
            found.append(out.logits[0, -1, yes : yes + 1] - out.logits[0, -1, no])
        else:
            last = out.logits[0] if head == "classification" else out.last_hidden_state[0, -1]
            found.append(last if head == "classification" else torch.nn.functional.normalize(last, dim=0))
    return torch.stack(found).numpy()


@pytest.mark.parametrize("head", ["answers", "classification", "embedding"])
@pytest.mark.parametrize("family", FAMILIES)
def test_rows_are_those_of_transformers(root: Path, family: str, head: str) -> None:
    # Of one token, of a block of tokens that ask at once and one more, and of the longest sequence.
    rows = drawn([5, 256, 37, 257, 1, 1_024, 300])
    expected = reference(made(root, family, head), head, rows)
    np.testing.assert_allclose(loaded(root, family, head)(end_to_end(rows)), expected, atol=WITHIN, rtol=0)
    assert np.ptp(expected, axis=0).max() > 0.1  # rows that do not differ would prove nothing


@pytest.mark.parametrize("options", [{"attention_bias": True}, {"num_key_value_heads": 4}, {"num_key_value_heads": 1}])
def test_options_of_the_family_are_honoured(tmp_path: Path, options: dict[str, object]) -> None:
    directory = make_tiny_decoder(tmp_path / "model", "qwen3", "answers", **options).directory
    rows = drawn([7, 300, 31])
    found = Model.load(directory, ON_CPU, None, ASKED)(end_to_end(rows))
    np.testing.assert_allclose(found, reference(directory, "answers", rows), atol=WITHIN, rtol=0)


def test_an_output_of_its_own_is_read(tmp_path: Path) -> None:
    directory = make_tiny_decoder(tmp_path / "model", "qwen3", "answers", tie_word_embeddings=False).directory
    rows = drawn([7, 40])
    found = Model.load(directory, ON_CPU, None, ASKED)(end_to_end(rows))
    np.testing.assert_allclose(found, reference(directory, "answers", rows), atol=WITHIN, rtol=0)


def test_an_output_that_is_said_to_be_the_input_and_is_not_is_refused(root: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(made(root, "qwen3", "answers"), tmp_path / "model"))
    tensors = load_file(directory / "model.safetensors")
    words = tensors["model.embed_tokens.weight"]
    save_file(tensors | {"lm_head.weight": words.clone()}, directory / "model.safetensors")
    rows = end_to_end(drawn([7]))
    np.testing.assert_allclose(Model.load(directory, ON_CPU, None, ASKED)(rows), loaded(root)(rows), atol=WITHIN)
    save_file(tensors | {"lm_head.weight": words.flip(0).contiguous()}, directory / "model.safetensors")
    with pytest.raises(ModelError, match=r"tie_word_embeddings: true, but lm_head\.weight differs"):
        Model.load(directory, ON_CPU, None, ASKED)


@pytest.mark.parametrize("said", [False, None])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_decoder_whose_tokens_see_those_behind_them_is_refused(
    root: Path, tmp_path: Path, family: str, said: bool | None
) -> None:
    directory = Path(shutil.copytree(made(root, family, "answers"), tmp_path / "model"))
    configure(directory, is_causal=True)
    assert read_config(directory).causal
    configure(directory, is_causal=said)
    with pytest.raises(ModelError, match=r"is_causal: (false|null) is not supported; supported: true"):
        read_config(directory)


@settings(max_examples=25)
@given(lengths, st.lists(st.integers(1, 300), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_what_sequences_share_changes_no_score(root: Path, own: list[int], shared: list[int], chance: object) -> None:
    beginnings, rows = drawn(shared, seed=1), drawn(own)
    of = [chance.randrange(-1, len(shared)) for _ in rows]  # type: ignore[attr-defined]
    whole = [row if at < 0 else np.concatenate([beginnings[at], row]) for at, row in zip(of, rows, strict=True)]
    expected = np.concatenate([loaded(root)(end_to_end([row])) for row in whole])
    np.testing.assert_allclose(loaded(root)(end_to_end(whole)), expected, atol=1e-5, rtol=0)
    np.testing.assert_allclose(loaded(root)(behind(beginnings, of, rows)), expected, atol=1e-5, rtol=0)


@settings(max_examples=15)
@given(lengths, st.integers(1, 8))
def test_a_score_does_not_depend_on_the_step_that_computes_it(root: Path, own: list[int], cut: int) -> None:
    sequences = behind(drawn([70], seed=len(own)), [0] * len(own), drawn(own))
    together = loaded(root)(sequences)
    parts = np.array_split(np.arange(len(own)), min(cut, len(own)))
    apart = np.concatenate([loaded(root)(sequences.take(part)) for part in parts])
    np.testing.assert_allclose(apart, together, atol=1e-5, rtol=0)


def test_a_beginning_that_another_step_has_computed_is_not_computed_again(root: Path) -> None:
    model = Model.load(made(root, "qwen3", "answers"), ON_CPU, None, ASKED)
    computed: list[int] = []
    assert model._beginnings is not None
    compute = model._beginnings._compute

    def counted(sequences: Sequences) -> object:
        computed.append(sequences.token_ids.size)
        return compute(sequences)

    model._beginnings._compute = counted  # type: ignore[assignment]
    first, second = drawn([50, 60], seed=3)
    for each in (first, first, second, first):
        model(behind([each], [0, 0, 0], drawn([5, 6, 7])))
    assert computed == [50, 60]
    # No other one shares it: apart, it would cost a pass of its own.
    model(behind(drawn([80], seed=4), [0], drawn([5])))
    assert computed == [50, 60]


def test_shards_of_one_request_in_a_step_share_their_beginning(root: Path) -> None:
    model = Model.load(made(root, "qwen3", "answers"), ON_CPU, None, ASKED)
    [begun], rows = drawn([50]), drawn([5, 6])
    shards = [behind([begun.copy()], [0], [row]) for row in rows]
    found = model(Sequences.concatenate(shards))
    expected = model(end_to_end([np.concatenate([begun, row]) for row in rows]))
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    assert model._beginnings is not None
    assert [each.tokens for each in model._beginnings._kept.values()] == [50]


def test_beginnings_are_kept_within_their_bytes(root: Path) -> None:
    model = Model.load(made(root, "qwen3", "answers"), ON_CPU, None, ASKED)
    kept = model._beginnings
    assert kept is not None
    config = model.config.encoder
    token = 3 * 2 * 2 * 32 * 4  # layers, keys and values, heads of 32 numbers in float32
    kept._most_bytes = 100 * token
    for seed in range(5):
        expected = loaded(root)(behind(drawn([40], seed), [0, 0], drawn([9, 8])))
        np.testing.assert_array_equal(model(behind(drawn([40], seed), [0, 0], drawn([9, 8]))), expected)
        assert kept._bytes == sum(each.size for each in kept._kept.values()) <= 100 * token
    assert len(kept._kept) == 2
    # One that is larger than all of them is used all the same.
    assert np.isfinite(model(behind(drawn([200]), [0, 0], drawn([9, 8])))).all()
    assert config.layers == 3


def test_a_sequence_may_not_be_longer_than_the_model_reads_with_its_beginning(root: Path) -> None:
    with pytest.raises(ValueError, match=r"1,025 tokens; the model reads at most 1,024"):
        loaded(root)(behind(drawn([1_000]), [0], drawn([25])))
