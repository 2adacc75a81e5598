"""The rules of the house, checked like any other behaviour: layers, types, style, names, sizes."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("storage", "pipeline", "ingest", "api")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def tool(name: str) -> str:
    """A program of the environment these tests run in."""
    return str(Path(sys.executable).parent / name)


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Each module of the four packages: its path from the root and its syntax tree."""
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            yield file.relative_to(ROOT).as_posix(), ast.parse(file.read_text(encoding="utf-8"))


def test_layers_hold() -> None:
    checked = run(tool("lint-imports"))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_types_are_strict() -> None:
    checked = run(sys.executable, "-m", "mypy")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("arguments", [("check", "--no-fix"), ("format", "--check")], ids=["lint", "format"])
def test_style_is_clean(arguments: tuple[str, ...]) -> None:
    checked = run(tool("ruff"), *arguments)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("name", PACKAGES)
def test_no_other_distribution_owns_our_names(name: str) -> None:
    """An editable install lists no packages, a wheel lists ours; a stranger's `storage` would show in both."""
    assert set(packages_distributions().get(name, [])) <= {"liuhen"}
    module = importlib.import_module(name)
    assert Path(module.__file__ or "").parent == ROOT / name


def reads_a_variable(node: ast.AST) -> bool:
    """`os.environ["X"]`, `os.environ.get("X")`, `os.getenv("X")`. Handing the whole on to a program is no reading, nor
    is PATH: it says where programs are, not what we are to do."""
    text = ast.unparse(node) if isinstance(node, ast.Subscript | ast.Call) else ""
    return text.startswith(("os.environ[", "os.environ.", "os.getenv(")) and not text.startswith(
        ("os.environ.get('PATH'", "os.environ['PATH']")
    )


def test_only_bootstrap_reads_the_environment() -> None:
    readers = {path for path, tree in sources() for node in ast.walk(tree) if reads_a_variable(node)}
    assert readers <= {"pipeline/bootstrap.py"}


def test_only_the_children_in_the_sandbox_import_libav() -> None:
    """probe reads packets, zygote forks probes, still_reader decodes single pictures, deep decodes all: a child of its
    own, which takes what it needs of time and memory."""
    importers = {
        path
        for path, tree in sources()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Import) and any(name.name.split(".")[0] == "av" for name in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "av")
    }
    assert importers <= {f"pipeline/media/{name}.py" for name in ("probe", "zygote", "still_reader", "deep")}


def test_no_function_is_longer_than_a_screen() -> None:
    too_long = [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in sources()
        for node in ast.walk(tree)
        if "/migrations/" not in path  # a schema is a list, and never edited again
        and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > 60
    ]
    assert too_long == []


def test_the_npm_lock_names_versions_and_digests_but_no_hosts() -> None:
    """So that the machine's own npm registry is used, whichever it is."""
    packages = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    installed = {name: entry for name, entry in packages.items() if name}
    assert installed["node_modules/htmx.org"]["version"]
    assert all("integrity" in entry and "resolved" not in entry for entry in installed.values())
