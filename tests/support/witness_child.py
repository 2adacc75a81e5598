"""A witness, or one round of asking witnesses, in a process that kills itself (SIGKILL) at one step.

`python witness_child.py serve FOLDER STEP`   prints the port it listens on
`python witness_child.py ask FOLDER POLICY STEP`
STEP is `before:name` or `after:name`, name one of STEPS.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

SERVE_STEPS = ("parse", "check_extends", "cosign", "write", "rename", "answer")
ASK_STEPS = ("post", "keep", "write", "rename")


def _break(owner: Any, name: str, when: str) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    def broken(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, broken)


def _break_sending(when: str) -> None:
    import api.witness_app as app

    original = app._send

    async def broken(send: Any, *rest: Any) -> None:
        async def sending(message: Any) -> None:
            await send(message)

        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        await original(sending, *rest)
        os.kill(os.getpid(), signal.SIGKILL)

    app._send = broken


def serve(folder: Path, when: str, step: str) -> None:
    import uvicorn

    from api.witness_app import WitnessApp
    from storage import durable
    from storage.ledger.witnesses import witnessing
    from tests.support.witnesses import classic, desk

    desk(folder, classic(1))
    steps: dict[str, tuple[Any, str]] = {
        "parse": (witnessing, "parse"),
        "check_extends": (witnessing, "check_extends"),
        "cosign": (witnessing, "cosign"),
        "write": (durable, "write"),
        "rename": (type(folder), "replace"),
    }
    config = uvicorn.Config(WitnessApp(desk(folder, classic(1))), port=0, lifespan="off", log_level="warning")
    listening = config.bind_socket()
    listening.listen(16)
    if step == "answer":
        _break_sending(when)
    else:
        _break(*steps[step], when)
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listening])


def ask(folder: Path, rules: Path, when: str, step: str) -> None:
    from storage import durable
    from storage.ledger.witnesses import policy, witnessed
    from storage.ledger.witnesses.cosigning import Cosigning
    from storage.ledger.witnesses.witness import WitnessClient
    from tests.support.ledger import SIGNER

    steps: dict[str, tuple[Any, str]] = {
        "post": (WitnessClient, "_post"),
        "keep": (witnessed, "keep"),
        "write": (durable, "write"),
        "rename": (type(folder), "replace"),
    }
    _break(*steps[step], when)
    Cosigning(folder, policy.parse(rules.read_bytes()), lambda: [SIGNER.verifier], 1).run_once()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(Path(sys.argv[2]), *sys.argv[3].split(":"))
    else:
        ask(Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4].split(":"))
