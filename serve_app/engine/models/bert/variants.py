"""What BERT and its closest relatives call their tensors, and what follows their first token. No torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from serve_app.engine.layers import names
from serve_app.engine.layers.names import LayerNames

if TYPE_CHECKING:
    from serve_app.engine.layers.activation import Activation


@dataclass(frozen=True, slots=True)
class Variant:
    """A relative of BERT.

    prefix: what a checkpoint with a head puts before the encoder's names. dense, activation, out: the cross-encoder's
    head, two products and what is between them.
    """

    prefix: str
    names: LayerNames
    dense: str
    activation: "Activation"
    out: str


# BERT's dense layer is its pooler; RoBERTa has all of the head in its classifier.
BERT = Variant("bert.", names.BERT, "pooler.dense", "tanh", "classifier")
ROBERTA = Variant("roberta.", names.BERT, "classifier.dense", "tanh", "classifier.out_proj")
ELECTRA = Variant("electra.", names.BERT, "classifier.dense", "gelu", "classifier.out_proj")
DISTILBERT = Variant("distilbert.", names.DISTILBERT, "pre_classifier", "relu", "classifier")
MPNET = Variant("mpnet.", names.MPNET, "classifier.dense", "tanh", "classifier.out_proj")
