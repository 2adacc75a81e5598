"""Any sequence of right and wrong PATCHes leaves the upload either where it was or further on with the right bytes."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import station
from tests.support.docking import PlainStation, b64, stored
from tests.support.server import Server, enrol, run_server

SIZE = 700_000
KINDS = ["plain", "checked", "wrong-checksum", "wrong-offset", "over-long", "unannounced", "empty"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("data"), min_free=0) as running:
        yield running


@pytest.fixture(scope="module")
def st01(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainStation]:
    key: Path = enrol(server.data, tmp_path_factory.mktemp("keys"))
    with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as http:
        yield PlainStation(http, station.load(key))


Steps = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, SIZE // 2)), max_size=8)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=Steps, seed=st.integers(0, 1 << 62))
def test_patches_in_any_order(server: Server, st01: PlainStation, steps: list[tuple[str, int]], seed: int) -> None:
    data = random.Random(seed).randbytes(SIZE)
    st01.dock({"a": data})
    url = st01.begin("a", SIZE)
    offset = 0
    for kind, length in steps:
        offset = _step(st01, url, data, offset, kind, length)
        assert st01.offset(url) == offset
        if offset == SIZE:
            break
    if offset < SIZE:
        assert st01.patch(url, offset, data[offset:]).status_code == 204
    assert stored(server.data, data) == data
    st01.receipt(data)


def _step(st01: PlainStation, url: str, data: bytes, offset: int, kind: str, length: int) -> int:
    """Do one step and say where the upload must stand afterwards."""
    piece = data[offset : offset + length]
    after = offset + len(piece)
    checksum = f"sha256 {b64(hashlib.sha256(piece).digest())}"
    junk = b"\xff" * length
    if kind in ("plain", "unannounced"):
        body = piece if kind == "plain" else iter([piece])
        assert st01.patch(url, offset, body).status_code == 204
        return after
    if kind == "checked":
        assert st01.patch(url, offset, piece, Upload_Checksum=checksum).status_code == 204
        return after
    if kind == "empty":
        assert st01.patch(url, offset, b"").status_code == 204
    elif kind == "wrong-offset":
        assert st01.patch(url, offset + 1, junk).status_code in (409, 413)
    elif kind == "over-long":
        assert st01.patch(url, offset, iter([junk, b"\xff" * SIZE])).status_code == 413
    else:
        assert st01.patch(url, offset, bytes(len(piece)), Upload_Checksum=checksum).status_code == 460
    return offset
