"""Make the corpus from WordNet: `python -m loadtest.corpus.build <wordnet dict directory>`.

The same database gives the same files: it is read in its own order, and the selection is seeded.
"""

import argparse
import json
import math
import random
import re
import sys
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from loadtest.corpus import read
from serve_app.evaluation.wordnet.definitions import GLOSSES

SEED = 20

GLOSS_LINES = 400
FEWEST_HARD_NEGATIVES, MOST_HARD_NEGATIVES = 3, 6
SHORTEST_QUERY, LONGEST_QUERY = 25, 120

PASSAGES = 200
SHORTEST_PASSAGE, LONGEST_PASSAGE = 300, 2500

DATA_FILES = {"n": "data.noun", "v": "data.verb", "a": "data.adj", "r": "data.adv"}

# The corpus lies in a public repository, where nobody looks for insults: WordNet marks only some of them.
UNWANTED = re.compile(
    r"\b(slur|offensive|vulgar|obscen|disparag|derogat|insult|prostitut|sex|genital|penis|vagina|breast|nude|naked"
    r"|coit|copulat|erotic|homosexual|lesbian|rape|rapist|suicid|murder|feces|fecal|urin|defecat|nazi|negro|jew"
    r"|moslem|muslim|retard|slave|whore|bitch|bastard|damn|ass\b|hell\b)",
    re.IGNORECASE,
)

Key = tuple[str, int]  # part of speech and offset: what a WordNet pointer names


@dataclass(frozen=True, slots=True)
class Synset:
    """One meaning: the words that share it, its definition and sentences that use it."""

    words: tuple[str, ...]
    definition: str
    examples: tuple[str, ...]
    hypernyms: tuple[Key, ...]
    hyponyms: tuple[Key, ...]
    usage_marked: bool  # slang, a slur, a trade name …


def read_synsets(dictionary: Path) -> dict[Key, Synset]:
    """Return every synset of WordNet's four data files, in the files' order."""
    synsets = {}
    for part_of_speech, name in DATA_FILES.items():
        for line in (dictionary / name).read_text("ascii").splitlines():
            if not line.startswith("  "):  # the licence stands indented at the top
                offset, synset = _parse(line)
                synsets[part_of_speech, offset] = synset
    return synsets


def _parse(line: str) -> tuple[int, Synset]:
    """Return the offset and the synset of one line of a data file, as wndb(5WN) describes it."""
    fields, _, gloss = line.partition("|")
    offset, _, _, word_count, *rest = fields.split()
    words_end = 2 * int(word_count, 16)
    words = tuple(re.sub(r"\(\w+\)$", "", word).replace("_", " ") for word in rest[:words_end:2])
    pointers: defaultdict[str, list[Key]] = defaultdict(list)
    for at in range(words_end + 1, words_end + 1 + 4 * int(rest[words_end]), 4):
        symbol, target, part_of_speech, _ = rest[at : at + 4]
        pointers[symbol].append(("a" if part_of_speech == "s" else part_of_speech, int(target)))
    definition, _, _ = gloss.partition('"')
    return int(offset), Synset(
        words=words,
        definition=definition.strip().rstrip(";:, "),
        examples=tuple(re.findall(r'"([^"]+)"', gloss)),
        hypernyms=tuple(pointers["@"]),
        hyponyms=tuple(pointers["~"]),
        usage_marked=bool(pointers[";u"]),
    )


def _presentable(synset: Synset) -> bool:
    text = " ".join((*synset.words, synset.definition, *synset.examples))
    return not synset.usage_marked and len(synset.definition) > 15 and not UNWANTED.search(text)


def gloss_lines(synsets: Mapping[Key, Synset], random_source: random.Random) -> Iterator[dict[str, object]]:
    """Yield usage examples with the definition they illustrate and definitions that only look like it."""
    senses: defaultdict[str, list[Synset]] = defaultdict(list)
    for synset in synsets.values():
        for word in synset.words:
            senses[word.lower()].append(synset)
    keys = list(synsets)
    random_source.shuffle(keys)
    found = 0
    for key in keys:
        line = _gloss_line(synsets[key], senses, synsets, random_source)
        if line is not None:
            yield line
            found += 1
            if found == GLOSS_LINES:
                return


def _gloss_line(
    synset: Synset,
    senses: Mapping[str, list[Synset]],
    synsets: Mapping[Key, Synset],
    random_source: random.Random,
) -> dict[str, object] | None:
    if not _presentable(synset):
        return None
    for example in synset.examples:
        if not SHORTEST_QUERY <= len(example) <= LONGEST_QUERY:
            continue
        used = [word.lower() for word in synset.words if re.search(rf"\b{re.escape(word)}", example, re.IGNORECASE)]
        near = [sense for word in used for sense in senses[word]]
        near += [synsets[sister] for above in synset.hypernyms for sister in synsets[above].hyponyms]
        others = dict.fromkeys(other.definition for other in near if _presentable(other))
        others.pop(synset.definition, None)
        if used and len(others) >= FEWEST_HARD_NEGATIVES:
            chosen = random_source.sample(list(others), min(MOST_HARD_NEGATIVES, len(others)))
            return {"query": example, "relevant": synset.definition, "hard_negatives": chosen}
    return None


def passages(synsets: Mapping[Key, Synset], random_source: random.Random) -> Iterator[dict[str, object]]:
    """Yield texts about one subject each: a noun's definition, then those of the nouns below it.

    Their lengths spread evenly on a logarithmic scale, so that long ones to cut from are not rare.
    """
    nouns = [key for key, synset in synsets.items() if key[0] == "n" and len(synset.hyponyms) >= 3]
    random_source.shuffle(nouns)
    found = 0
    for noun in nouns:
        length = math.exp(random_source.uniform(math.log(SHORTEST_PASSAGE), math.log(LONGEST_PASSAGE)))
        text = _passage(noun, synsets, int(length))
        if text is not None:
            yield {"text": text}
            found += 1
            if found == PASSAGES:
                return


def _passage(noun: Key, synsets: Mapping[Key, Synset], length: int) -> str | None:
    """Write about `length` characters on the noun and what lies below it; None where WordNet says less on it."""
    sentences: list[str] = []
    total = 0
    waiting, seen = deque([noun]), {noun}
    while waiting:
        synset = synsets[waiting.popleft()]
        below = [key for key in synset.hyponyms if key not in seen]
        waiting.extend(below)
        seen.update(below)
        if not _presentable(synset):
            continue
        sentence = f"{synset.words[0][0].upper()}{synset.words[0][1:]}: {synset.definition}."
        if total + len(sentence) > LONGEST_PASSAGE:
            continue
        sentences.append(sentence)
        total += len(sentence) + 1
        if total >= length:
            return " ".join(sentences)
    return None


def licence(dictionary: Path) -> str:
    """Return the notice that WordNet asks to be kept on every copy, from the top of its noun file."""
    lines = (dictionary / DATA_FILES["n"]).read_text("ascii").splitlines()
    return "\n".join(line[4:].strip() for line in lines if line.startswith("  ")) + "\n"


def _write_lines(path: Path, lines: Iterable[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def main() -> int:
    """Write the corpus; 2 where the directory is not WordNet's."""
    parser = argparse.ArgumentParser(
        description="Make the texts of loadtest/corpus/ and serve_app/evaluation/wordnet/ from WordNet 3.0."
    )
    parser.add_argument("dictionary", type=Path, help="WordNet's directory with data.noun, data.verb …")
    dictionary: Path = parser.parse_args().dictionary
    missing = [name for name in DATA_FILES.values() if not (dictionary / name).is_file()]
    if missing:
        print(f"{dictionary} has no {', '.join(missing)}; is it WordNet's dict directory?", file=sys.stderr)
        return 2
    synsets = read_synsets(dictionary)
    random_source = random.Random(SEED)
    _write_lines(GLOSSES, gloss_lines(synsets, random_source))
    _write_lines(read.PASSAGES, passages(synsets, random_source))
    for notice in (GLOSSES.with_name("LICENSE"), read.PASSAGES.with_name("LICENSE-WordNet")):
        notice.write_text(licence(dictionary), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
