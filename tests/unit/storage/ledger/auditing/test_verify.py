from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.errors import IntegrityError
from storage.ledger import entry, merkle, note, tiles
from storage.ledger.auditing import verify
from storage.ledger.auditing.fault import Fault, Proves
from storage.ledger.auditing.verify import Progress
from tests.support.ledger import SIGNER, VKEY, bodies, event, log, reading

ENTRIES = bodies(600)
FILES = log(ENTRIES, steps=[100, 300])


def fault(files: dict[str, bytes], since: bytes | None = None) -> Fault:
    with pytest.raises(Fault) as caught:
        verify.check(reading(files), VKEY, names=files, since=since)
    return caught.value


def altered(path: str, position: int) -> dict[str, bytes]:
    content = bytearray(FILES[path])
    content[position] ^= 1
    return FILES | {path: bytes(content)}


def test_a_whole_log_holds() -> None:
    result = verify.check(reading(FILES), VKEY, names=FILES)
    assert (result.checkpoint.size, result.subjects, result.unchecked) == (600, 3, ())


def test_an_empty_log_holds() -> None:
    assert verify.check(reading(log([])), VKEY).checkpoint.size == 0


def test_progress_is_told_tile_by_tile() -> None:
    assert list(verify.audit(reading(FILES), VKEY)) == [Progress(256, 600), Progress(512, 600), Progress(600, 600)]


def test_every_entry_is_visited_in_order() -> None:
    seen: list[tuple[int, bytes]] = []
    list(verify.audit(reading(FILES), VKEY, visit=lambda index, body: seen.append((index, body))))
    assert seen == list(enumerate(ENTRIES))


def test_an_altered_entry_is_named_with_its_bytes() -> None:
    start = sum(len(body) + 2 for body in ENTRIES[256:260]) + 2
    found = fault(altered("tile/entries/001", start + 10))
    assert (found.path, found.index, found.span) == ("tile/entries/001", 260, (start, start + len(ENTRIES[260])))
    assert "this entry was altered" in str(found)
    assert "条目被改动" in found.zh


def test_an_altered_leaf_hash_is_told_from_an_altered_entry() -> None:
    found = fault(altered("tile/0/001", 4 * 32 + 5))
    assert (found.path, found.index, found.span) == ("tile/0/001", 260, (128, 160))
    assert "leaf hash was altered" in str(found)


def test_an_altered_upper_hash_is_named() -> None:
    found = fault(altered("tile/1/000.p/2", 40))
    assert (found.path, found.span) == ("tile/1/000.p/2", (32, 64))


def test_an_altered_leftover_partial_tile_is_named() -> None:
    found = fault(altered("tile/0/000.p/100", 3))
    assert (found.path, found.span) == ("tile/0/000.p/100", (3, 4))


def test_an_altered_checkpoint_is_named() -> None:
    assert "not valid" in str(fault(altered("checkpoint", len(SIGNER.name) + 2)))


def test_a_dropped_entry_is_found() -> None:
    files = log(ENTRIES[:599]) | {"checkpoint": FILES["checkpoint"]}
    with pytest.raises(IntegrityError, match=r"tile/entries/002\.p/88 is damaged: it is missing"):
        verify.check(reading(files), VKEY)


def rewritten() -> list[bytes]:
    """The same events with one payload changed and all chains made right again: what an insider would make."""
    made, last = [], dict[str, bytes]()
    for number, body in enumerate(ENTRIES):
        found = entry.parse(body).event
        new = event(number, found.subject, {"n": -1}) if number == 5 else found
        made.append(entry.encode(new, last.get(new.subject)))
        last[new.subject] = merkle.leaf_hash(made[-1])
    return made


def test_a_history_rewritten_throughout_is_found_by_the_signed_root() -> None:
    files = log(rewritten()) | {"checkpoint": FILES["checkpoint"]}
    assert "history was rewritten" in str(fault(files))


def test_a_history_rewritten_and_signed_again_is_found_by_an_older_checkpoint() -> None:
    since = log(ENTRIES[:400])["checkpoint"]
    assert verify.check(reading(FILES), VKEY, since=since).checkpoint.size == 600
    assert "forked" in str(fault(log(rewritten()), since=since))


def test_a_log_cut_short_and_signed_again_is_found_by_an_older_checkpoint() -> None:
    assert "cut short" in str(fault(log(ENTRIES[:500]), since=FILES["checkpoint"]))


def test_an_entry_that_skips_its_chain_is_named() -> None:
    broken = [*ENTRIES[:10], entry.encode(event(10, "recording:r1"), merkle.leaf_hash(ENTRIES[4]))]
    found = fault(log(broken))
    assert found.index == 10
    assert "entry 7, the last of recording:r1" in str(found)


def test_an_event_logged_twice_is_named() -> None:
    twice = [*ENTRIES[:3], entry.encode(event(1, "recording:r1"), merkle.leaf_hash(ENTRIES[1]))]
    assert "event-1 is in the log twice" in str(fault(log(twice)))


def test_a_malformed_entry_is_named() -> None:
    assert "entry 0" in str(fault(log([b"{}"])))


def test_a_missing_file_is_named() -> None:
    files = {path: content for path, content in FILES.items() if path != "tile/0/001"}
    with pytest.raises(IntegrityError, match="tile/0/001 is damaged: it is missing"):
        verify.check(reading(files), VKEY)


def test_files_the_checkpoint_says_nothing_about_are_listed() -> None:
    extra = FILES | {"README": b"", "tile/0/002.p/90": b"", "tile/9/000.p/1": b""}
    result = verify.check(reading(extra), VKEY, names=extra)
    assert result.unchecked == ("README", "tile/0/002.p/90", "tile/9/000.p/1")


def test_a_partial_tile_that_is_tidied_away_meanwhile_is_no_fault() -> None:
    left = {path: content for path, content in FILES.items() if path != "tile/0/000.p/100"}
    assert verify.check(reading(left), VKEY, names=FILES).unchecked == ()


def test_another_key_proves_nothing() -> None:
    with pytest.raises(Fault, match="no trusted key"):
        verify.check(reading(FILES), "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")


def test_the_log_of_the_tests_is_made_of_tiles() -> None:
    assert {tile.path for tile in tiles.written(0, 600)} < set(FILES)


def test_a_fault_says_what_it_proves() -> None:
    found = fault(altered("tile/entries/001", 700))
    assert found.proves is Proves.ALTERED
    assert "says nothing against the signer" in str(found)
    assert "与签发者无关" in found.zh


def test_a_rule_broken_in_what_was_signed_convicts_the_writer() -> None:
    broken = [*ENTRIES[:10], entry.encode(event(10, "recording:r1"), merkle.leaf_hash(ENTRIES[4]))]
    assert fault(log(broken)).proves is Proves.RULE_BROKEN


def test_a_rule_broken_in_what_was_never_signed_convicts_nobody() -> None:
    """Entries and hashes changed together by somebody without the key."""
    broken = [*ENTRIES[:599], entry.encode(event(599, "recording:r2"), None)]
    found = fault(log(broken) | {"checkpoint": FILES["checkpoint"]})
    assert (found.index, found.proves) == (599, Proves.ALTERED)


def test_an_older_checkpoint_convicts_nobody_when_the_files_are_not_the_signed_ones() -> None:
    found = fault(log(rewritten()) | {"checkpoint": FILES["checkpoint"]}, since=log(ENTRIES[:400])["checkpoint"])
    assert found.proves is Proves.REWRITTEN


def test_two_heads_of_one_size_are_a_fork() -> None:
    assert fault(FILES, since=log(rewritten())["checkpoint"]).proves is Proves.FORKED


def test_an_older_checkpoint_of_another_key_is_refused() -> None:
    other = note.Ed25519Signer(SIGNER.name, Ed25519PrivateKey.generate())
    found = fault(FILES, since=log(ENTRIES[:400], other)["checkpoint"])
    assert "the older checkpoint that was kept" in str(found)


def test_a_missing_file_proves_only_that_the_copy_is_not_whole() -> None:
    files = {path: content for path, content in FILES.items() if path != "tile/entries/001"}
    assert fault(files).proves is Proves.NOT_WHOLE
