"""Which log the `liuhen log` commands look at, and the key that it is held to."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from storage.ledger.checkpoint import Checkpoint
    from storage.ledger.folder import LedgerFolder
    from storage.ledger.logkeys import LogKeys

VKEY_FILE = "log.vkey"
"""The public key in a copied log. Whoever can pin it from elsewhere should."""

Data = Annotated[Path | None, typer.Option(help="数据目录 · data directory (LIUHEN_DATA, ./liuhen-data)")]
Log = Annotated[
    Path | None,
    typer.Argument(metavar="[FOLDER]", help="存证链目录或其副本 · a log's folder or a copy of it (of --data)"),
]
Key = Annotated[
    str | None,
    typer.Option(help="独立取得的公钥（一行文字或文件）· public key from an independent source (line or file)"),
]
AsJson = Annotated[bool, typer.Option("--json", help="输出 JSON · print one JSON object")]


@dataclass(frozen=True, slots=True)
class Place:
    """`vkey`: the public key to believe, None where none is at hand. `given`: it was named by the caller."""

    folder: LedgerFolder
    vkey: str | None
    given: bool

    @property
    def warning(self) -> list[tuple[str, str]]:
        if self.given:
            return []
        zh = "提示：公钥取自该目录本身；请用 --key 给出独立取得的公钥，以防整个目录被替换。"
        return [(zh, "note: the key is the folder's own; give one from elsewhere with --key to rule out a swapped one")]

    def believed(self) -> str:
        """The key. Raises Refused when there is none."""
        from storage.errors import Refused

        if self.vkey is None:
            raise Refused(
                "请用 --key 给出存证链公钥（采集站密钥文件或单位公告中有）。",
                "give the ledger's public key with --key (it is in a station's key file and in the bureau's notice)",
            )
        return self.vkey

    def keys(self) -> LogKeys:
        """The log's keys over time. Raises Refused, IntegrityError."""
        from storage.ledger.auditing import heads

        return heads.keys(self.folder.read, self.believed())

    def head(self) -> tuple[bytes, Checkpoint]:
        """The published checkpoint, its signature checked. Raises Refused, IntegrityError."""
        from storage.ledger.auditing import heads

        now = heads.moment(self.folder.read, self.believed())
        return now.signed, now.head


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """What the disk refuses becomes one clear line: the file's name and the reason. Raises Refused."""
    from storage.errors import Refused

    try:
        yield
    except OSError as error:
        raise Refused(f"无法读取：{error}", f"can't be read: {error}") from error


def find(log: Path | None, data: Path | None, key: str | None = None) -> Place:
    """The log in `log` (its folder, a copy, or a data directory), else in the data directory. Raises NotFound."""
    from pipeline.bootstrap import read_settings
    from storage.errors import NotFound
    from storage.ledger.folder import LedgerFolder

    is_data = log is not None and (log / "ledger" / "checkpoint").exists()
    settings = read_settings(data=log if is_data else data)
    folder = LedgerFolder(settings.ledger if log is None or is_data else log)
    if folder.checkpoint() is None:
        raise NotFound(
            f"{folder.root} 中没有存证链；请给出其目录，或用 --data 指定数据目录。",
            f"there is no ledger in {folder.root}: name its folder, or a data directory with --data",
        )
    own = None
    if not key:
        beside = folder.root / VKEY_FILE
        in_data = log is None or is_data
        own = own_key(settings) if in_data else beside.read_text("utf-8").strip() if beside.is_file() else None
    return Place(folder, read_key(key) or own, bool(key))


def read_key(key: str | None) -> str | None:
    """The key as given, or what stands in the file of that name: one line, or a station's key file."""
    if key is None or not Path(key).is_file():
        return key
    content = Path(key).read_text(encoding="utf-8").strip()
    return str(json.loads(content)["log"]) if content.startswith("{") else content


def own_key(settings: Settings) -> str | None:
    """The public key of the data directory's own signing key, under the name its checkpoint has; None without one."""
    from pipeline.bootstrap import passphrase
    from storage.errors import LiuhenError
    from storage.ledger import checkpoint, note
    from storage.ledger.keys import load

    given = settings.key_passphrase is not None or (settings.keys / "passphrase").exists()  # else one would be made
    if not given or not (settings.keys / "ledger.pem").exists():
        return None
    origin = settings.origin
    with contextlib.suppress(LiuhenError, OSError):
        origin = checkpoint.parse(note.parse((settings.ledger / "checkpoint").read_bytes()).text).origin
    with contextlib.suppress(LiuhenError, OSError):
        return str(load(settings.keys / "ledger.pem", origin, passphrase(settings)).verifier)
    return None


def kept_checkpoint(file: Path) -> bytes:
    """The checkpoint in a file that somebody kept: the note itself, or a receipt or proof that ends with one.

    Raises Refused when it can't be read or holds none.
    """
    from storage.errors import Refused

    try:
        content = file.read_bytes()
    except OSError as error:
        raise Refused(f"无法读取 {file}：{error.strerror}。", f"{file} can't be read: {error.strerror}") from error
    head, blank, rest = content.partition(b"\n\n")
    if head.startswith((b"c2sp.org/tlog-proof@", b"old ")):
        content = rest
    if not blank or not content:
        raise Refused(f"{file} 中没有检查点。", f"there is no checkpoint in {file}")
    return content
