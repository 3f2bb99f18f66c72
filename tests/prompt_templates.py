"""How published decoders are asked, as their cards have it: what their authors' own scripts do, in parts."""

from serve_app.domain.prompt_template import PromptTemplate

# A query alone, for tests that give a model its tokens.
PLAIN = PromptTemplate("{query}")
TASK = "Given a web search query, retrieve relevant passages that answer the query"

# Source: the README of QwenLM/Qwen3-Embedding, "Reranker Model".
QWEN_RERANKER = PromptTemplate(
    opening=(
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
        'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n',
    ),
    query="<Instruct>: {instruction}\n<Query>: {query}\n<Document>:",
    document=" {document}",
    closing=("<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",),
    instruction=TASK,
    yes="yes",
    no="no",
    max_tokens=8192,
)

# Source: mxbai_rerank/mxbai_rerank_v2.py of mixedbread-ai/mxbai-rerank.
MXBAI = PromptTemplate(
    opening=(
        "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\n",
    ),
    query="instruction: {instruction}\nquery: {query}",
    query_alone="query: {query}",
    between=("\n",),
    document="document: {document}",
    closing=(
        "\n",
        "You are a search relevance expert who evaluates how well documents match search queries. For each "
        "query-document pair, carefully analyze the semantic relationship between them, then provide your binary "
        "relevance judgment (0 for not relevant, 1 for relevant).\nRelevance:",
        "<|im_end|>\n<|im_start|>assistant\n",
    ),
    yes="1",
    no="0",
    max_text_tokens=8192,
    max_query_tokens=6144,
)

# Source: the README of QwenLM/Qwen3-Embedding, "Embedding Model".
QWEN_EMBEDDING = PromptTemplate(query="Instruct: {instruction}\nQuery:{query}", instruction=TASK)
