"""Which definition does a usage example show? A judged collection for comparing precisions where there is no other.

The texts are sentences of a dozen words, and the wrong definitions are of the same word or a related one: scores lie
close together, so that a precision that loses digits shows it. It says little of how good a model is at search.
"""

import json
import random
from pathlib import Path

from serve_app.evaluation.collection import Collection

GLOSSES = Path(__file__).parent / "glosses.jsonl"
NAME = "WordNet definitions"
CANDIDATES = 20  # of a query: its definition, 3 to 6 hard negatives, and others drawn from all
SEED = 20


def definitions() -> Collection:
    """400 queries with 20 candidates each, of which one is relevant; the same every time, in no order."""
    chance = random.Random(SEED)
    glosses = [json.loads(line) for line in GLOSSES.read_text("utf-8").splitlines()]
    texts = dict.fromkeys(text for gloss in glosses for text in (gloss["relevant"], *gloss["hard_negatives"]))
    ids = {text: f"d{place}" for place, text in enumerate(texts, 1)}
    queries, judgements, candidates = {}, {}, {}
    for place, gloss in enumerate(glosses, 1):
        own = list(dict.fromkeys(ids[text] for text in (gloss["relevant"], *gloss["hard_negatives"])))
        others = [each for each in chance.sample(list(ids.values()), CANDIDATES) if each not in own]
        shuffled = [*own, *others][:CANDIDATES]
        chance.shuffle(shuffled)
        query = f"q{place}"
        queries[query], candidates[query] = gloss["query"], shuffled
        judgements[query] = {ids[gloss["relevant"]]: 1}
    return Collection(NAME, queries, {each: text for text, each in ids.items()}, judgements, candidates)
