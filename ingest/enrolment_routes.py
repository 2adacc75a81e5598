"""`POST /enrolments` and `POST /stations/keys`: a station's key comes in, or is replaced. With a brake on guessing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ingest import body
from ingest import enrolment_errors as errors
from ingest.answers import HttpError, from_error, json_response
from ingest.body import Interrupted, Pace
from ingest.enrolment import Enrolled, Enrolment
from ingest.key_messages import MAX_BYTES, Signed
from ingest.key_rotation import KeyRotation
from storage.errors import LiuhenError

if TYPE_CHECKING:
    from pipeline.bootstrap import Services

WINDOW = 600.0  # seconds
FAILURES = 10  # unknown codes from one address within the window; a code has 54 bits, so chance is no matter


def make_enrolment_routes(services: Services) -> list[BaseRoute]:
    enrolment = Enrolment(services.catalogue, services.clock)
    rotation = KeyRotation(services.catalogue, services.sequencer, services.clock)
    brake = Brake()

    def enrol(given: Signed, address: str) -> Response:
        brake.check(address)
        try:
            enrolled = enrolment.enrol(given)
        except HttpError as error:
            if error.code == errors.UNKNOWN_CODE:
                brake.failed(address)
            raise
        services.sequencer.notify()
        return _enrolled(enrolled)

    def replace(given: Signed, _: str) -> Response:
        return Response(rotation.replace(given), media_type="text/plain; charset=utf-8")

    return [
        Route("/enrolments", _answering(enrol, "Liuhen-Code-Signature"), methods=["POST"]),
        Route("/stations/keys", _answering(replace, "Liuhen-New-Signature"), methods=["POST"]),
    ]


class Brake:
    """Counts failures by address, in this process's memory. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    def check(self, address: str) -> None:
        """Raises HttpError 429 after too many failures."""
        since = self._clock() - WINDOW
        with self._lock:
            kept = {each: [at for at in times if at > since] for each, times in self._failures.items()}
            self._failures = {each: times for each, times in kept.items() if times}
            if len(self._failures.get(address, [])) >= FAILURES:
                raise errors.too_many()

    def failed(self, address: str) -> None:
        with self._lock:
            self._failures.setdefault(address, []).append(self._clock())


def _answering(work: Callable[[Signed, str], Response], second: str) -> Callable[[Request], object]:
    """A route that takes a message with two signatures; `second` names the header of the second one."""

    async def answered(request: Request) -> Response:
        address = request.client.host if request.client else "unknown"
        try:
            signatures = (request.headers.get("Liuhen-Signature", ""), request.headers.get(second, ""))
            given = Signed(await _body(request), *signatures)
            return await run_in_threadpool(work, given, address)
        except Interrupted:
            return Response(status_code=408)  # nobody may be there to read it
        except HttpError as error:
            return error.response()
        except LiuhenError as error:
            return from_error(error).response()

    return answered


async def _body(request: Request) -> bytes:
    content = bytearray()
    async for part in body.parts(request.receive, Pace()):
        content += part
        if len(content) > MAX_BYTES:
            raise HttpError(413, "too-large", "登记信息过大，未被接收。", "the message is too large and was not taken")
    return bytes(content)


def _enrolled(made: Enrolled) -> Response:
    said = {"station": made.voucher.station, "place": made.place, "log": made.voucher.log, "proof": made.voucher.proof}
    return json_response(201 if made.new else 200, said)
