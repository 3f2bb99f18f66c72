"""What makes a sound input unsound, as hypothesis draws it. `FUZZ=5000` in the environment has it try harder."""

import copy
import json
import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("FUZZ", "40"))
FUZZED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)

ODD_BYTES = [b"\x00", b"\xff", b'"', b"[" * 300, b"\xed\xa0\x80", b"1e999"]
ODD = st.sampled_from(
    [
        None, True, False, 0, -1, 1, 2**31, 2**63, -(2**64), 10**400, 0.5, -0.0, 1e308, float("inf"), float("nan"),
        "", " ", "\x00", "\ud800", "\u2028", "\ufeff", "a" * 3_000, "0", "null", "../../etc/passwd", "{}", "%s%n",
        "<script>", "𝒳" * 50, "\u202e", [], {}, [[]], [None], [{}], {"": None}, {"text": None}, {"text": ["a"]},
    ]
)  # fmt: skip
JSON = st.recursive(
    ODD | st.text(max_size=20) | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def mutated(draw: st.DrawFn, sound: Any) -> Any:
    """A value like the sound one, in which some places have something else, or are missing, or come on top."""
    value = {"root": copy.deepcopy(sound)}
    for _ in range(draw(st.integers(1, 3))):
        owner: Any = value
        key: Any = "root"
        while (inner := owner[key]) and isinstance(inner, dict | list) and draw(st.booleans()):
            owner = inner
            key = draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
        match draw(st.sampled_from(["odd", "any", "remove", "add", "deep"])):
            case "odd":
                owner[key] = copy.deepcopy(draw(ODD))
            case "any":
                owner[key] = copy.deepcopy(draw(JSON))
            case "remove" if owner is not value:
                del owner[key]
            case "add" if isinstance(owner[key], dict):
                owner[key][draw(st.text(max_size=12))] = copy.deepcopy(draw(JSON))
            case "add" if isinstance(owner[key], list):
                owner[key].append(copy.deepcopy(draw(JSON)))
            case "deep":
                for _ in range(draw(st.sampled_from([2, 50, 250]))):
                    owner[key] = [owner[key]]
    return value["root"]


@st.composite
def spoilt(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes like these, of which some are changed, lost, doubled or come on top."""
    found = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(found)))
        end = min(len(found), begin + draw(st.integers(0, 12)))
        found[begin:end] = draw(st.binary(max_size=6) | st.sampled_from(ODD_BYTES))
    return bytes(found)


def as_json(value: Any) -> bytes:
    """As a careless program writes it: NaN, and halves of surrogate pairs, included."""
    return json.dumps(value, ensure_ascii=True).encode()
