"""A real provider of OpenID Connect, and the browser of somebody who visits it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

BACK = "http://127.0.0.1:9/back"
ROOT = Path(__file__).parents[4]
HERE = Path(__file__).parent / "issuer"
_LACKING = 3


class Issuer:
    """npm's oidc-provider as a process on loopback. We hold its keys, so that tests can sign what it never would."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.keys = self.new_keys()
        self.rotate()

    def new_keys(self) -> KeySet:
        """A key of each kind that its clients want."""
        return KeySet([RSAKey.generate_key(2048, {"alg": "RS256"}), ECKey.generate_key("P-256", {"alg": "ES256"})])

    def rotate(self, keys: KeySet | None = None) -> None:
        """Signs with these keys from now on, and no longer publishes others."""
        self.keys = keys or self.new_keys()
        jwks = self.keys.as_dict(private=True)
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"keys": [{**key, "use": "sig"} for key in jwks["keys"]]}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._lacking()
        self.url = f"http://127.0.0.1:{int(line)}"

    def sign(self, claims: dict[str, object], *, key: RSAKey | ECKey | None = None, alg: str = "RS256") -> str:
        """An ID token with these claims, by its own key of RSA or another."""
        signing = key or self.keys.keys[0]
        return jwt.encode({"alg": alg, "kid": signing.kid}, claims, signing, algorithms=[alg])

    def visit(self, url: str, *, who: str) -> dict[str, str]:
        """What a browser brings back to our page when somebody signs in there."""
        with httpx.Client(follow_redirects=False, trust_env=False) as browser:
            url = f"{url}&login_hint={who}"
            for _ in range(8):
                reply = browser.get(url)
                url = str(httpx.URL(url).join(reply.headers["location"]))
                if url.startswith(BACK):
                    return dict(parse_qsl(urlsplit(url).query))
        raise AssertionError(f"the browser never came back: {url}")

    def _lacking(self) -> None:
        said = "no OpenID Connect provider: script/npm says on standard error what is missing"
        if self._process.wait(10) != _LACKING or os.environ.get("CI") == "true":
            pytest.fail(said)
        pytest.skip(said)


@contextmanager
def running() -> Iterator[Issuer]:
    """The provider, ended with the block."""
    command: list[str | Path] = [ROOT / "script/npm", HERE, "node", "--no-warnings", "issuer.mjs"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        yield Issuer(process)
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait(10)
