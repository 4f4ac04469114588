from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from gan_experiments.errors import UserError
from gan_experiments.tracking.mlflow.uri import check_uri, database_file


def _refusal(uri: str) -> str:
    with pytest.raises(UserError) as caught:
        check_uri(uri)
    message = str(caught.value)
    assert message.startswith("tracking.uri=")
    assert "\n" not in message
    return message


def test_a_relative_database_lies_in_the_working_directory() -> None:
    assert check_uri("sqlite:///mlflow.db") == f"sqlite:///{Path.cwd()}/mlflow.db"
    assert not Path("mlflow.db").exists()


@pytest.mark.parametrize(
    "name",
    [
        "a b",
        "a%20b",
        "a#b",
        "a?b",
        "a=b+c,d",
        'it\'s "q"',
        "üml",
        "{b}",
        "a;b&c",
        "$HOME",
        "[1]",
        "100%",
        "a:b",
        "%3F",
    ],
)
def test_names_of_folders_are_just_names(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlalchemy

    folder = Path(name).absolute()
    folder.mkdir()
    monkeypatch.chdir(folder)
    uri = check_uri("sqlite:///mlflow.db")
    assert sqlalchemy.make_url(uri).database == str(folder / "mlflow.db")
    assert database_file(uri) == folder / "mlflow.db"
    monkeypatch.chdir("/")
    assert check_uri(uri) == uri  # on record, and read again
    assert check_uri(f"sqlite:///{folder}/mlflow.db") == uri  # as a person writes it
    assert check_uri(f"{uri}?timeout=5") == f"{uri}?timeout=5"


def test_a_database_that_exists_is_taken_and_left_as_it_is() -> None:
    with closing(sqlite3.connect("there.db")) as connection:
        connection.execute("CREATE TABLE a (b)")
    before = Path("there.db").read_bytes()
    assert check_uri("sqlite:///there.db").endswith("/there.db")
    assert Path("there.db").read_bytes() == before


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("mlruns", "plain folders"),
        ("file:///tmp/mlruns", "plain folders"),
        ("ftp://somewhere", "allowed are sqlite:///"),
        ("sqlite://", "allowed are sqlite:///"),
        ("sqlite:///", "names no file"),
        ("sqlite:////", "names no file"),
        ("sqlite:///missing/mlflow.db", "missing does not exist"),
        ("http://127.0.0.1:9", "no server answers there"),
        ("http://", "no server answers there"),
        ("postgresql+nosuchdriver://localhost/x", "cannot be opened"),
    ],
)
def test_what_cannot_be_opened_is_refused(uri: str, reason: str) -> None:
    assert reason in _refusal(uri)


def test_a_file_that_is_no_database_is_refused() -> None:
    Path("notes.txt").write_text("dear diary, " * 20)
    assert "is not an SQLite database" in _refusal("sqlite:///notes.txt")


def test_a_server_that_is_not_mlflow_is_refused() -> None:
    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.handle_request).start()
        assert "is it an MLflow server?" in _refusal(f"http://127.0.0.1:{server.server_port}")


def test_a_password_is_not_shown() -> None:
    assert "secret" not in _refusal("postgresql+nosuchdriver://me:secret@localhost/x")
