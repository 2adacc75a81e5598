from __future__ import annotations

import pytest

from storage.errors import IntegrityError
from storage.ledger import checkpoint, note
from storage.ledger.checkpoint import Checkpoint
from tests.support.ledger import SIGNER

HEAD = Checkpoint("example.org/liuhen", 20_852_163, bytes(range(32)))
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


def test_the_specification_example_is_read() -> None:
    head = checkpoint.parse(f"example.com/behind-the-sofa\n20852163\n{ROOT}\n")
    assert (head.origin, head.size, head.root[:2].hex()) == ("example.com/behind-the-sofa", 20_852_163, "0ac5")


def test_the_signed_example_of_the_specification_is_read() -> None:
    """c2sp.org/tlog-checkpoint and tlog-cosignature print it, once alone and once cosigned; the keys are not public."""
    text = f"example.com/behind-the-sofa\n20852163\n{ROOT}\n"
    own = (
        "— example.com/behind-the-sofa "
        "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    )
    witness = (
        "— witness.example.com/w1 "
        "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
    )
    parsed = note.parse(f"{text}\n{own}{witness}".encode())
    assert checkpoint.parse(parsed.text).size == 20_852_163
    assert [(each.name, len(each.value)) for each in parsed.signatures] == [
        ("example.com/behind-the-sofa", 64),
        ("witness.example.com/w1", 72),
    ]


def test_a_signed_checkpoint_comes_back() -> None:
    assert checkpoint.verify(checkpoint.sign(HEAD, SIGNER), SIGNER.verifier) == HEAD


def test_extension_lines_are_tolerated_and_kept() -> None:
    text = f"o\n0\n{ROOT}\nextra line\nanother\n"
    assert checkpoint.parse(text).extensions == ("extra line", "another")
    assert checkpoint.parse(text).text() == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n5\n",
        f"o\n5\n{ROOT}",
        f"o\n05\n{ROOT}\n",
        f"o\n-5\n{ROOT}\n",
        f"o\n+5\n{ROOT}\n",
        f"o\n5 \n{ROOT}\n",
        f"o\n٥\n{ROOT}\n",
        f"o\n{1 << 63}\n{ROOT}\n",
        f"o\n{'9' * 5000}\n{ROOT}\n",
        f"\n5\n{ROOT}\n",
        f"o\n5\n{ROOT[:-1]}\n",
        "o\n5\nAAAA\n",
        f"o\n5\n{ROOT}\n\nextension\n",
    ],
)
def test_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(IntegrityError):
        checkpoint.parse(text)


def test_a_checkpoint_of_another_log_by_the_same_key_is_refused() -> None:
    other = note.sign(Checkpoint("example.org/other", 1, HEAD.root).text(), SIGNER)
    with pytest.raises(IntegrityError, match=r"origin example\.org/other"):
        checkpoint.verify(other, SIGNER.verifier)
