"""The Dockerfile: what a linter finds, and what only this project knows."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from setuptools import find_packages

from serve_app.settings import AccountsSettings

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deployments" / "Dockerfile"
HADOLINT = shutil.which("hadolint", path=Path(sys.executable).parent)


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(name, rest) for line in text.splitlines() if line for name, _, rest in [line.partition(" ")]]


@pytest.mark.skipif(not HADOLINT, reason="hadolint comes as a package for Linux alone")
def test_the_linter_finds_nothing() -> None:
    found = subprocess.run([str(HADOLINT), DOCKERFILE], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_base_is_one_exact_release_of_the_python_that_is_tested() -> None:
    (base,) = [rest for name, rest in instructions() if name == "FROM"]
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", base)


def test_the_container_runs_as_the_user_that_the_manifests_name() -> None:
    names = [name for name, _ in instructions()]
    assert instructions()[names.index("USER")][1] == "1000"
    assert names.index("USER") > max(at for at, name in enumerate(names) if name == "RUN")
    assert "runAsUser: 1000" in (ROOT / "deployments" / "kubernetes" / "base" / "rayservice.yaml").read_text()


def test_a_change_of_the_code_does_not_install_the_libraries_again() -> None:
    steps = [rest for name, rest in instructions() if name in ("COPY", "RUN")]
    libraries = next(at for at, step in enumerate(steps) if "-r pyproject.toml" in step)
    code = next(at for at, step in enumerate(steps) if step.startswith("serve_app"))
    assert libraries < code
    assert "-c constraints.txt" in steps[libraries]


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {source for name, rest in instructions() if name == "COPY" for source in shlex.split(rest)[:-1]}
    assert copied == kept
    assert all((ROOT / each).exists() for each in copied)


def test_what_is_installed_has_every_folder_of_the_code() -> None:
    found = find_packages(str(ROOT), include=["serve_app*"])
    assert {ROOT / name.replace(".", "/") for name in found} == {path.parent for path in ROOT.glob("serve_app/**/*.py")}


def test_a_ledger_can_be_kept_where_the_command_keeps_it() -> None:
    home = [rest for name, rest in instructions() if name == "WORKDIR"][-1]
    folder = f"{home}/{Path(AccountsSettings().database).parent}"
    assert any(f"install --directory --owner=ray --mode=700 {folder}" in rest for _, rest in instructions())


def test_nothing_is_left_to_compile_on_a_root_that_is_read_only() -> None:
    installs = re.findall(r"uv pip install [^&]*", " ".join(rest for name, rest in instructions() if name == "RUN"))
    assert installs
    assert all("--compile-bytecode" in each for each in installs)


def test_kuberays_probe_finds_its_program() -> None:
    assert any("apt-get install" in rest and " wget" in rest for _, rest in instructions())


def test_triton_finds_a_compiler_and_the_headers_of_c() -> None:
    (packages,) = [rest for _, rest in instructions() if "apt-get install" in rest]
    assert {"gcc", "libc6-dev"} <= set(packages.split())


def test_triton_keeps_its_code_where_it_may_be_loaded_from() -> None:
    """Of what the example mounts to be written to, /tmp alone is mounted with exec."""
    settings = dict(
        each.split("=", 1) for name, rest in instructions() if name == "ENV" for each in rest.split() if "=" in each
    )
    mounts = re.findall(r"--tmpfs (/[\w/]+):(\S+)", DOCKERFILE.read_text())
    loadable = [place for place, options in mounts if "exec" in options.split(",")]
    assert any(settings["TRITON_CACHE_DIR"].startswith(f"{place}/") for place in loadable)
