#!/usr/bin/env python3
"""核验本光盘：python3 verify.py [--key 公钥] [目录] · Verify this disc: python3 verify.py [--key VKEY] [FOLDER]

Needs Python 3.8 or newer and nothing else: no network, no installation; it writes nothing to the disc. Exit code 0:
everything is as recorded; 1: something is wrong, and the first wrong thing is named; 2: it could not be checked.
You need not trust this program: the format is public (docs/export.md of Liuhen) and anyone may write another.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path
from typing import Any, Callable, Iterable, Tuple  # noqa: UP035 - Python 3.8

CHUNK = 1 << 20
TAGS = "tagmanifest-sha256.txt"
NAMES = re.compile(
    r"data/(originals/[^/]+|access/[^/]+|report\.json)|chunks/[0-9a-f]{64}|ledger/proofs/\d{4,}\.tlog-proof"
    r"|ledger/(checkpoint|log\.vkey|rotations)|(bagit|bag-info|manifest-sha256|tagmanifest-sha256|README)\.txt"
    r"|制作说明\.pdf|EXPLANATION\.pdf|explanation\.json|INDEX\.html|verify(_short)?\.py"
)


class Wrong(Exception):
    """Something is not as recorded: a sentence in Chinese, one in English."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


# Ed25519 (RFC 8032, 5.1) in plain integers; a point is (X, Y, Z, T) -------------------------------------------------
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT = -121665 * pow(121666, P - 2, P) % P, pow(2, (P - 1) // 4, P)
Point = Tuple[int, int, int, int]  # noqa: UP006 - Python 3.8


def add(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    return (b - a) * (d - c) % P, (d + c) * (b + a) % P, (d - c) * (d + c) % P, (b - a) * (b + a) % P


def multiply(number: int, point: Point) -> Point:
    result = (0, 1, 1, 0)
    while number:
        result = add(result, point) if number & 1 else result
        point, number = add(point, point), number >> 1
    return result


def decode_point(data: bytes) -> Point | None:
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * ROOT % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        return None
    x = x if x & 1 == sign else P - x
    return x, y, 1, x * y % P


def ed25519_verify(key: bytes, message: bytes, signature: bytes) -> bool:
    point, base, s = decode_point(key), decode_point(b"\x58" + b"\x66" * 31), int.from_bytes(signature[32:], "little")
    if not point or not base or len(signature) != 64 or s >= ORDER:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    x, y, z, _ = add(multiply(s, base), multiply(h, (P - point[0], point[1], 1, P - point[3])))
    z = pow(z, P - 2, P)
    return (y * z % P | (x * z % P & 1) << 255).to_bytes(32, "little") == signature[:32]


def openssl_verify(key: bytes, message: bytes, signature: bytes) -> bool | None:
    """A second opinion: what the openssl program says; None when there is none that can."""
    if not shutil.which("openssl"):
        return None
    der = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + key)
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name, each) for each in ("key", "message", "signature")]
        pem = b"-----BEGIN PUBLIC KEY-----\n" + der + b"\n-----END PUBLIC KEY-----\n"
        for file, content in zip(files, (pem, message, signature)):  # noqa: B905 - Python 3.8
            file.write_bytes(content)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(files[0]), "-rawin", "-in", str(files[1])]
        done = subprocess.run([*command, "-sigfile", str(files[2])], capture_output=True, check=False)
    return done.returncode == 0 if b"Verif" in done.stdout + done.stderr else None


# Hash trees (RFC 6962, RFC 9162) -----------------------------------------------------------------------------------
def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def tree_root(leaves: bytes) -> bytes:
    """The root over 32-byte leaf hashes that stand one after the other."""
    level = [leaves[at : at + 32] for at in range(0, len(leaves), 32)]
    while len(level) > 1:
        pairs = [sha256(b"\x01" + level[at] + level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = pairs + level[2 * len(pairs) :]
    return level[0] if level else sha256(b"")


def proven_root(index: int, size: int, leaf: bytes, path: Iterable[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to (RFC 9162, 2.1.3.2); None when it proves nothing."""
    last = size - 1
    for each in path:
        if last == 0 or len(each) != 32:
            return None
        right = index & 1 or index == last
        leaf = sha256(b"\x01" + each + leaf if right else b"\x01" + leaf + each)
        while right and index and not index & 1:
            index, last = index >> 1, last >> 1
        index, last = index >> 1, last >> 1
    return leaf if last == 0 and index == 0 else None


def fingerprint(key: bytes) -> str:
    digest = hashlib.sha256(key).hexdigest()
    return ":".join(digest[at : at + 4] for at in range(0, 64, 4))


class Disc:
    """The folder to verify, and what the steps have learnt of it so far."""

    def __init__(self, folder: Path, key: str | None, say: Callable[..., None], tick: Callable[..., None]) -> None:
        self.folder, self.key, self.say, self.tick = folder, key, say, tick
        self.paths: dict[str, Path] = {}
        self.payload: dict[str, tuple[str, bytes, int]] = {}
        self.entries: list[dict[str, Any]] = []
        self.subject, self.request, self.head, self.second = "", "", ("", 0, b""), False

    def read(self, name: str) -> bytes:
        if name not in self.paths:
            raise Wrong(f"缺少文件 {name}", f"the file {name} is missing")
        return self.paths[name].read_bytes()

    def digest(self, name: str) -> tuple[str, bytes, int]:
        """SHA-256, 1 MiB leaf hashes and size of a file, in one reading."""
        whole, leaves, size, total = hashlib.sha256(), bytearray(), 0, self.paths[name].stat().st_size or 1
        with self.paths[name].open("rb") as file:
            for chunk in iter(lambda: file.read(CHUNK), b""):
                whole.update(chunk)
                leaves += sha256(b"\x00" + chunk)
                size += len(chunk)
                self.tick(name, size / total)
        return whole.hexdigest(), bytes(leaves), size

    def payloads(self, event: str) -> list[dict[str, Any]]:
        return [each["payload"] for each in self.entries if each["event"] == event]


# The steps ---------------------------------------------------------------------------------------------------------
def find_files(disc: Disc) -> None:
    def stop(error: OSError) -> None:
        raise error

    for folder, folders, files in os.walk(disc.folder, onerror=stop):
        for path in (Path(folder, each) for each in [*files, *folders]):
            name = os.fsencode(path.relative_to(disc.folder).as_posix()).decode("utf-8", "replace")
            name = unicodedata.normalize("NFC", name)
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise Wrong(f"{name} 不是普通文件", f"{name} is not a plain file")
            if name in disc.paths:
                raise Wrong(f"文件名 {name} 出现两次", f"two files have the name {name}")
            if path.is_file():
                disc.paths[name] = path


def read_list(disc: Disc, manifest: str) -> dict[str, str]:
    listed: dict[str, str] = {}
    for line in disc.read(manifest).decode("utf-8").splitlines():
        match = re.fullmatch(r"([0-9a-f]{64})  ([^%]+)", line)
        if not match or match[2] in listed:
            raise Wrong(f"{manifest} 有错误的一行：{line}", f"{manifest} has a malformed or repeated line: {line}")
        listed[match[2]] = match[1]
    return listed


def check_lists(disc: Disc) -> None:
    find_files(disc)
    if not disc.read("bagit.txt").startswith(b"BagIt-Version: 1.0\n"):
        raise Wrong("bagit.txt 不是 BagIt 1.0", "bagit.txt does not say BagIt 1.0")
    tags, payload = read_list(disc, TAGS), read_list(disc, "manifest-sha256.txt")
    for name in sorted({*tags, *payload, *disc.paths} - {TAGS}):
        if name not in disc.paths:
            raise Wrong(f"缺少文件 {name}", f"the file {name} is missing")
        if name not in (payload if name.startswith("data/") else tags):
            raise Wrong(f"多出未登记的文件 {name}", f"the file {name} is not on the list: it was added")
        if not NAMES.fullmatch(name):
            raise Wrong(f"本格式没有文件 {name}", f"the file {name} has no place on such a disc")
    for name, expected in [*sorted(tags.items()), *sorted(payload.items())]:
        found = disc.digest(name)
        if found[0] != expected:
            zh, en = where(disc, found[1], expected)
            raise Wrong(f"文件 {name} 的内容已改变{zh}", f"the content of {name} was changed{en}")
        if name in payload:
            disc.payload[name] = found
    disc.say(f"    {len(disc.paths)} 个文件，无缺、无多、无改动", f"    {len(disc.paths)} files, all as listed")


def where(disc: Disc, leaves: bytes, digest: str) -> tuple[str, str]:
    """The first 1 MiB of an original that is not as in its chunk list, in words."""
    known = disc.read(f"chunks/{digest}") if f"chunks/{digest}" in disc.paths else leaves
    for at in range(0, max(len(known), len(leaves)), 32):
        if known[at : at + 32] != leaves[at : at + 32]:
            first, last = at // 32 * CHUNK, at // 32 * CHUNK + CHUNK - 1
            return f"（首处在第 {first}–{last} 字节）", f" (first within bytes {first} to {last})"
    return "", ""


def check_chunks(disc: Disc) -> None:
    for name, (digest, leaves, _) in sorted(disc.payload.items()):
        known = f"chunks/{digest}"
        if not name.startswith("data/originals/"):
            continue
        if known not in disc.paths:
            raise Wrong(
                f"{name} 没有分块摘要表 {known}", f"{name} has no chunk list {known}: not an original as received"
            )
        if disc.read(known) != leaves:
            zh, en = where(disc, leaves, digest)
            raise Wrong(f"{known} 与 {name} 不符{zh}", f"{known} is not that of {name}{en}")


def decode(text: str) -> bytes:
    """Base64 in its one canonical spelling."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError(f"not canonical base64: {text}")
    return data


def parse_key(vkey: str) -> tuple[str, str, bytes]:
    """Name, identifier and 32 bytes of a log's public key."""
    name, key_id, encoded = vkey.split("+", 2)
    key = decode(encoded)
    if key[:1] != b"\x01" or len(key) != 33 or sha256(name.encode() + b"\n" + key)[:4].hex() != key_id:
        raise Wrong(f"公钥无效：{vkey}", f"ledger/log.vkey or ledger/rotations has a key that is not valid: {vkey}")
    return name, key_id, key[1:]


def open_note(disc: Disc, note: bytes, vkey: str, source: str) -> list[str]:
    """The lines of a text that the key signed (c2sp.org/signed-note). Signatures of other keys are ignored."""
    text, _, signed = note.decode("utf-8").rpartition("\n\n")
    (name, key_id, key), message = parse_key(vkey), text.encode() + b"\n"
    values = [decode(each.split(" ")[2]) for each in signed.splitlines() if each.split(" ")[1] == name]
    values = [each[4:] for each in values if each[:4].hex() == key_id]
    if not values or not all(ed25519_verify(key, message, each) for each in values):
        raise Wrong(f"{source} 的签名无效", f"the signature of {source} is not valid (by {vkey})")
    second = openssl_verify(key, message, values[0])
    if second is False:
        raise Wrong(f"openssl 认为 {source} 的签名无效", f"openssl refuses the signature of {source}")
    disc.second = bool(second)
    return text.split("\n")


def learn_keys(disc: Disc, vkey: str) -> tuple[list[str], list[int]]:
    """The log's keys in their order, and the index of each entry by which one hands over to the next.

    Both sign the tree that ends with that entry; the next alone signs all later ones. So whoever has any one of the
    keys from elsewhere can believe the one that signed this disc's checkpoint.
    """
    content = disc.read("ledger/rotations") if "ledger/rotations" in disc.paths else b""
    start, *proofs = re.split(rb"(?m)^(?=c2sp\.org/tlog-proof@v1$)", content)
    keys: list[str] = []
    turns: list[int] = []
    for each in proofs:
        entry, signed = open_proof(each, "ledger/rotations")
        note, index = entry["payload"]["note"].encode(), entry["index"]
        name, old, new = note.decode("utf-8").split("\n")[1:4]
        said = ["liuhen.key-rotation/1", name, old, new], [name, str(index + 1)], name
        for key in (old, new):
            told, head = (open_note(disc, signature, key, "ledger/rotations") for signature in (note, signed))
            if (told, head[:2], parse_key(key)[0]) != said:
                raise Wrong("ledger/rotations 中的密钥轮换无效", "ledger/rotations: a rotation of the key is not valid")
        follows = old == (keys or [old])[-1] and new not in [*keys, old] and index > max(turns, default=-1)
        if not follows or (entry["event"], entry["subject"]) != ("key.rotated", "ledger:keys"):
            raise Wrong(
                "ledger/rotations 中的密钥轮换不连贯", "ledger/rotations: the rotations do not follow each other"
            )
        keys, turns = [*(keys or [old]), new], [*turns, index]
    if start:
        raise Wrong("ledger/rotations 不是证明文件", "ledger/rotations is no row of proofs")
    return keys or [vkey], turns


def check_checkpoint(disc: Disc) -> None:
    vkey = disc.read("ledger/log.vkey").decode("utf-8").strip()
    origin, _, key = parse_key(vkey)
    keys, turns = learn_keys(disc, vkey)
    known = [*keys, *(fingerprint(parse_key(each)[2]) for each in keys)]
    if vkey not in keys or (disc.key and disc.key.strip() not in known):
        raise Wrong("公钥 ledger/log.vkey 与所给的不同", "the disc's key, ledger/log.vkey, is not the one given")
    lines = open_note(disc, disc.read("ledger/checkpoint"), vkey, "ledger/checkpoint")
    disc.head = lines[0], int(lines[1]), decode(lines[2])
    if lines[0] != origin or keys[sum(disc.head[1] > each for each in turns)] != vkey:
        raise Wrong("ledger/checkpoint 不是当时的密钥所签", "ledger/checkpoint is not signed by the key of its time")
    also = " (openssl: OK)" if disc.second else ""
    disc.say(f"    存证链 {origin}，{lines[1]} 条", f"    ledger {origin}, {lines[1]} entries{also}")
    disc.say("    公钥指纹：", f"    key fingerprint: {fingerprint(key)}")
    for each in keys:
        if each != vkey:
            disc.say("    该链的其他公钥（经轮换证明）：", f"    another key of this ledger, by rotation: {each}")
    if not disc.key:
        disc.say(
            "    请与单位公告核对，光盘不能证明自己的公钥",
            "    compare it with the bureau's notice: no disc can vouch for its key",
        )


def open_proof(content: bytes, name: str) -> tuple[dict[str, Any], bytes]:
    """A proven entry with its index, leaf and file, and the checkpoint, whose signature is not checked here."""
    head, _, signed = content.partition(b"\n\n")
    lines = head.decode("ascii").split("\n")
    plain = re.fullmatch("index (0|[1-9][0-9]*)", lines[2])
    if lines[0] != "c2sp.org/tlog-proof@v1" or lines[1][:6] != "extra " or not plain:
        raise Wrong(f"{name} 不是证明文件", f"{name} is not a proof file")
    body, index = decode(lines[1][6:]), int(lines[2][6:])
    leaf, path = sha256(b"\x00" + body), [decode(each) for each in lines[3:]]
    size, root = signed.decode("utf-8").split("\n")[1:3]
    proven = 0 <= index < int(size) and proven_root(index, int(size), leaf, path)
    if not proven or proven != decode(root):
        raise Wrong(f"{name} 中的条目不在存证链内", f"the entry in {name} is not in the ledger")
    return {**json.loads(body.decode("utf-8")), "file": name, "leaf": leaf.hex(), "index": index}, signed


def check_proofs(disc: Disc) -> None:
    names = [each for each in disc.paths if each.startswith("ledger/proofs/")]
    for name in sorted(names, key=lambda each: (len(each), each)):
        if disc.read(name).partition(b"\n\n")[2] != disc.read("ledger/checkpoint"):
            raise Wrong(f"{name} 的检查点与光盘的不同", f"{name} does not carry the disc's checkpoint")
        disc.entries.append(open_proof(disc.read(name), name)[0])
    disc.say(f"    {len(disc.entries)} 条", f"    {len(disc.entries)} entries")


def check_chain(disc: Disc) -> None:
    subjects, info = {each["subject"] for each in disc.entries}, disc.read("bag-info.txt").decode("utf-8").splitlines()
    disc.subject = subjects.pop() if len(subjects) == 1 else ""
    if not disc.subject.startswith("recording:") or f"External-Identifier: {disc.subject}" not in info:
        raise Wrong("条目不都属于 bag-info.txt 所记的音像记录", "not all entries are of the recording in bag-info.txt")
    previous, index = None, -1
    for entry in disc.entries:
        if entry["prev"] != previous or entry["index"] <= index:
            raise Wrong(f"{entry['file']} 与前一条目不相连", f"{entry['file']} does not follow the entry before it")
        previous, index = entry["leaf"], entry["index"]
    approved = [each["request"] for each in disc.payloads("request.decided") if each["approved"] is True]
    disc.request = next((each for each in approved if f"Internal-Sender-Identifier: request:{each}" in info), "")
    if not disc.request:
        raise Wrong(
            "没有 bag-info.txt 所记申请的批准条目", "no entry approves the request in bag-info.txt: the chain was cut"
        )
    disc.say(f"    {disc.subject}", f"    {disc.subject}: unbroken from its first entry, past the export's approval")


def check_originals(disc: Disc) -> None:
    received = {each["sha256"]: each for each in disc.payloads("original.received")}
    originals = {name: found for name, found in disc.payload.items() if name.startswith("data/originals/")}
    for name, (digest, leaves, size) in sorted(originals.items()):
        entry = received.pop(digest, None)
        if entry is None:
            raise Wrong(f"{name} 没有入库条目", f"no entry says that {name} was received")
        if entry["size"] != size or entry["root"] != tree_root(leaves).hex():
            raise Wrong(f"{name} 的大小或根哈希与入库条目不符", f"{name} has not the size or root that its entry says")
    for digest, entry in received.items():
        raise Wrong(f"缺少原件 {entry['name']}（{digest}）", f"the original {entry['name']} ({digest}) is missing")
    disc.say(f"    {len(originals)} 个原件", f"    {len(originals)} originals")


def check_derived(disc: Disc) -> None:
    copies = {each["sha256"] for each in disc.payloads("derivative.made") if each["kind"] == "access"}
    reports = [each["report_sha256"] for each in disc.payloads("analysis.made")]
    for name, (digest, _, _) in sorted(disc.payload.items()):
        if name == "data/report.json" and digest not in reports[-1:]:
            raise Wrong(f"{name} 不是条目所记的最新报告", f"{name} is not the newest report that the ledger recorded")
        if name.startswith("data/access/") and digest not in copies:
            raise Wrong(f"{name} 没有制作条目", f"no entry says that {name} was made")
    if reports and "data/report.json" not in disc.payload:
        raise Wrong("缺少 data/report.json", "data/report.json is missing")


def check_explanation(disc: Disc) -> None:
    said = json.loads(disc.read("explanation.json").decode("utf-8"))
    verdicts = [each["verdict"] for each in disc.payloads("analysis.made")]
    origin, size, root = disc.head
    kinds, facts = ("index", "event", "time"), ("sha256", "root", "size")
    pairs: dict[str, tuple[Any, Any]] = {
        "recording": (said["recording"]["id"], disc.subject.partition(":")[2]),
        "request": (said["request"]["id"], disc.request),
        "verdict": (said["verdict"], verdicts[-1] if verdicts else None),
        "ledger": ([said["ledger"][each] for each in ("origin", "size", "root")], [origin, size, root.hex()]),
        "custody": ([[e[k] for k in kinds] for e in said["custody"]], [[e[k] for k in kinds] for e in disc.entries]),
        "originals": (
            sorted([each[fact] for fact in facts] for each in said["originals"]),
            sorted([each[fact] for fact in facts] for each in disc.payloads("original.received")),
        ),
    }
    for name, (here, there) in pairs.items():
        if here != there:
            raise Wrong(f"explanation.json 的 {name} 与存证链不符", f"explanation.json: {name} is not the ledger's")
    if disc.read("制作说明.pdf") != disc.read("EXPLANATION.pdf"):
        raise Wrong("EXPLANATION.pdf 与 制作说明.pdf 不同", "EXPLANATION.pdf and 制作说明.pdf differ")


STEPS: list[tuple[Callable[[Disc], None], str, str]] = [
    (check_lists, "文件清单", "file lists: every file listed, unchanged, and no other"),
    (check_chunks, "原件的分块摘要", "the originals' chunk lists"),
    (check_checkpoint, "存证链检查点的签名", "the signature of the ledger's checkpoint"),
    (check_proofs, "各条目均在存证链内", "each entry is in the ledger"),
    (check_chain, "保管链首尾相连", "the custody chain is unbroken"),
    (check_originals, "原件即入库之原件", "the originals are those received"),
    (check_derived, "调阅件与检测报告", "the access copies and the report are those recorded"),
    (check_explanation, "制作说明与存证链一致", "the explanation's figures are the ledger's"),
]


def verify(
    folder: Path, key: str | None = None, say: Callable[..., None] = print, tick: Callable[..., None] = lambda *_: None
) -> str:
    """Check the disc; return the digest of its tag manifest. Raises Wrong at the first wrong thing, or OSError."""
    disc = Disc(folder, key, say, tick)
    for number, (check, zh, en) in enumerate(STEPS, 1):
        say(f"[{number}/{len(STEPS)}] {zh}", f"[{number}/{len(STEPS)}] {en}")
        try:
            check(disc)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise Wrong(f"{zh}：内容格式不正确（{error!r}）", f"{en}: malformed content ({error!r})") from error
    return sha256(disc.read(TAGS)).hex()


def speak(zh: str, en: str) -> None:
    """Both languages where the console can show Chinese, English elsewhere."""
    try:
        zh.encode(sys.stdout.encoding or "ascii")
        lines = [zh, en]
    except (UnicodeEncodeError, LookupError):
        lines = [en]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def show_progress(name: str, fraction: float) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r    {fraction:4.0%} {ascii(name)[:60]:62}" if fraction < 1 else "\r" + " " * 72 + "\r")


def main() -> int:
    parser = argparse.ArgumentParser(description="Verify this disc. Exit code 0: sound, 1: wrong, 2: not checked.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--key", help="the ledger's public key or its fingerprint, from an independent source")
    given = parser.parse_args()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        digest = verify(given.folder, given.key, speak, show_progress)
    except Wrong as wrong:
        speak(f"不通过：{wrong.zh}", f"FAILED: {wrong.en}")
        return 1
    except OSError as error:
        speak(f"无法完成核验：{error}", f"ERROR, could not check: {error}")
        return 2
    speak("整盘摘要：", f"digest of the whole bag (SHA-256 of {TAGS}): {digest}")
    speak("通过：光盘内容与存证链所记一致。", "PASSED: the disc is what the ledger recorded.")
    return 0


if __name__ == "__main__":
    code = main()
    if os.name == "nt" and len(sys.argv) == 1 and sys.stdin.isatty():  # a double click: keep the window open
        input()
    sys.exit(code)
