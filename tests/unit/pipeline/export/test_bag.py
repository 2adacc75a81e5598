from __future__ import annotations

from pipeline.export import bag
from pipeline.export.bag import Listed

FILES = [Listed("data/b", "b" * 64, 7), Listed("data/a", "a" * 64, 5)]


def test_a_manifest_lists_digest_and_path_in_order() -> None:
    assert bag.manifest(FILES) == (f"{'a' * 64}  data/a\n{'b' * 64}  data/b\n").encode()


def test_the_info_ends_with_the_oxum() -> None:
    assert (
        bag.info({"Source-Organization": "应急管理局"}, FILES)
        == "Source-Organization: 应急管理局\nPayload-Oxum: 12.2\n".encode()
    )


def test_a_value_cannot_begin_a_line_of_its_own() -> None:
    made = bag.info({"Source-Organization": "局\nExternal-Identifier: recording:x"}, [])
    assert made.decode().splitlines()[0] == "Source-Organization: 局 External-Identifier: recording:x"


def test_the_declaration_is_bagit_1_0() -> None:
    assert bag.DECLARATION == b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
