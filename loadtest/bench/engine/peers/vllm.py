"""vLLM's build for CPUs: the next token's log probabilities, as model cards ask it for them."""

import os
from pathlib import Path

import numpy as np

from loadtest.bench.engine.peers.work import NO, THREADS, YES, Begun, Rows, Start

LONGEST, CACHE_GIB = 1_024, 4


def decoded(directory: Path, *, dtype: str, shared: bool = True) -> Start:
    """A decoder's answers. shared: whether it keeps what prompts begin with for those that it starts later."""
    os.environ |= {"VLLM_CPU_KVCACHE_SPACE": str(CACHE_GIB), "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    os.environ |= {"OMP_NUM_THREADS": str(THREADS), "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    from vllm import LLM, SamplingParams

    model = LLM(
        str(directory),
        dtype=dtype,
        skip_tokenizer_init=True,
        max_model_len=LONGEST,
        enforce_eager=False,
        logprobs_mode="processed_logprobs",
        enable_prefix_caching=shared,
    )
    asked = SamplingParams(temperature=0, max_tokens=1, logprobs=2, allowed_token_ids=[YES, NO], detokenize=False)

    def run(work: list[Begun]) -> Rows:
        prompts = [
            {"prompt_token_ids": np.concatenate([beginning, each]).tolist()} for beginning, own in work for each in own
        ]
        found = []
        for output in model.generate(prompts, asked, use_tqdm=False):
            [logprobs] = output.outputs[0].logprobs
            found.append(logprobs[YES].logprob - logprobs[NO].logprob)
        model.reset_prefix_cache()  # another request begins otherwise
        return np.array(found, dtype=np.float32)[:, None]

    return lambda _: run
