"""The models of one gateway, each with all that turns text into scores or vectors."""

from collections import Counter
from dataclasses import dataclass

from serve_app.catalog.card import Card
from serve_app.domain.input_format import InputFormat
from serve_app.domain.merge import Scores
from serve_app.domain.model import ModelInfo, ModelState
from serve_app.domain.prompt_template import default_instruction
from serve_app.domain.scores import relevance
from serve_app.engine.assembly import TextSide
from serve_app.engine.tokenizer import Tokenizer
from serve_app.service.availability import Availability
from serve_app.service.dispatch import Dispatcher


@dataclass(frozen=True, slots=True)
class BrokenModel:
    """A model that could not be made ready to serve. created: see ModelState. failure: why."""

    card: Card
    created: int
    failure: str

    def info(self) -> ModelInfo:
        """The model as it is listed."""
        state = ModelState("failed", self.created, failure=self.failure)
        instruction = default_instruction(self.card.prompt)
        return ModelInfo(self.card, state, self.card.context_length, instruction=instruction)


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that can be asked. created: see ModelState."""

    card: Card
    created: int
    text_side: TextSide
    dispatcher: Dispatcher
    availability: Availability

    @property
    def tokenizer(self) -> Tokenizer:
        """What splits its texts into tokens."""
        return self.text_side.tokenizer

    @property
    def form(self) -> InputFormat:
        """How it wants its input."""
        return self.text_side.form

    @property
    def width(self) -> int | None:
        """Numbers of the vector that it gives for a text; None for a cross-encoder."""
        return self.text_side.vector_width

    def relevance(self, scores: Scores) -> Scores:
        """The model's own scores as values from 0 to 1."""
        return relevance(scores, self.form)

    def info(self) -> ModelInfo:
        """The model as it is listed: what its replicas report is the same at every gateway."""
        reports = self.dispatcher.replicas.reports()
        precisions = Counter(report.precision for report in reports).most_common(1)
        state = ModelState(
            status=self.availability.status,
            created=self.created,
            replicas=self.dispatcher.running,
            documents_per_s=sum(report.documents_per_s for report in reports) or None,
            precision=precisions[0][0] if precisions else None,
            pooling=self.text_side.pooling,
            failure=self.availability.failure,
            queue_s=self.dispatcher.queue_s,
            tokens_per_s=sum(report.tokens_per_s for report in reports) or None,
        )
        return ModelInfo(
            self.card, state, self.form.max_tokens, self.width, default_instruction(self.text_side.template)
        )
