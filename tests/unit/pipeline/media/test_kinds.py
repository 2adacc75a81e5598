"""First bytes: photos, media, and texts that point elsewhere."""

from __future__ import annotations

import io

import pytest

from pipeline.media import kinds


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\xff\xd8\xff\xe1", kinds.PHOTOS),
        (b"\x89PNG\r\n\x1a\n", kinds.PHOTOS),
        (b"\0\0\0\x18ftypheic", kinds.PHOTOS),
        (b"RIFF\0\0\0\0WEBPVP8 ", kinds.PHOTOS),
        (b"RIFF\0\0\0\0AVI LIST", kinds.UNKNOWN),
        (b"\0\0\0\x18ftypmp42", kinds.UNKNOWN),
        (b"", kinds.UNKNOWN),
    ],
)
def test_photos_are_told_by_their_first_bytes(start: bytes, kind: str) -> None:
    assert kinds.sniff(start) == kind


@pytest.mark.parametrize(
    "text",
    [
        b"#EXTM3U\nsecret.ts\n",
        b"\xef\xbb\xbf#EXTM3U\n",
        b"  \n#EXTM3U\n",
        b"ffconcat version 1.0\nfile 'secret.ts'\n",
        b'<?xml version="1.0"?>\n<MPD></MPD>',
        b"<MPD></MPD>",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
        b"",
    ],
)
def test_texts_that_point_elsewhere_are_not_opened(text: bytes) -> None:
    assert kinds.problem(text) is not None


def test_a_recording_is_opened() -> None:
    assert kinds.problem(b"\0\0\0\x18ftypmp42") is None


def test_a_jpeg_is_complete_with_its_end_marker() -> None:
    assert kinds.jpeg_complete(io.BytesIO(b"\xff\xd8\xff\xe0" + bytes(100) + b"\xff\xd9")) is True
    assert kinds.jpeg_complete(io.BytesIO(b"\xff\xd8\xff\xe0" + bytes(100) + b"\xff\xd9trailer of a phone")) is True
    assert kinds.jpeg_complete(io.BytesIO(b"\xff\xd8\xff\xe0" + bytes(100))) is False
    assert kinds.jpeg_complete(io.BytesIO(b"\x89PNG")) is None
