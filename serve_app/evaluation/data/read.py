"""A collection from what a user names: files, a folder, a public collection, or a data set on the hub."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Literal, get_args

from serve_app.domain.errors import UserError, shown
from serve_app.evaluation.collection import Collection
from serve_app.evaluation.data import hub, labelled_pairs, public, reranking_rows, smart
from serve_app.evaluation.data.columns import Columns
from serve_app.evaluation.data.documents import add_documents, add_folder
from serve_app.evaluation.data.folders import (
    Parts,
    choose_split,
    data_files,
    describe,
    files_of,
    find_parts,
)
from serve_app.evaluation.data.gathering import Gathering
from serve_app.evaluation.data.judgements import add_judgements
from serve_app.evaluation.data.queries import add_queries
from serve_app.evaluation.data.rows import Row, name_of, read_rows
from serve_app.evaluation.data.top_ranked import add_top_ranked
from serve_app.evaluation.data.trec_run import add_run
from serve_app.evaluation.faults import Faults

# auto: recognised. rows: C-MTEB's query, positive, negative. pairs: query, document, label. parts: BEIR's and mteb's
# folders, or files of one's own.
Layout = Literal["auto", "rows", "pairs", "parts", "cranfield"]

INSTRUCTIONS = "instruction"  # mteb's, for models that follow them
LOOKED_FOR = (
    "looked for: BEIR's or mteb's parts (queries and corpus or documents, each a file or a folder, and qrels), "
    f"Cranfield's files ({', '.join(smart.FILES)}), or data files (.jsonl, .json, .csv, .tsv, .parquet, also .gz) of "
    "rows with query, positive and negative, or with query, document and label"
)


def read_collection(
    sources: Sequence[str],
    *,
    faults: Faults,
    layout: Layout = "auto",
    split: str | None = None,
    candidates: Path | None = None,
    columns: Mapping[str, str] | None = None,
) -> Collection:
    """The collection that sources name. Local paths go first.

    sources: one of a folder or file in a layout that is known, `ir_datasets:NAME`, or a hub's `org/name` or
    `org/name@revision`; or QUERIES DOCUMENTS [QRELS], where DOCUMENTS may be a folder of text files. split: of a folder
    that has several; test, dev, validation, val or train, the first that is there, where none is named. candidates: a
    TREC run, whose documents are reranked. columns: names of fields by role: query, query_id, document, document_id,
    title, grade. Raises UserError naming file and line.
    """
    if layout not in get_args(Layout):
        raise UserError(f"no layout {shown(layout)}; there are {', '.join(get_args(Layout))}")
    named = Columns(columns or {})
    try:
        gathering = _gather(sources, faults, named, layout, split)
        if candidates is not None:
            add_run(gathering, candidates)
        named.require_met()
    except OSError as error:
        raise UserError(f"{error.filename or sources[0]}: {error.strerror or error}") from None
    return gathering.collection()


def _gather(sources: Sequence[str], faults: Faults, columns: Columns, layout: Layout, split: str | None) -> Gathering:
    if not 1 <= len(sources) <= 3:
        raise UserError(f"{len(sources)} sources; a collection is one, or QUERIES DOCUMENTS [QRELS]")
    if len(sources) > 1:
        return _own([_there(source) for source in sources], faults, columns, layout, split)
    source = sources[0]
    if public.is_public(source) and not Path(source).exists():
        return public.gather(source, faults)
    path = Path(source) if Path(source).exists() or not hub.is_hub_id(source) else hub.fetched(source)
    gathering = Gathering(_called(Path(source)), faults)
    path = _there(str(path))
    if path.is_dir():
        _add_folder(gathering, path, columns, layout, split)
    else:
        if split is not None:
            raise UserError(f"{name_of(path)}: a file has no splits; --split is of a folder")
        _add_rows(gathering, read_rows([path], faults), columns, layout, name_of(path))
    return gathering


def _there(source: str) -> Path:
    path = Path(source)
    if not path.exists():
        raise UserError(f"{name_of(path)}: no such file or folder")
    return path


def _called(path: Path) -> str:
    """What the collection of a path is called: its last part."""
    return name_of(Path(path.name or path.resolve().name))


def _own(paths: Sequence[Path], faults: Faults, columns: Columns, layout: Layout, split: str | None) -> Gathering:
    """A user's own: queries, documents, and judgements where there are some."""
    if layout not in {"auto", "parts"}:
        raise UserError(f"--layout {layout} is of one source, and there are {len(paths)}")
    if split is not None:
        raise UserError("--split is of a folder with several; here each file is named")
    queries, documents, *qrels = paths
    for path in (queries, *qrels):
        if path.is_dir():
            raise UserError(f"{name_of(path)}: a folder, where a file is needed: QUERIES DOCUMENTS [QRELS]")
    gathering = Gathering(_called(queries), faults)
    if not documents.is_dir():
        add_documents(gathering, [documents], columns)
    else:
        add_folder(gathering, documents)
    add_queries(gathering, [queries], columns)
    if qrels:
        add_judgements(gathering, qrels, columns)
    return gathering


def _add_folder(gathering: Gathering, folder: Path, columns: Columns, layout: Layout, split: str | None) -> None:
    if layout == "cranfield" or (layout == "auto" and smart.is_cranfield(folder)):
        smart.add_cranfield(gathering, folder)
        return
    parts = find_parts(folder) if layout in {"auto", "parts"} else None
    if parts is not None:
        _add_parts(gathering, folder, parts, columns, split)
        return
    place = name_of(folder)
    splits = data_files(folder)
    if not splits and (folder / "data").is_dir():
        splits = data_files(folder / "data")
    if layout == "parts" or not splits:
        raise UserError(f"{place}: not known what this folder is; {LOOKED_FOR}; found: {describe(folder)}")
    chosen = choose_split(splits, split, place)
    gathering.faults.note(f"{place}: split {chosen}, of {', '.join(splits)}")
    _add_rows(gathering, read_rows(splits[chosen], gathering.faults), columns, layout, place)


def _add_parts(gathering: Gathering, folder: Path, parts: Parts, columns: Columns, split: str | None) -> None:
    place = name_of(folder)
    chosen = choose_split(parts.qrels or parts.queries, split, place) if split or parts.qrels else ""
    if chosen:
        gathering.faults.note(f"{place}: split {chosen}, of {', '.join(parts.qrels or parts.queries)}")
    if isinstance(parts.documents, Path):
        add_folder(gathering, parts.documents)
    else:
        add_documents(gathering, files_of(parts.documents, chosen, f"{place}: documents"), columns)
    add_queries(gathering, files_of(parts.queries, chosen, f"{place}: queries"), columns)
    if parts.qrels:
        add_judgements(gathering, files_of(parts.qrels, chosen, f"{place}: qrels"), columns)
        if chosen:
            gathering.drop_other_splits()
    if (folder / INSTRUCTIONS).is_dir():
        gathering.faults.remark(f"{place}: {INSTRUCTIONS}/ is not read: all queries are ranked with one instruction")
    if parts.top_ranked:
        add_top_ranked(gathering, files_of(parts.top_ranked, chosen, f"{place}: top_ranked"))


def _add_rows(gathering: Gathering, rows: Iterator[Row], columns: Columns, layout: Layout, place: str) -> None:
    """Take rows that hold a collection each by itself."""
    first = next(rows, None)
    if first is None:
        gathering.require(0, "row", place)
        return
    rows = chain([first], rows)
    if layout == "rows" or (layout == "auto" and reranking_rows.has_fields(first.fields, columns)):
        reranking_rows.add_rows(gathering, rows, columns)
    elif layout == "pairs" or (layout == "auto" and labelled_pairs.has_fields(first.fields, columns)):
        labelled_pairs.add_rows(gathering, rows, columns)
    else:
        raise UserError(
            f"{first.place}: neither query, positive and negative, nor query, document and label; it has "
            f"{shown(list(first.fields))}; where these are queries, name the documents, too: QUERIES DOCUMENTS [QRELS]"
        )
