"""sentence-transformers' LogitScore: which tokens of the vocabulary are a model's answers."""

from serve_app.engine.files import ModelError
from serve_app.engine.models.fields import Fields
from serve_app.engine.modules.listing import Entry

LOGIT_SCORE = "LogitScore"
READS = "causal_logits"


def read_answers(entry: Entry, vocabulary: int) -> tuple[int, int]:
    """The ids of the tokens for yes and no, of which the score is the difference of the logits.

    vocabulary: how many tokens the model has. Raises ModelError, naming file and field, where they are not two of it.
    """
    fields = Fields.read(entry.folder / "config.json")
    fields.only("module_input_name", READS, default=READS)
    true, false = (_token(fields, name, vocabulary) for name in ("true_token_id", "false_token_id"))
    fields.refuse_unknown()
    return true, false


def _token(fields: Fields, name: str, vocabulary: int) -> int:
    if fields.has(name) and name not in fields:
        raise _one_logit(fields, name)
    token_id = fields.whole(name, least=0)
    if token_id >= vocabulary:
        raise fields.refusal(name, f"{token_id:,} is not in the vocabulary of {vocabulary:,} tokens")
    return token_id


def _one_logit(fields: Fields, name: str) -> ModelError:
    return fields.refusal(name, "null is not supported: a score is how much surer the model is of yes than of no")
