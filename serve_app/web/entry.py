"""What a person has entered into the form by which models are tried."""

from dataclasses import dataclass

from serve_app.domain.errors import ServiceError
from serve_app.web.asking import Form
from serve_app.web.pasted import FORMS, documents_in
from serve_app.web.trial import Input


@dataclass(frozen=True, slots=True)
class Entry:
    """The form's fields, as they are shown again. form: how the documents are written, "" to find out."""

    query: str = ""
    documents: str = ""
    form: str = ""
    whole: bool = True
    instruction: str = ""

    def input(self) -> Input:
        """What is asked. Raises ServiceError invalid_request, which says what is missing."""
        pasted = documents_in(self.documents, self.form)
        query = (pasted.query or self.query).strip()  # a whole request that was pasted brings its own
        if not query:
            raise ServiceError("invalid_request", "the query is empty: say what the documents are ranked by", "query")
        if not pasted.texts:
            raise ServiceError("invalid_request", "there are no documents: put one in each line", "documents")
        found_out = not self.form and pasted.form != "lines"
        read_as = FORMS[pasted.form] if found_out else ""
        told, brought = self.instruction.strip(), (pasted.instruction or "").strip()
        return Input(query, pasted.texts, self.whole, read_as, instruction=told, brought=brought)


def entry_of(form: Form) -> Entry:
    """The fields of a form that was sent."""
    return Entry(
        query=form.get("query", ""),
        documents=form.get("documents", ""),
        form=form.get("form", ""),
        whole=form.get("whole", "") in {"on", "true"},
        instruction=form.get("instruction", ""),
    )
