import pytest

from serve_app.cli.main import main


def rayrank(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command in this process. Returns its exit status; an error that is not the user's is raised."""
    monkeypatch.setattr("sys.argv", ["rayrank", *arguments])
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
