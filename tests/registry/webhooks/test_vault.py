"""Sealed secrets: they open under the same key, for the same row, and for nobody else."""

from uuid import uuid4

import pytest

from registry.kernel.errors import SecretKeyMissing
from registry.webhooks.vault import Unreadable, Vault

KEY = "0123456789abcdef0123456789abcdef"


def test_what_is_sealed_opens_again_and_looks_different_each_time() -> None:
    owner, secret = uuid4(), b"\x00secret"
    first, second = [Vault.of(KEY).seal(secret, owner) for _ in range(2)]
    assert first != second
    assert Vault.of(KEY).open(first, owner) == secret
    assert "secret" not in first


def test_it_opens_neither_under_another_key_nor_for_another_row_nor_once_altered() -> None:
    owner = uuid4()
    sealed = Vault.of(KEY).seal(b"secret", owner)
    altered = [sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :] for at in range(len(sealed) - 3)]
    for vault, text, row in (
        (Vault.of(KEY[::-1]), sealed, owner),
        (Vault.of(KEY), sealed, uuid4()),
        (Vault.of(KEY), "", owner),
        (Vault.of(KEY), "a.b.c.d.e", owner),
        (Vault.of(KEY), "ä", owner),
        *((Vault.of(KEY), one, owner) for one in altered),
    ):
        with pytest.raises(Unreadable):
            vault.open(text, row)


def test_the_first_key_seals_and_every_key_opens() -> None:
    owner = uuid4()
    old, new, both = Vault.of(KEY), Vault.of(KEY[::-1]), Vault.of(f"{KEY[::-1]}, {KEY},")

    assert both.open(old.seal(b"secret", owner), owner) == b"secret"
    assert new.open(both.seal(b"secret", owner), owner) == b"secret"
    with pytest.raises(Unreadable):
        old.open(both.seal(b"secret", owner), owner)


@pytest.mark.parametrize("key", [None, "", ",", KEY[:-1], f"{KEY},{KEY[:-1]}"])
def test_without_a_key_of_some_length_nothing_is_sealed_or_opened(key: str | None) -> None:
    with pytest.raises(SecretKeyMissing, match="SECRET_KEY to 32 or more"):
        Vault.of(key).seal(b"secret", uuid4())
    owner = uuid4()
    with pytest.raises(SecretKeyMissing):
        Vault.of(key).open(Vault.of(KEY).seal(b"secret", owner), owner)


def test_a_vault_does_not_show_its_key() -> None:
    vault = Vault.of(KEY)
    assert vault.keys is not None
    assert repr(vault) == "Vault()"
