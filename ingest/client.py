"""The station's HTTP side: docking, resumable upload, receipts. Tries again for as long as it makes sense.

What passes by itself (connection lost, server restarting, disk low, upload locked) is tried again with growing pauses
until `patience` seconds went by without a byte accepted; what doesn't (unknown station, wrong digest) ends at once.
"""

from __future__ import annotations

import base64
import contextlib
import random
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from ingest.card import CardFile, read_file
from ingest.device import escaped
from ingest.tus_headers import BODY, VERSION
from storage.errors import Conflict, LiuhenError, NotFound, Refused, Transient

PIECE = 256 << 20  # bytes of one PATCH; the server makes every 16 MiB of it durable on the way
SMALL = 8 << 20  # bytes; a smaller file goes along with its creation, in one request
PATIENCE = 600.0  # seconds
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds
LONGEST_WORDS = 1000  # characters of a server's sentence
TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_PASSING = frozenset({408, 423, 425, 429, 460, 500, 502, 503, 504, 507})
_DOCKING = re.compile(r"[0-9A-Za-z_-]{1,64}")

Told = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the server says of one listed file. `upload`: where an unfinished upload of it goes on, or None."""

    path: str
    sha256: str
    kept: bool
    upload: str | None


@dataclass(frozen=True, slots=True)
class Docked:
    docking: str
    files: tuple[Wanted, ...]


class Mislabelled(Refused):
    """The server received other bytes than the manifest lists."""


class TokenEnded(Refused):
    """The token of this docking is no longer taken: dock again."""


class OldState(Conflict):
    """The server knows a later state of this station; `last` is its number."""

    def __init__(self, zh: str, en: str, last: int) -> None:
        super().__init__(zh, en)
        self.last = last


class ServerClient:
    """One server, one docking at a time. Thread-safe after `dock`.

    `url`: its address, or a function that gives it: then each request goes to the address of that moment. `given_up`
    is asked before each new try: when it says so, the last error is raised at once. `ca`: certificates (PEM) of which
    one must stand behind the server's, over https; None: those that this machine trusts. Raises Refused.
    """

    def __init__(
        self,
        url: str | Callable[[], str],
        *,
        patience: float = PATIENCE,
        given_up: Callable[[], bool] | None = None,
        ca: Path | None = None,
    ) -> None:
        self._address = url if callable(url) else lambda: url
        self._patience = patience
        self._given_up = given_up or (lambda: False)
        self._http = httpx.Client(timeout=TIMEOUT, trust_env=False, verify=_trusted(ca))
        self._token = ""

    def close(self) -> None:
        self._http.close()

    def dock(self, manifest: bytes, signature: str) -> Docked:
        """Hand in the manifest; the token for the uploads is kept. Raises Refused or Transient."""

        def post() -> httpx.Response:
            return self.send("POST", "/api/dockings", {"Liuhen-Signature": signature}, manifest)

        self._token, docked = _docked(self._patiently(post))
        return docked

    def receipt(self, sha256: str) -> bytes:
        return self._patiently(lambda: self.send("GET", f"/api/receipts/{sha256}", self.bearer())).content

    def rotations(self) -> bytes:
        """The ledger's file of key rotations; empty when its key never changed."""
        return self._patiently(lambda: self.send("GET", "/api/rotations", {})).content

    def rejections(self, docking: str) -> list[dict[str, Any]]:
        """What the server has set apart of this docking, newest first; empty where it can't say now."""
        try:
            answer = self.send("GET", f"/api/rejections?docking={docking}", self.bearer())
            found = answer.json()["rejections"]
        except (LiuhenError, ValueError, KeyError, TypeError):
            return []
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    def tell(self, path: str, content: bytes, signature: str) -> None:
        """Post a signed message, once. Raises Transient or Refused."""
        self.send("POST", path, {"Liuhen-Signature": signature}, content)

    def bring(self, file: CardFile, wanted: Wanted, told: Told) -> tuple[bytes, bool]:
        """Bring the file over and give its receipt, not yet verified, and whether every byte of it was read now.

        Raises OSError, Changed or LiuhenError. `told` hears how far it is, in bytes.
        """
        if wanted.upload is None and file.size <= SMALL:
            with contextlib.suppress(NotFound):  # a server that takes no whole files
                return self._bring_whole(file, told), True
        whole = self.upload(file, wanted, told)
        return self.receipt(wanted.sha256), whole

    def _bring_whole(self, file: CardFile, told: Told) -> bytes:
        """In one request. The bytes may be damaged on their way: once more, then it counts."""
        path = base64.b64encode(file.path.encode()).decode()
        headers = self.bearer(Upload_Metadata=f"path {path}", Content_Type=BODY, Content_Length=str(file.size))
        damaged = False

        def post() -> httpx.Response:
            nonlocal damaged
            try:
                return self.send("POST", "/api/files", headers, _counted(file, told))
            except Mislabelled as error:
                if damaged:
                    raise
                damaged = True
                raise Transient(error.zh, error.en) from error

        return self._patiently(post).content

    def bring_several(self, files: Mapping[str, CardFile], told: Callable[[str, int], None]) -> dict[str, bytes]:
        """Bring small files over in one request, by their SHA-256. `told` hears of a path how far it is, in bytes.

        Gives the receipts, not yet verified, of those that the server accepted; every byte of them was read now. The
        others are for `bring`, one by one. Raises OSError, Changed or LiuhenError, which count for all of them.
        """
        size = sum(file.size for file in files.values())
        headers = self.bearer(Liuhen_Files=" ".join(files), Content_Type=BODY, Content_Length=str(size))

        def content() -> Iterator[bytes]:
            for file in files.values():
                yield from _counted(file, partial(told, file.path))

        answer = self._patiently(lambda: self.send("POST", "/api/files", headers, content()))
        return _receipts(answer)

    def upload(self, file: CardFile, wanted: Wanted, told: Told) -> bool:
        """Bring the whole file over. `told` hears how far it is, in bytes. Raises OSError, Changed or LiuhenError.

        Returns whether every byte of it was read now: not so where an earlier upload was gone on with.
        """
        transfer = _Transfer(self, file, wanted.upload, told)
        self._patiently(transfer.go_on, progress=lambda: transfer.offset)
        return transfer.whole

    def send(
        self, method: str, url: str, headers: dict[str, str], content: bytes | Iterator[bytes] | None = None
    ) -> httpx.Response:
        """One request. Raises Transient, Refused and its kinds; reading errors of `content` come through."""
        address = self._address().rstrip("/")
        try:
            response = self._http.request(method, address + _path(url), headers=headers, content=content)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise _untrusted(address) from error
            raise _unreachable(address, error) from error
        if response.is_success:
            return response
        raise _refusal(response)

    def bearer(self, **more: str) -> dict[str, str]:
        """The headers of an upload request."""
        named = {name.replace("_", "-"): value for name, value in more.items()}
        return {"Authorization": f"Bearer {self._token}", "Tus-Resumable": VERSION, **named}

    def _patiently(self, work: Callable[[], httpx.Response], progress: Callable[[], int] = lambda: 0) -> httpx.Response:
        pause, before, since = FIRST_PAUSE, progress(), time.monotonic()
        while True:
            try:
                return work()
            except Transient:
                if progress() != before:
                    pause, before, since = FIRST_PAUSE, progress(), time.monotonic()
                if time.monotonic() - since + pause > self._patience or self._given_up():
                    raise
            time.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - so that stations don't come back all at once
            pause = min(pause * 2, LONGEST_PAUSE)


class _Transfer:
    """One file on its way. `go_on` asks where the server stands and continues; it may be called again after errors."""

    def __init__(self, client: ServerClient, file: CardFile, url: str | None, told: Told) -> None:
        self.offset = 0
        self._client, self._file, self._url, self._told = client, file, url, told
        self._tried = False
        self.whole = url is None

    def go_on(self) -> httpx.Response:
        try:
            answer = self._find_or_create()
            while self.offset < self._file.size or "Liuhen-Receipt" not in answer.headers:
                answer = self._patch()
        except (NotFound, Mislabelled) as error:
            if self._tried and isinstance(error, Mislabelled):
                raise
            self._tried, self._url = True, None  # expired, or damaged on its way: once more from the start
            raise Transient(error.zh, error.en) from error
        except Conflict as error:  # somebody else, or a request of ours believed lost, moved the upload on
            raise Transient(error.zh, error.en) from error
        return answer

    def _find_or_create(self) -> httpx.Response:
        if self._url is None:
            return self._create()
        answer = self._client.send("HEAD", self._url, self._client.bearer())
        self._moved(answer)
        return answer

    def _create(self) -> httpx.Response:
        path = base64.b64encode(self._file.path.encode()).decode()
        headers = self._client.bearer(Upload_Length=str(self._file.size), Upload_Metadata=f"path {path}")
        content = None
        if self._file.size <= SMALL:
            headers |= {"Content-Type": BODY, "Content-Length": str(self._file.size)}
            content = read_file(self._file)
        answer = self._client.send("POST", "/api/uploads", headers, content)
        self._url = answer.headers["Location"]
        self._moved(answer)
        return answer

    def _patch(self) -> httpx.Response:
        assert self._url is not None  # noqa: S101
        length = min(PIECE, self._file.size - self.offset)
        headers = self._client.bearer(Upload_Offset=str(self.offset), Content_Type=BODY, Content_Length=str(length))
        answer = self._client.send("PATCH", self._url, headers, self._body(length))
        self._moved(answer)
        return answer

    def _body(self, length: int) -> Iterator[bytes]:
        at = self.offset
        for piece in read_file(self._file, at, length):
            yield piece
            at += len(piece)
            self._told(at)

    def _moved(self, answer: httpx.Response) -> None:
        self.offset = int(answer.headers["Upload-Offset"])
        self._told(self.offset)


def _counted(file: CardFile, told: Told) -> Iterator[bytes]:
    at = 0
    for piece in read_file(file):
        yield piece
        at += len(piece)
        told(at)


def _receipts(answer: httpx.Response) -> dict[str, bytes]:
    """By SHA-256. An answer that is not understood gives none."""
    try:
        return {each["sha256"]: each["receipt"].encode() for each in answer.json()["files"] if "receipt" in each}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _docked(answer: httpx.Response) -> tuple[str, Docked]:
    """Token and docking. The docking's name becomes that of a file. Raises Refused."""
    try:
        said = answer.json()
        token, name = said["token"], said["docking"]
        files = tuple(
            Wanted(each["path"], each["sha256"], each["state"] == "kept", each.get("upload")) for each in said["files"]
        )
        if isinstance(token, str) and _DOCKING.fullmatch(name):
            return token, Docked(name, files)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise Refused(
        "服务器对采集清单的答复无法理解；请核对服务器地址，或升级采集站程序。",
        "the server's answer to the manifest is not understood: check its address, or update the station's program",
    )


def _path(url: str) -> str:
    """Of an address that the server gave: the host is the configured one, whatever it calls itself."""
    parts = urlsplit(url)
    return urlunsplit(("", "", parts.path, parts.query, ""))


def _refusal(response: httpx.Response) -> LiuhenError:
    """The server's own sentences as the error that says whether to try again."""
    try:
        said = response.json()["error"]
        code, zh, en = said["code"], *(escaped(said[each][:LONGEST_WORDS]) for each in ("zh", "en"))
    except (ValueError, KeyError, TypeError):
        code, zh = "", f"服务器返回 {response.status_code}，请稍后重试或联系管理员。"
        en = f"the server answered {response.status_code}: try later or ask the administrator"
    if response.status_code in _PASSING:
        return Transient(zh, en)
    if code == "digest-mismatch":
        return Mislabelled(zh, en)
    if response.status_code == 401:
        return TokenEnded(zh, en)
    if code == "old-state" and isinstance(last := response.json().get("last"), int):
        return OldState(zh, en, last)
    if response.status_code in (404, 410) or code == "rejected":
        return NotFound(zh, en)
    return Conflict(zh, en) if response.status_code == 409 else Refused(zh, en)


def _trusted(ca: Path | None) -> ssl.SSLContext:
    try:
        if ca is not None:
            return ssl.create_default_context(cafile=ca)
        context = httpx.create_ssl_context()
        context.load_default_certs()  # a bureau's own authority is one that its administrator has installed here
    except OSError as error:  # ssl.SSLError is one
        why = error.strerror or str(error)
        raise Refused(
            f"CA 证书文件“{ca}”无法使用（{why}）；应为 PEM 格式的证书。",
            f"the file of certificates “{ca}” can't be used ({why}): it must hold certificates in PEM",
        ) from error
    return context


def _untrusted(url: str) -> Refused:
    return Refused(
        f"服务器 {url} 的证书不受信任，未发送任何数据；请用 --ca（或 dock.toml 的 ca）指定本单位的 CA 证书，"
        "或核对地址。",
        f"the certificate of the server {url} is not trusted and nothing was sent: name your bureau's authority with "
        "--ca (or ca in dock.toml), or check the address",
    )


def _unreachable(url: str, error: Exception) -> Transient:
    return Transient(
        f"无法连接服务器 {url}（{error or type(error).__name__}）；请检查网络与服务器后重新运行，已上传部分不会丢失。",
        f"can't reach the server {url} ({error or type(error).__name__}): check the network and the server and run "
        "again; what was uploaded is not lost",
    )
