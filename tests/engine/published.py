"""The token ids that the authors of decoder rerankers give to their models, by their own scripts."""

from typing import Any

# As published in the README of QwenLM/Qwen3-Embedding, but for the names of what a script has at its top level.
PREFIX = '<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'  # noqa: E501
SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"


def format_instruction(instruction: str | None, query: str, doc: str) -> str:
    if instruction is None:
        instruction = "Given a web search query, retrieve relevant passages that answer the query"
    return f"<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {doc}"


def qwen_ids(tokenizer: Any, pairs: list[str], max_length: int) -> list[list[int]]:
    prefix_tokens = tokenizer.encode(PREFIX, add_special_tokens=False)
    suffix_tokens = tokenizer.encode(SUFFIX, add_special_tokens=False)
    inputs = tokenizer(
        pairs,
        padding=False,
        truncation="longest_first",
        return_attention_mask=False,
        max_length=max_length - len(prefix_tokens) - len(suffix_tokens),
    )
    for i, ele in enumerate(inputs["input_ids"]):
        inputs["input_ids"][i] = prefix_tokens + ele + suffix_tokens
    ids: list[list[int]] = inputs["input_ids"]
    return ids


class MxbaiIds:
    """MxbaiRerankV2.prepare_inputs, as published, up to where it pads.

    Source: mxbai_rerank/mxbai_rerank_v2.py of mixedbread-ai/mxbai-rerank.
    """

    sep = "\n"
    instruction_prompt = "instruction: {instruction}"
    query_prompt = "query: {query}"
    doc_prompt = "document: {document}"
    task_prompt = "You are a search relevance expert who evaluates how well documents match search queries. For each query-document pair, carefully analyze the semantic relationship between them, then provide your binary relevance judgment (0 for not relevant, 1 for relevant).\nRelevance:"  # noqa: E501
    prefix = "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n<|im_start|>user\n"  # noqa: E501
    suffix = "<|im_end|>\n<|im_start|>assistant\n"

    def __init__(self, tokenizer: Any, max_length: int, model_max_length: int) -> None:
        self.tokenizer = tokenizer
        self.max_length, self.model_max_length = max_length, model_max_length

        def get_input_ids(x: str) -> list[int]:
            ids: list[int] = self.tokenizer(x, return_tensors=None, add_special_tokens=False)["input_ids"]
            return ids

        self.task_prompt_inputs = get_input_ids(self.task_prompt)
        self.sep_inputs = get_input_ids(self.sep)
        self.chat_template_prefix_inputs = get_input_ids(self.prefix)
        self.chat_template_suffix_inputs = get_input_ids(self.suffix)
        self.predefined_length = (
            len(self.chat_template_prefix_inputs)
            + len(self.task_prompt_inputs)
            + len(self.chat_template_suffix_inputs)
            + len(self.sep_inputs)
        )
        if self.max_length + self.predefined_length > self.model_max_length:
            self.max_length = self.model_max_length - self.predefined_length

    def __call__(self, query: str, document: str, instruction: str | None = None) -> list[int]:
        instruction_prompt = self.instruction_prompt.format(instruction=instruction) if instruction else None
        query_prompt = self.query_prompt.format(query=query)
        if instruction_prompt:
            query_prompt = "".join([instruction_prompt, self.sep, query_prompt])
        query_inputs = self.tokenizer(
            query_prompt,
            return_tensors=None,
            add_special_tokens=False,
            max_length=self.max_length * 3 // 4,
            truncation=True,
        )
        available_tokens = self.model_max_length - len(query_inputs["input_ids"]) - self.predefined_length
        doc_maxlen = min(available_tokens, self.max_length)
        document_inputs = self.tokenizer(
            self.doc_prompt.format(document=document),
            return_tensors=None,
            add_special_tokens=False,
            max_length=doc_maxlen,
            truncation=True,
        )
        # transformers 5 has no prepare_for_model; with "only_second" it dropped what was too much of the second.
        second = self.sep_inputs + document_inputs["input_ids"]
        ids: list[int] = query_inputs["input_ids"] + second[: self.max_length - len(query_inputs["input_ids"])]
        return (
            self.chat_template_prefix_inputs
            + ids
            + self.sep_inputs
            + self.task_prompt_inputs
            + self.chat_template_suffix_inputs
        )
