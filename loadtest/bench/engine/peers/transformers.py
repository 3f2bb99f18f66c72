"""transformers: torch, attention by scaled_dot_product_attention."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtest.bench.engine.peers.padded import in_batches
from loadtest.bench.engine.peers.work import NO, THREADS, YES, Rows, Run, Start


def sequences(directory: Path) -> Start:
    """The model as its users run it, without gradients."""
    import torch

    torch.set_num_threads(THREADS)
    model = module(directory)

    def score(tokens: NDArray[np.int64], mask: NDArray[np.int64]) -> Rows:
        with torch.inference_mode():
            rows: Rows = model(torch.from_numpy(tokens), torch.from_numpy(mask)).numpy()
        return rows

    return in_batches(score)


def decoded(directory: Path, *, dtype: str = "float32", whole_vocabulary: bool = False) -> Start:
    """A decoder's answers. whole_vocabulary: as model cards do it, the logits of all tokens at all places."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(THREADS)
    kind = getattr(torch, dtype)
    model = AutoModelForCausalLM.from_pretrained(directory, attn_implementation="sdpa", dtype=kind).eval()
    last = {} if whole_vocabulary else {"logits_to_keep": 1}

    def score(tokens: NDArray[np.int64], mask: NDArray[np.int64]) -> Rows:
        # Padding comes first: the last place is each one's last token.
        lengths = mask.sum(1)
        padded = [np.roll(row, row.size - length) for row, length in zip(tokens, lengths, strict=True)]
        masks = [np.roll(row, row.size - length) for row, length in zip(mask, lengths, strict=True)]
        ids, kept = torch.from_numpy(np.stack(padded)), torch.from_numpy(np.stack(masks))
        with torch.inference_mode():
            logits = model(input_ids=ids, attention_mask=kept, use_cache=False, **last).logits[:, -1].float()
        rows: Rows = (logits[:, YES] - logits[:, NO]).unsqueeze(1).numpy()
        return rows

    start = in_batches(score)

    def whole(batch: int | None) -> Run:
        run = start(batch)
        return lambda work: run([np.concatenate([beginning, own]) for beginning, each in work for own in each])

    return whole


def module(directory: Path) -> Any:
    """A torch module, (ids, mask) -> rows: logits of a cross-encoder, mean vectors of length 1 of an encoder."""
    import torch
    from transformers import AutoModel, AutoModelForSequenceClassification

    from serve_app.engine.modules.model_config import read_model

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = AutoModelForSequenceClassification.from_pretrained(directory, attn_implementation="sdpa")

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.model(input_ids=ids, attention_mask=mask).logits
            return logits

    class Vectors(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = AutoModel.from_pretrained(directory, attn_implementation="sdpa", add_pooling_layer=False)

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
            kept = mask.unsqueeze(-1).to(states.dtype)
            return torch.nn.functional.normalize((states * kept).sum(1) / kept.sum(1), dim=1)

    chain = read_model(directory).chain
    if chain is None:
        return Logits().eval()
    if chain.pooling != "mean":
        raise ValueError(f"{directory}: pooling {chain.pooling} is not exported")
    return Vectors().eval()
