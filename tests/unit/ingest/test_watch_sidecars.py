"""Sidecars in the watched folder: used, kept byte for byte, moved along, and never the end of a recording."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from pipeline.bootstrap import Services, wire
from pipeline.descriptions import of_recording
from pipeline.settings import Settings
from storage.catalogue.tables import Description, Entry, Original, Recording, Rejection
from storage.ledger import commitment
from storage.ledger.proof import verify_receipt
from tests.unit.ingest.test_watch import watcher

TOLD = '{"serial": "LH00099", "officer": "王强", "place": "东门市场"}'.encode()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    made = wire(Settings(data=tmp_path_factory.mktemp("data"), max_upload=1 << 20, min_free=0))
    made.start(threads=0)
    yield made
    made.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "watched").mkdir()
    return tmp_path / "watched"


def received(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder / "received").as_posix() for path in (folder / "received").rglob("*.*"))


def original(services: Services, folder: Path, name: str) -> Original:
    receipt = verify_receipt((folder / "received" / f"{name}.tlog-proof").read_bytes(), services.log_key.vkey)
    with services.catalogue.read() as session:
        return session.get_one(Original, receipt.entry.event.payload["sha256"])


def descriptions(services: Services, sha256: str) -> list[Description]:
    with services.catalogue.read() as session:
        return list(session.scalars(select(Description).where(Description.original_sha256 == sha256)))


def logged(services: Services, recording: str, event: str = "original.described") -> list[dict[str, object]]:
    with services.catalogue.read() as session:
        drafts = session.scalars(
            select(Entry.draft).where(Entry.subject == f"recording:{recording}", Entry.event == event)
        )
        return [json.loads(draft)["payload"] for draft in drafts]


@pytest.mark.parametrize("beside", ["a.json", "a.mp4.json", "A.JSON"])
def test_a_sidecar_names_the_camera_and_moves_along(shared: Services, folder: Path, beside: str) -> None:
    (folder / "a.mp4").write_bytes(b"video" + beside.encode())
    (folder / beside).write_bytes(TOLD)
    watcher(shared, folder).scan()
    assert received(folder) == sorted(["a.mp4", "a.mp4.tlog-proof", beside])
    found = original(shared, folder, "a.mp4")
    with shared.catalogue.read() as session:
        assert session.get_one(Recording, found.recording_id).device_serial == "LH00099"
        ((name, row, says),) = [each for each in of_recording(session, found.recording_id) if each[1].name == beside]
    assert (name, says["officer"]) == ("a.mp4", "王强")
    assert base64.b64decode(row.content) == TOLD == (folder / "received" / beside).read_bytes()


def test_the_ledger_has_its_digest_as_a_commitment_and_no_person(shared: Services, folder: Path) -> None:
    (folder / "b.mp4").write_bytes(b"b")
    (folder / "b.xml").write_bytes("<r><serial>LH1</serial><officer>王强</officer></r>".encode())
    watcher(shared, folder).scan()
    found = original(shared, folder, "b.mp4")
    (row,) = descriptions(shared, found.sha256)
    (payload,) = logged(shared, found.recording_id)
    commitment.verify(payload["digest"], row.sha256, bytes.fromhex(row.salt))  # type: ignore[arg-type]
    assert payload["device"] == "LH1" and "王强" not in str(payload) and row.sha256 not in str(payload)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.xml", b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a><serial>&x;</serial></a>'),
        ("c.json", b"{"),
        ("c.json", b"\x00\xff" * 200_000),
    ],
)
def test_a_hostile_one_stays_beside_with_a_note_and_the_recording_comes_in(
    shared: Services, folder: Path, name: str, content: bytes
) -> None:
    (folder / "c.mp4").write_bytes(b"c" + content[-5:])
    (folder / name).write_bytes(content)
    watcher(shared, folder).scan()
    assert received(folder) == sorted(["c.mp4", "c.mp4.tlog-proof", name, f"{name}.error.txt"])
    assert (folder / "received" / name).read_bytes() == content
    row = descriptions(shared, original(shared, folder, "c.mp4").sha256)[-1]
    assert row.zh and row.en and json.loads(row.says) == {}


def test_two_sidecars_that_disagree_name_no_camera(shared: Services, folder: Path) -> None:
    (folder / "LH5_1.mp4").write_bytes(b"disagree")
    (folder / "LH5_1.json").write_bytes(b'{"serial": "A"}')
    (folder / "LH5_1.xml").write_bytes(b"<a><serial>B</serial></a>")
    watcher(shared, folder).scan()
    found = original(shared, folder, "LH5_1.mp4")
    with shared.catalogue.read() as session:
        assert session.get_one(Recording, found.recording_id).device_serial not in ("A", "B")
    assert len(descriptions(shared, found.sha256)) == 2


def test_a_recording_waits_a_little_for_its_sidecar(shared: Services, folder: Path) -> None:
    made = watcher(shared, folder, settle=0.2)
    (folder / "d.mp4").write_bytes(b"d")
    made.scan()
    _age(made, 0.25)
    made.scan()
    assert (folder / "d.mp4").exists()
    (folder / "d.json").write_bytes(TOLD)
    made.scan()
    _age(made, 0.25)
    made.scan()
    assert received(folder) == ["d.json", "d.mp4", "d.mp4.tlog-proof"]


def test_it_does_not_wait_for_ever(shared: Services, folder: Path) -> None:
    made = watcher(shared, folder, settle=0.2)
    (folder / "e.mp4").write_bytes(b"e")
    made.scan()
    _age(made, 0.45)
    made.scan()
    assert received(folder) == ["e.mp4", "e.mp4.tlog-proof"]


def test_one_that_comes_late_is_kept_with_its_recording(shared: Services, folder: Path) -> None:
    made = watcher(shared, folder)
    (folder / "f.mp4").write_bytes(b"f")
    made.scan()
    (folder / "f.json").write_bytes(TOLD)
    made.scan()
    assert received(folder) == ["f.json", "f.mp4", "f.mp4.tlog-proof"]
    found = original(shared, folder, "f.mp4")
    assert len(descriptions(shared, found.sha256)) == len(logged(shared, found.recording_id)) == 1


def test_one_that_comes_first_waits_for_its_recording(shared: Services, folder: Path) -> None:
    made = watcher(shared, folder)
    (folder / "g.json").write_bytes(TOLD)
    (folder / "g.mp4.part").write_bytes(b"hal")
    made.scan()
    assert (folder / "g.json").exists()
    (folder / "g.mp4.part").rename(folder / "g.mp4")
    made.scan()
    assert received(folder) == ["g.json", "g.mp4", "g.mp4.tlog-proof"]


def test_one_that_stays_alone_is_a_file_like_any_other(shared: Services, folder: Path) -> None:
    (folder / "h.json").write_bytes(b'{"track": []}')
    watcher(shared, folder, alone=0).scan()
    assert received(folder) == ["h.json", "h.json.tlog-proof"]


def test_the_same_names_again_stay_together(shared: Services, folder: Path) -> None:
    made = watcher(shared, folder)
    for content in (b"i1", b"i2"):
        (folder / "i.mp4").write_bytes(content)
        (folder / "i.json").write_bytes(TOLD + content)
        made.scan()
    assert (folder / "received" / "i~2.mp4").read_bytes() == b"i2"
    assert (folder / "received" / "i~2.json").read_bytes() == TOLD + b"i2"


def test_a_crash_after_it_was_recorded_records_it_once(
    shared: Services, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest.watched import Taking
    from tests.unit.ingest.test_watch import _cut

    (folder / "j.mp4").write_bytes(b"j")
    (folder / "j.json").write_bytes(TOLD)
    monkeypatch.setattr(Taking, "_receive", _cut)
    with pytest.raises(KeyboardInterrupt):
        watcher(shared, folder).scan()
    monkeypatch.undo()
    watcher(shared, folder).scan()
    found = original(shared, folder, "j.mp4")
    assert len(descriptions(shared, found.sha256)) == len(logged(shared, found.recording_id)) == 1


def test_a_refused_recording_takes_its_sidecar_along_and_is_told_once(shared: Services, folder: Path) -> None:
    (folder / "LH7_k.mp4").write_bytes(b"x" * ((1 << 20) + 1))
    (folder / "LH7_k.json").write_bytes(TOLD)
    watcher(shared, folder).scan()
    assert sorted(path.name for path in (folder / "rejected").iterdir()) == [
        "LH7_k.json",
        "LH7_k.mp4",
        "LH7_k.mp4.error.txt",
    ]
    with shared.catalogue.read() as session:
        (row,) = session.scalars(select(Rejection).where(Rejection.path == "LH7_k.mp4"))
        drafts = session.scalars(select(Entry.draft).where(Entry.event == "upload.rejected")).all()
    assert (row.door, row.code, row.size, row.station_id) == ("watch", "too-large", (1 << 20) + 1, None)
    assert row.place.endswith("rejected/LH7_k.mp4") and "过大" in row.zh
    assert [p for d in drafts if (p := json.loads(d)["payload"])["rejection"] == row.id]


def test_unfinished_names_are_left_alone_and_a_rename_works_at_once(shared: Services, folder: Path) -> None:
    made = watcher(shared, folder, settle=3600)
    for name in ("l.mp4.part", "l.mp4.filepart", "l.tmp", ".l.mp4"):
        (folder / name).write_bytes(name.encode())
    made.scan()
    assert len([path for path in folder.iterdir() if path.is_file()]) == 4
    (folder / "l.mp4.part").rename(folder / "l.mp4")
    made.scan()
    assert received(folder) == ["l.mp4", "l.mp4.tlog-proof"]
    assert len([path for path in folder.iterdir() if path.is_file()]) == 3


def _age(made: object, seconds: float) -> None:
    """As if the files had stood still for so much longer."""
    settling = made._settling  # type: ignore[attr-defined]
    settling._since = {path: (state, since - seconds) for path, (state, since) in settling._since.items()}
