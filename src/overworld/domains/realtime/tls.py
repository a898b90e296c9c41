"""The socket's own TLS: a certificate from two files, read at start and again when they were renewed."""

from __future__ import annotations

import ssl
from pathlib import Path

_MISMATCH = "the key does not belong to the certificate; the chain must begin with the server's own"
_ENCRYPTED = "the key is encrypted; write it without a passphrase, into a file that only the server may read"
_NOT_PEM = "both must be PEM files, with BEGIN CERTIFICATE in the first and BEGIN PRIVATE KEY in the second"


class TlsUnusable(Exception):
    """The certificate or its key cannot be used; the message says why, for a person."""


class ServerTls:
    """TLS 1.3 or newer, HTTP/1.1 only: a WebSocket begins with nothing else.

    Raises: TlsUnusable.
    """

    def __init__(self, *, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self.context = self._read(_context())

    def renew(self) -> None:
        """Reads both files again; connections from now on get what they hold. Raises: TlsUnusable, nothing changed."""
        self._read(_context())
        self._read(self.context)

    def _read(self, context: ssl.SSLContext) -> ssl.SSLContext:
        """A context that failed to read may hold half of a pair."""
        for name, file in (("tls_certificate", self._certificate), ("tls_key", self._key)):
            try:
                file.read_bytes()
            except OSError as error:
                raise TlsUnusable(f"realtime.{name}: {file.absolute()} cannot be read: {error.strerror}") from error
        asked = _Asked()
        try:
            context.load_cert_chain(self._certificate, self._key, password=asked)
        except (ssl.SSLError, OSError) as error:
            why = _MISMATCH if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH" else _NOT_PEM
            raise TlsUnusable(
                f"realtime.tls_certificate {self._certificate.absolute()} and realtime.tls_key {self._key.absolute()} "
                f"cannot be used: {_ENCRYPTED if asked.times else why}"
            ) from error
        return context


class _Asked:
    """Answers nothing to the question for a passphrase, which OpenSSL would else put to the terminal."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> bytes:
        self.times += 1
        return b""


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    return context
