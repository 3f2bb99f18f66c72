"""transformers: torch, attention by scaled_dot_product_attention."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtest.bench.engine.peers.padded import in_batches
from loadtest.bench.engine.peers.work import THREADS, Rows, Start


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
