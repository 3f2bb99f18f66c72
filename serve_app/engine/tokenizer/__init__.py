"""A model's own tokenizer: the one that the released transformers makes of its directory, or a refusal."""

from serve_app.engine.tokenizer.files import check_tokenizer_files
from serve_app.engine.tokenizer.frame import Frame
from serve_app.engine.tokenizer.pieces import LEAD, Piece
from serve_app.engine.tokenizer.tokenizer import Places, Tokenizer

__all__ = ["LEAD", "Frame", "Piece", "Places", "Tokenizer", "check_tokenizer_files"]
