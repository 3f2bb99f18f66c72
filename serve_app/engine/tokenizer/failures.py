"""Whatever transformers and tokenizers raise over a model's files, in our words."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def refused_as(refusal: Callable[[], Exception]) -> Iterator[None]:
    """Raise this error in place of any other.

    transformers and protobuf raise errors of many kinds, tokenizers bare ones; a panic in Rust is no Exception at all.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        raise refusal() from None
