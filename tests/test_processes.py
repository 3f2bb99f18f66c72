"""What a process imports, libraries' own imports included: import-linter sees what our own files name."""

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
COMMAND = """
from typer.testing import CliRunner
from serve_app.cli.commands import app
assert CliRunner().invoke(app, {arguments!r}).exit_code == 0
"""
DOMAIN = sorted(path.stem for path in (Path(__file__).parents[1] / "serve_app" / "domain").glob("[a-z]*.py"))


def imported_by(code: str) -> set[str]:
    """Packages that a new process imports by running this code."""
    command = [sys.executable, "-c", f"import sys\nbefore = set(sys.modules)\n{code}\n{PACKAGES}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_domain_imports_numpy_and_nothing_else() -> None:
    assert DOMAIN
    imported = imported_by(f"import numpy; from serve_app.domain import {', '.join(DOMAIN)}")
    assert imported - sys.stdlib_module_names == {"numpy", "serve_app"}


def test_a_look_at_the_machine_imports_no_torch_and_no_ray() -> None:
    code = (
        "from serve_app.cli.commands import app; "
        "from typer.testing import CliRunner; CliRunner().invoke(app, ['doctor'])"
    )
    assert not imported_by(code) & {"ray", "torch", "transformers", "fastapi"}


@pytest.mark.parametrize("command", ["models", "settings"])
def test_a_command_that_only_lists_imports_nothing_heavy(command: str) -> None:
    assert not imported_by(COMMAND.format(arguments=[command])) & {"ray", "torch", "fastapi", "starlette", "tokenizers"}


def test_a_gateway_imports_no_torch() -> None:
    imported = imported_by("import serve_app.app, serve_app.serving.gateway")
    assert "ray" in imported
    assert "torch" not in imported


def test_ranking_here_imports_no_server_and_no_compiler(tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.write_text("Paris\nBananas\n")
    imported = imported_by(COMMAND.format(arguments=["rank", "capital", str(documents)]))
    assert "torch" in imported
    # sympy comes with torch's compiler, pandas and sklearn with transformers' further parts.
    assert not imported & {"ray", "fastapi", "starlette", "sqlalchemy", "alembic", "sympy", "pandas", "sklearn"}
