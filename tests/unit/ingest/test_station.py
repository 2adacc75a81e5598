"""The station's key file on its disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest import station
from ingest.station import StationKey
from tests.support.ledger import VKEY


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_key_file_that_root_replaces_stays_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "station.json"
    StationKey("ST-01", Ed25519PrivateKey.generate(), VKEY).save(path)
    os.chown(path, 65534, 65534)
    key = Ed25519PrivateKey.generate()
    StationKey("ST-01", key, VKEY).replace(path)
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (65534, 65534, 0o600)
    assert station.as_pem(station.load(path).key) == station.as_pem(key)
