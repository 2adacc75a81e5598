from __future__ import annotations

from pathlib import Path

import pytest

from ingest.station_settings import load
from storage.errors import Refused

GOOD = 'server = "http://10.0.0.5:8470"\nstation_key = "/etc/liuhen/station.json"\n'


def test_the_command_line_goes_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "dock.toml"
    file.write_text(GOOD + "at_once = 2\n")
    settings = load(file, {"server": "https://other/x", "wipe": "safe", "state": None})
    assert (settings.server, settings.at_once, settings.wipe) == ("https://other/x", 2, "safe")
    assert settings.state == Path("/var/lib/liuhen-dock")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("server = \n", "line 1"),
        ('station_key = "/k"\n', "server"),
        (GOOD + "sever = 1\n", "sever"),
        (GOOD + 'mounts = ["media"]\n', "absolute"),
        (GOOD + 'wipe = "always"\n', "wipe"),
        (GOOD + "at_once = 0\n", "at_once"),
        (GOOD + "patience = nan\n", "patience"),
        (GOOD.replace("http://", "ftp://"), "server"),
        (GOOD + '[cameras]\n"UNKNOWN-1" = "a\\u001bb"\n', "cameras"),
        ("\udcff", "dock.toml"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: str, word: str) -> None:
    file = tmp_path / "dock.toml"
    file.write_bytes(content.encode("utf-8", errors="surrogateescape"))
    with pytest.raises(Refused) as refused:
        load(file, {})
    assert word in refused.value.en
    assert str(file) in refused.value.zh


def test_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="No such file"):
        load(tmp_path / "absent.toml", {})
