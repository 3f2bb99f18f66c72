"""What the examples of the OpenAPI document have in common."""

from pydantic import JsonValue

from serve_app.settings import EMBEDDED_MODEL

REQUEST_ID = "f66c4416b22b4dc9bce30181279de4ba"
CREATED = 1_795_500_000
QUERY = "capital of France"
TEXTS: list[JsonValue] = ["Paris is the capital of France.", "Bananas are yellow."]
RERANK: dict[str, JsonValue] = {"model": EMBEDDED_MODEL, "query": QUERY, "documents": TEXTS}
SCORES = (0.9425505, 0.4707848)
RANKED = [{"index": index, "relevance_score": score} for index, score in enumerate(SCORES)]
VECTOR = [0.0612, -0.0341, 0.0127]
