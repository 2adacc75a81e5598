"""`liuhen admin user`: accounts from the console."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import make_cli
from pipeline.sessions import Sessions
from storage.catalogue.catalogue import Catalogue
from storage.clock import now
from storage.errors import Conflict, NotFound

run = CliRunner()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def admin_user(data: Path, *arguments: str) -> str:
    """Run the command; its own errors come out as they are raised, for `main` to print."""
    result = run.invoke(make_cli(), ["admin", "user", *arguments, "--data", str(data)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_user_added_at_the_console_can_sign_in(data: Path) -> None:
    made = json.loads(
        admin_user(data, "add", "chen", "--name", "陈浩", "--role", "officer", "--role", "approver", "--json")
    )
    catalogue = Catalogue(f"sqlite:///{data / 'liuhen.db'}")
    _, found = Sessions(catalogue, now).sign_in(made["login"], made["password"], "console")
    catalogue.close()
    assert (found.user.name, found.user.roles, found.user.must_change) == ("陈浩", ["officer", "approver"], True)


def test_users_are_listed_and_reset(data: Path) -> None:
    first = json.loads(admin_user(data, "add", "chen", "--name", "陈浩", "--role", "officer", "--json"))
    again = json.loads(admin_user(data, "reset", "chen", "--json"))
    assert first["password"] != again["password"]
    listed = [json.loads(line) for line in admin_user(data, "list", "--json").splitlines()]
    assert listed == [{"login": "chen", "name": "陈浩", "roles": ["officer"], "disabled": False}]
    assert "陈浩" in admin_user(data, "list")
    assert again["password"] not in admin_user(data, "list")


def test_a_taken_login_and_an_unknown_one_are_refused(data: Path) -> None:
    admin_user(data, "add", "chen", "--name", "陈浩", "--role", "officer")
    with pytest.raises(Conflict):
        admin_user(data, "add", "chen", "--name", "陈浩", "--role", "officer")
    with pytest.raises(NotFound):
        admin_user(data, "reset", "nobody")


def test_a_role_that_is_none_is_refused(data: Path) -> None:
    result = run.invoke(make_cli(), ["admin", "user", "add", "x1", "--name", "x", "--role", "god", "--data", str(data)])
    assert result.exit_code == 2
