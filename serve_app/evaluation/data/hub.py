"""Data sets of the Hugging Face hub: their data files, in the hub's cache."""

import re
from pathlib import Path

from serve_app.domain.errors import UserError

HUB_ID = re.compile(r"(?P<name>[\w][\w.-]*/[\w][\w.-]*)(@(?P<revision>[\w./-]+))?", re.ASCII)
# Never code: a data set may bring a loader, which is not fetched.
PATTERNS = ["*.jsonl", "*.jsonl.gz", "*.json", "*.csv", "*.tsv", "*.parquet"]
TIMEOUT_S = 15.0


def is_hub_id(source: str) -> bool:
    """Whether a source may be `org/name` or `org/name@revision`."""
    return HUB_ID.fullmatch(source) is not None


def fetched(source: str) -> Path:
    """The folder of a data set in the hub's cache, downloaded where it is not there.

    Without a network what is in the cache is taken. Raises UserError in one line where there is none.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    matched = HUB_ID.fullmatch(source)
    assert matched is not None
    name, revision = matched["name"], matched["revision"]
    neither = f"{source}: no such file or folder, and"
    try:
        # Asked first, because the download tries again for half a minute where there is no network.
        HfApi().dataset_info(name, revision=revision, timeout=TIMEOUT_S)
        return Path(snapshot_download(name, repo_type="dataset", revision=revision, allow_patterns=PATTERNS))
    except RevisionNotFoundError:
        raise UserError(f"{neither} the hub's data set {name} has no revision {revision}") from None
    except RepositoryNotFoundError:
        raise UserError(f"{neither} the hub has no such data set, or it is private: then give HF_TOKEN") from None
    except Exception as error:  # its own, its HTTP library's, or the system's
        if (kept := _cached(name, revision)) is not None:
            return kept
        raise UserError(
            f"{neither} the hub cannot be reached ({type(error).__name__}); where it can be: hf download {name} "
            f"--repo-type dataset{f' --revision {revision}' if revision else ''} --local-dir DIR; then evaluate DIR"
        ) from None


def _cached(name: str, revision: str | None) -> Path | None:
    from huggingface_hub import snapshot_download

    try:
        kept = snapshot_download(
            name, repo_type="dataset", revision=revision, allow_patterns=PATTERNS, local_files_only=True
        )
    except Exception:  # nothing there, or a name that the hub's library refuses
        return None
    return Path(kept)
