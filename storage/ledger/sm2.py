"""SM2 signatures with SM3 (GB/T 32918.2, GM/T 0009) as lines of a signed note, made and checked by the openssl program.

Signature type 0xff followed by the identifier `liuhen/sm2-sm3@v1` and a newline; the public key is the uncompressed
point, 65 bytes. The signature is the DER sequence of r and s over the note's text, with the user identifier
1234567812345678 of GM/T 0009. `cryptography` has no SM2, so the private key is a file that openssl opens.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from storage import durable
from storage.errors import IntegrityError, Refused
from storage.ledger import keyfile, note

KIND = b"\xffliuhen/sm2-sm3@v1\n"
IDENTIFIER = "distid:1234567812345678"
_POINT = 65  # bytes
_SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200")  # id-ecPublicKey, curve SM2
_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Sm2Verifier(note.PublicKey):
    """The SM2 public key `key` (65 bytes) of `name`."""

    KIND: ClassVar[bytes] = KIND

    def accepts(self, text: str, signature: bytes) -> bool:
        with tempfile.TemporaryDirectory(prefix="liuhen-sm2-") as folder:
            key, value = Path(folder, "key.der"), Path(folder, "signature")
            key.write_bytes(_SPKI + self.key)
            value.write_bytes(signature)
            arguments = ["-verify", str(key), "-keyform", "DER", "-signature", str(value)]
            done = _openssl("dgst", "-sm3", "-sigopt", IDENTIFIER, *arguments, given=text.encode())
        return done.returncode == 0


@dataclass(frozen=True, slots=True)
class Sm2Signer:
    """The key in the encrypted PEM `file`, as a signer named `name`. `point` is its public key."""

    name: str
    file: Path
    passphrase: bytes
    point: bytes

    @property
    def verifier(self) -> Sm2Verifier:
        return Sm2Verifier(self.name, self.point)

    def sign(self, text: str) -> bytes:
        """Raises Refused when openssl can't."""
        arguments = ("dgst", "-sm3", "-sigopt", IDENTIFIER, "-sign", str(self.file))
        return _output(_openssl(*arguments, given=text.encode(), passphrase=self.passphrase))


def make(file: Path, name: str, passphrase: bytes) -> Sm2Signer:
    """Make a key and keep it in `file`, encrypted, mode 0600. Raises Refused when it is there, or openssl can't."""
    keyfile.check_absent(file)
    made = _output(_openssl("genpkey", "-algorithm", "SM2", "-aes256", passphrase=passphrase))
    durable.write(file, made, mode=0o600)
    return load(file, name, passphrase)


def load(file: Path, name: str, passphrase: bytes) -> Sm2Signer:
    """Open the key in `file`. Raises Refused: no such file, wrong passphrase, another kind of key."""
    public = _output(_openssl("pkey", "-in", str(file), "-pubout", "-outform", "DER", passphrase=passphrase))
    if not public.startswith(_SPKI) or len(public) != len(_SPKI) + _POINT:
        raise Refused(f"签名密钥 {file} 不是 SM2 密钥。", f"the signing key {file} is not an SM2 key")
    return Sm2Signer(name, file, passphrase, public[len(_SPKI) :])


def parse_vkey(vkey: str) -> Sm2Verifier:
    """Read an SM2 verifier key. Raises IntegrityError unless it is canonical."""
    name, material = note.split_vkey(vkey)
    point = material[len(KIND) :]
    if not material.startswith(KIND) or len(point) != _POINT or point[:1] != b"\x04":
        raise IntegrityError("公钥不是 SM2 公钥。", "the verifier key is not an SM2 key")
    return Sm2Verifier(name, point)


def _openssl(
    *arguments: str, given: bytes = b"", passphrase: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run openssl with `given` on its standard input; the passphrase goes through a pipe that only it can read."""
    with contextlib.ExitStack() as stack:
        pipe = _pipe(stack, passphrase) if passphrase is not None else None
        password = [] if pipe is None else ["-pass" if arguments[0] == "genpkey" else "-passin", f"fd:{pipe}"]
        try:
            return subprocess.run(
                ["openssl", arguments[0], *password, *arguments[1:]],
                input=given,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
                pass_fds=() if pipe is None else (pipe,),
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Refused(f"无法运行 openssl：{error}", f"openssl can't be run: {error}") from error


def _pipe(stack: contextlib.ExitStack, content: bytes) -> int:
    reading, writing = os.pipe()
    stack.callback(os.close, reading)
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(content + b"\n")
    return reading


def _output(done: subprocess.CompletedProcess[bytes]) -> bytes:
    if done.returncode:
        reason = (done.stderr.decode(errors="replace").strip().splitlines() or ["?"])[-1]
        raise Refused(
            f"SM2 签名密钥无法使用（{reason}）：请核对口令，或从密钥备份恢复该文件。",
            f"the SM2 signing key can't be used ({reason}): check the passphrase or restore its backup",
        )
    return done.stdout
