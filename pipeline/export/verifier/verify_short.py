#!/usr/bin/env python3
"""核验本光盘，程序短小，可以通读 · Verify this disc by a program that is short enough to be read.

python3 verify_short.py KEY [FOLDER] needs Python 3.9 and openssl 3.0, or newer. It checks what makes the disc evidence;
verify.py the explanation and rotations of the key, too. Exit code 0: sound; 1: wrong, and what; 2: can't be checked.
"""

import argparse
import base64
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path
from typing import Any


def need(truth: object, zh: str, en: str) -> None:
    """End the program with these sentences unless something holds."""
    if not truth:
        sys.exit(f"不通过：{zh}\nFAILED: {en}")


def sha256(*parts: bytes) -> bytes:
    """SHA-256 of the parts, joined."""
    return hashlib.sha256(b"".join(parts)).digest()


def tree_root(leaves: list[bytes]) -> bytes:
    """The root over leaf hashes (RFC 6962, 2.1)."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256()
    left = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1", tree_root(leaves[:left]), tree_root(leaves[left:]))


def proven_root(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """The root that an inclusion proof leads to (RFC 6962, 2.1.1); `path` begins with the leaf's sibling."""
    if size < 2 or not path:
        return leaf if (index, size, path) == (0, 1, []) else b""
    left = 1 << (size - 1).bit_length() - 1
    if index < left:
        return sha256(b"\1", proven_root(index, left, leaf, path[:-1]), path[-1])
    return sha256(b"\1", path[-1], proven_root(index - left, size - left, leaf, path[:-1]))


def check_checkpoint(signed: bytes, vkey: str) -> None:
    """The Ed25519 key signed this checkpoint of its log (c2sp.org/signed-note). Raises OSError without openssl."""
    name, key_id, encoded = vkey.split("+", 2)
    key, (text, _, tail) = base64.b64decode(encoded), signed.decode().rpartition("\n\n")
    lines = [base64.b64decode(each) for each in re.findall(rf"(?m)^— {re.escape(name)} (\S+)$", tail)]
    signatures = [each[4:] for each in lines if each[:4].hex() == key_id == sha256(name.encode(), b"\n", key)[:4].hex()]
    formed = key[:1] == b"\1" and len(key) == 33 and len(signatures) == 1 and text.split("\n")[0] == name
    en = "ledger/checkpoint is not signed by this key (if the key was rotated, verify.py can follow)"
    need(formed, "ledger/checkpoint 没有此公钥的签名（密钥轮换过的，用 verify.py）", en)
    der, command = bytes.fromhex("302a300506032b6570032100") + key[1:], "openssl pkeyutl -verify -pubin -keyform DER"
    with tempfile.TemporaryDirectory() as folder:
        for file, content in {"key": der, "text": text.encode() + b"\n", "signature": signatures[0]}.items():
            Path(folder, file).write_bytes(content)
        command += " -inkey key -rawin -in text -sigfile signature"
        done = subprocess.run(command.split(), cwd=folder, capture_output=True, check=False)
    if b"Signature Verif" not in done.stdout + done.stderr:
        raise OSError(f"openssl 3.0 is needed, this one says {done.stderr!r}")
    need(done.returncode == 0, "ledger/checkpoint 的签名无效", "the signature of ledger/checkpoint is not valid")


def open_proof(content: bytes, name: str, signed: bytes) -> dict[str, Any]:
    """The entry of a proof (c2sp.org/tlog-proof), if it is in the tree of this checkpoint."""
    head, _, own = content.partition(b"\n\n")
    lines, (size, root) = head.decode("ascii").split("\n"), signed.decode().split("\n")[1:3]
    body, *path = (base64.b64decode(each) for each in (lines[1][6:], *lines[3:]))
    index, leaf = int(lines[2][6:]), sha256(b"\0", body)
    first, *rest = (base64.b64encode(each).decode() for each in (body, *path))
    same = lines == ["c2sp.org/tlog-proof@v1", f"extra {first}", f"index {index}", *rest] and own == signed
    need(same, f"{name} 不是对光盘检查点的证明", f"{name} is not a proof against the disc's checkpoint")
    formed = len(path) < 64 and all(len(each) == 32 for each in path)
    proven = formed and proven_root(index, int(size), leaf, path) == base64.b64decode(root)
    need(proven, f"{name} 中的条目不在存证链内", f"the entry in {name} is not in the ledger")
    return {**json.loads(body.decode()), "index": index, "leaf": leaf.hex()}


def check_lists(disc: Path) -> dict[str, tuple[str, list[bytes], int]]:
    """All files are plain, listed and unchanged, and none is missing: SHA-256, 1 MiB leaf hashes and size of each."""
    lists = ("tagmanifest-sha256.txt", "manifest-sha256.txt")
    lines = [line for each in lists for line in (disc / each).read_text("utf-8").splitlines()]
    listed, files = {line[66:]: line[:64] for line in lines}, {}
    need(len(listed) == len(lines), "清单中有重复的行", "a line of the lists is there twice")
    found = [each for each in disc.rglob("*") if each.is_symlink() or not each.is_dir()]
    paths = {unicodedata.normalize("NFC", each.relative_to(disc).as_posix()): each for each in found}
    for name in sorted({*listed, *paths} - {lists[0]}, key=lambda each: (each.startswith("data/"), each)):
        need(name in paths, f"缺少文件 {name}", f"the file {name} is missing")
        need(name in listed, f"多出未登记的文件 {name}", f"the file {name} is not on the list: it was added")
        need(not paths[name].is_symlink(), f"{name} 不是普通文件", f"{name} is not a plain file")
        whole, leaves = hashlib.sha256(), list[bytes]()
        with paths[name].open("rb") as file:
            while chunk := file.read(1 << 20):
                whole.update(chunk)
                leaves.append(sha256(b"\0", chunk))
            files[name] = whole.hexdigest(), leaves, file.tell()
        need(whole.hexdigest() == listed[name], f"文件 {name} 的内容已改变", f"the content of {name} was changed")
    return files


def check_log(disc: Path, files: dict[str, tuple[str, list[bytes], int]], vkey: str) -> None:
    """The custody chain is whole up to the export's approval, and the files under data/ are those it speaks of."""
    signed, entries = (disc / "ledger/checkpoint").read_bytes(), list[dict[str, Any]]()
    check_checkpoint(signed, vkey)
    for name in sorted(files, key=lambda each: (len(each), each)):
        if name.startswith("ledger/proofs/"):
            entry = open_proof((disc / name).read_bytes(), name, signed)
            last = entries[-1] if entries else {"leaf": None, "index": -1}
            follows = entry["prev"] == last["leaf"] and entry["index"] > last["index"]
            need(follows, f"{name} 与前一条目不相连", f"{name} does not follow the entry before it")
            entries.append(entry)
    info = dict(line.split(": ", 1) for line in (disc / "bag-info.txt").read_text("utf-8").splitlines())
    ours = {each["subject"] for each in entries} == {info["External-Identifier"]}
    need(ours, "条目不都属于 bag-info.txt 所记的音像记录", "not all entries are of the recording in bag-info.txt")
    told = [(each["event"], each["payload"]) for each in entries]
    approved = [each["request"] for event, each in told if event == "request.decided" and each["approved"] is True]
    whole = info["Internal-Sender-Identifier"] in [f"request:{each}" for each in approved]
    need(whole, "没有 bag-info.txt 所记申请的批准条目", "no entry approves the request in bag-info.txt: it was cut")
    received = {each["sha256"]: (each["size"], each["root"]) for event, each in told if event == "original.received"}
    reports = [each["report_sha256"] for event, each in told if event == "analysis.made"][-1:]
    made = [*reports, *(each["sha256"] for event, each in told if event == "derivative.made")]
    need(not reports or "data/report.json" in files, "缺少 data/report.json", "data/report.json is missing")
    for name, (digest, leaves, size) in files.items():
        if name.startswith("data/originals/"):
            same = received.pop(digest, None) == (size, tree_root(leaves).hex())
            need(same, f"{name} 不是入库时的原件", f"{name} is not an original as it was received")
        elif name.startswith("data/"):
            need(digest in made, f"{name} 没有制作条目", f"no entry says that {name} was made")
    need(not received, f"缺少原件 {[*received]}", f"originals are missing: {[*received]}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Verify this disc. Exit code 0: sound, 1: wrong, 2: not checked.")
    parser.add_argument("key", help="the ledger's public key, one line, from an independent source")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    given = parser.parse_args()
    try:
        check_log(given.folder, check_lists(given.folder), given.key)
    except OSError as error:
        sys.stderr.write(f"无法完成核验：{error}\nERROR, could not check: {error}\n")
        sys.exit(2)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        sys.exit(f"不通过：内容格式不正确\nFAILED: malformed content: {error!r}")
    sys.stderr.write("通过：原件与保管链和存证链所记一致。\nPASSED: originals and custody chain are as recorded.\n")
