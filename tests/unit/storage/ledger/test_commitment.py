from __future__ import annotations

import hashlib

import pytest

from storage.errors import IntegrityError
from storage.ledger import commitment


def test_a_commitment_is_the_hash_of_salt_and_value() -> None:
    made = commitment.make("张三", b"s" * 32)
    assert made.as_json() == {"commitment": hashlib.sha256(b"s" * 32 + "张三".encode()).hexdigest()}


def test_the_value_and_salt_check_against_the_commitment() -> None:
    made = commitment.make("张三")
    commitment.verify(made.as_json(), "张三", made.salt)


def test_two_commitments_to_one_value_differ() -> None:
    assert commitment.make("张三").digest != commitment.make("张三").digest


@pytest.mark.parametrize("logged", [{}, {"commitment": None}, {"commitment": "非"}, {"commitment": "00" * 32}])
def test_another_commitment_is_refused(logged: dict[str, object]) -> None:
    with pytest.raises(IntegrityError, match="committed"):
        commitment.verify(logged, "张三", b"s" * 32)


def test_a_short_salt_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        commitment.make("张三", b"short")
