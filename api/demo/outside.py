"""Those outside the bureau: a time-stamping authority, and a court that runs a witness."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from api.demo.authority import AuthorityServer, make_authority
from api.demo.people import wait_for
from api.demo.service import free_port, program, run
from api.demo.stage import StageFailed
from pipeline.policy import DEFAULT
from storage.ledger import checkpoint, note

WITNESS = "court.example/witness"


@dataclass
class Outside:
    """`folder` holds their keys and files. `policy` names the witness and its quorum, for the service."""

    folder: Path
    port: int = field(default_factory=free_port)
    authority: AuthorityServer | None = None
    witness: subprocess.Popen[bytes] | None = None

    @property
    def court(self) -> Path:
        return self.folder / "court"

    @property
    def policy(self) -> Path:
        return self.folder / "witnesses.policy"

    def prepare(self, data: Path) -> None:
        """Start the authority, make the witness, and set both in the service's policy before its first start."""
        made = make_authority(self.folder / "tsa")
        self.authority = AuthorityServer(made)
        data.mkdir(parents=True, exist_ok=True)
        (data / "tsa-root.pem").write_bytes(made.root.read_bytes())
        text = DEFAULT.replace("  tsa: []", f"  tsa: [{self.authority.url}]")
        (data / "policy.yaml").write_text(text.replace("  roots: []", "  roots: [tsa-root.pem]"), encoding="utf-8")
        told = self._liuhen("witness", "init", self.court, "--name", WITNESS, "--only", "ml-dsa-44")
        url = f"http://127.0.0.1:{self.port}"
        self.policy.write_text(f"witness court {told.strip()} {url}\nquorum court\n")

    def follow(self, key: str) -> None:
        """The court pins the log's public key and runs its witness."""
        self._liuhen("witness", "trust", self.court, key)
        command = [*program(), "witness", "run", str(self.court), "--port", str(self.port)]
        self.witness = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("witness", self._answers)

    def has_seen(self, url: str, signed: bytes) -> bool:
        """Whether the service has the court's cosignature for a tree at least as large as this one."""
        answer = httpx.get(f"{url}/ledger/witnessed", timeout=5)
        return answer.status_code == httpx.codes.OK and _size(answer.content) >= _size(signed)

    def accusations(self) -> str:
        """What the court's witness says it has evidence of; empty when it has none."""
        shown = run("witness", "show", self.court)
        return shown.stdout if shown.returncode else ""

    def stop(self) -> None:
        if self.authority is not None:
            self.authority.stop()
        if self.witness is not None:
            self.witness.terminate()
            self.witness.wait(30)

    def _answers(self) -> bool:
        try:
            httpx.get(f"http://127.0.0.1:{self.port}/", timeout=2)
        except httpx.TransportError:
            return False
        return True

    def _liuhen(self, *words: object) -> str:
        done = run(*words)
        if done.returncode:
            raise StageFailed(f"liuhen {words[0]} {words[1]}: {done.stderr[-400:]}")
        return done.stdout


def _size(signed: bytes) -> int:
    return checkpoint.parse(note.parse(signed).text).size
