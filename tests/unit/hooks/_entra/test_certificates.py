from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.hooks._entra.certificates import msal_certificate
from airflow_provider_defender.hooks._entra.credentials import Certificate
from airflow_provider_defender.simulator import KeyPair

PAIR = KeyPair.create("reader")
OTHER = KeyPair.create("other")
PASSPHRASE = "open sesame"


def read(**fields: Any) -> dict[str, str]:
    given: dict[str, Any] = {
        "private_key": None,
        "private_key_path": None,
        "passphrase": None,
        "certificate": None,
        "thumbprint": None,
        "send_chain": False,
        **fields,
    }
    return msal_certificate(Certificate("client", **given), "conn")


def assert_is_the_pair(material: dict[str, str]) -> None:
    key = load_pem_private_key(material["private_key"].encode(), None)
    assert key.private_numbers() == PAIR.key.private_numbers()  # type: ignore[union-attr]
    assert material["thumbprint"].upper() == PAIR.thumbprint


@pytest.mark.parametrize(
    "fields",
    [
        {"private_key": PAIR.private_key_pem, "certificate": PAIR.certificate_pem},
        {"private_key": PAIR.private_key_pem, "thumbprint": PAIR.thumbprint},
        {"private_key": PAIR.private_key_pem + PAIR.certificate_pem},
        {"private_key": PAIR.certificate_pem + PAIR.private_key_pem},
        {
            "private_key": PAIR.encrypted_private_key_pem(PASSPHRASE),
            "passphrase": PASSPHRASE,
            "certificate": PAIR.certificate_pem,
        },
        {
            "private_key": PAIR.private_key_pem.replace("\n", " "),
            "certificate": PAIR.certificate_pem.replace("\n", "\\n"),
        },
    ],
    ids=["certificate", "thumbprint", "combined", "combined the other way", "encrypted", "on one line"],
)
def test_pem_texts(fields: dict[str, str]) -> None:
    material = read(**fields)
    assert_is_the_pair(material)
    assert "public_certificate" not in material


@pytest.mark.parametrize("send_chain", [False, True])
def test_files(tmp_path: Path, send_chain: bool) -> None:
    pem, pfx = tmp_path / "key.pem", tmp_path / "key.pfx"
    pem.write_text(PAIR.private_key_pem + PAIR.certificate_pem)
    pfx.write_bytes(PAIR.pfx(PASSPHRASE))
    for material in (
        read(private_key_path=str(pem), send_chain=send_chain),
        read(private_key_path=str(pfx), passphrase=PASSPHRASE, send_chain=send_chain),
    ):
        assert_is_the_pair(material)
        assert ("public_certificate" in material) is send_chain


def test_the_whole_chain_is_sent() -> None:
    authority = KeyPair.create("authority")
    leaf = KeyPair.create("reader", authority)
    chain = leaf.certificate_pem + authority.certificate_pem
    material = read(private_key=leaf.private_key_pem, certificate=chain, send_chain=True)
    assert material["public_certificate"] == chain


_EC = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
_ENCRYPTED = PAIR.encrypted_private_key_pem(PASSPHRASE)


@pytest.mark.parametrize(
    ("fields", "field", "cure"),
    [
        ({"private_key": PAIR.private_key_pem}, "certificate", "give the public certificate"),
        (
            {"private_key": PAIR.private_key_pem, "thumbprint": PAIR.thumbprint, "send_chain": True},
            "certificate",
            "give the public certificate",
        ),
        (
            {"private_key": PAIR.private_key_pem, "certificate": OTHER.certificate_pem},
            "certificate",
            "does not belong",
        ),
        ({"private_key": PAIR.private_key_pem, "certificate": "x"}, "certificate", "PEM text"),
        ({"private_key": PAIR.certificate_pem}, "private_key", "no private key"),
        ({"private_key": "x"}, "private_key", "BEGIN"),
        ({"private_key": PAIR.private_key_pem.replace("M", "!", 40)}, "private_key", "cannot be read"),
        ({"private_key": _EC.decode(), "thumbprint": PAIR.thumbprint}, "private_key", "RSA"),
        ({"private_key": _ENCRYPTED}, "private_key_passphrase", "needed"),
        ({"private_key": _ENCRYPTED, "passphrase": "wrong"}, "private_key", "passphrase"),
        ({"private_key": PAIR.private_key_pem, "passphrase": "x"}, "private_key_passphrase", "not encrypted"),
    ],
)
def test_what_cannot_be_used_is_named_and_not_shown(fields: dict[str, Any], field: str, cure: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(**fields)
    message = str(caught.value)
    assert message.startswith(f"Connection 'conn': {field} is wrong: ")
    assert cure in message
    assert "MII" not in message
    assert "wrong'" not in message


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "key.pfx"
    path.write_bytes(PAIR.pfx(PASSPHRASE))
    with pytest.raises(ConfigurationError, match="neither PEM nor a PFX that private_key_passphrase opens"):
        read(private_key_path=str(path), passphrase="wrong")
    path.write_bytes(b"\x00\xff rubbish")
    with pytest.raises(ConfigurationError, match="neither PEM nor a PFX"):
        read(private_key_path=str(path))
    no_key = pkcs12.serialize_key_and_certificates(None, None, PAIR.certificate, None, NoEncryption())
    path.write_bytes(no_key)
    with pytest.raises(ConfigurationError, match="no private key"):
        read(private_key_path=str(path))
    path.unlink()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read(private_key_path=str(path))
