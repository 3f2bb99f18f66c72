"""Real texts, and rerank requests made of them."""
