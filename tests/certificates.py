"""Certificates for tests: made here, trusted by nobody else."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from msgspec import Struct


class Pair(Struct, frozen=True):
    """A certificate for 127.0.0.1 and localhost, signed by itself, and its key; both PEM files."""

    certificate: Path
    key: Path

    def trusting(self) -> ssl.SSLContext:
        """What a client needs to trust this certificate and no other."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def fingerprint(self) -> bytes:
        """The certificate as it goes over the wire."""
        return ssl.PEM_cert_to_DER_cert(self.certificate.read_text())


def make_pair(folder: Path, name: str = "server", *, passphrase: bytes | None = None) -> Pair:
    """A new pair of files in a folder; the ones of the same name are replaced."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "overworld test")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    pair.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return pair
