"""What a client runs on, from its user agent and from what it says of itself."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple


class Machine(NamedTuple):
    """The platform (ios, android, windows, macos, linux, web, server) and the class of the device; None if unknown."""

    platform: str | None
    device: str | None


NOWHERE = Machine(None, None)

# The first that fits. Headsets before phones, for they call themselves Android; tablets before phones.
_AGENTS = [
    (re.compile(r"OculusBrowser|Quest |\bPico \w|VisionOS|xrOS|HoloLens|Vive", re.I), "headset"),
    (re.compile(r"iPad|Tablet|Silk/|Kindle", re.I), "tablet"),
    (re.compile(r"iPhone|iPod|Android|Mobile|CFNetwork|okhttp", re.I), "phone"),
    (re.compile(r"Windows NT|Macintosh|X11|Linux x86_64|CrOS|Electron", re.I), "desktop"),
    (
        re.compile(r"python|posthog-(?!ios|android|js|unity)|Go-http|curl|Java/|node|ruby|php|aiohttp|httpx|wrk", re.I),
        "server",
    ),
]
_PLATFORMS = [
    (re.compile(r"iPhone|iPad|iPod|CFNetwork|\bios\b", re.I), "ios"),
    (re.compile(r"Android|okhttp", re.I), "android"),
    (re.compile(r"Windows", re.I), "windows"),
    (re.compile(r"Macintosh|mac ?os|darwin", re.I), "macos"),
    (re.compile(r"Linux|X11|ubuntu", re.I), "linux"),
    (re.compile(r"CrOS|Chrome ?OS", re.I), "chromeos"),
]
_DEVICES = {
    "mobile": "phone",
    "phone": "phone",
    "tablet": "tablet",
    "desktop": "desktop",
    "headset": "headset",
    "vr": "headset",
    "server": "server",
}


@lru_cache(maxsize=4096)
def machine_of(agent: str) -> Machine:
    """What a user agent says. Nothing is known of an empty one."""
    if not agent:
        return NOWHERE
    device = next((name for pattern, name in _AGENTS if pattern.search(agent)), "other")
    if device == "phone" and _is_android_tablet(agent.lower()):
        device = "tablet"
    platform = next((name for pattern, name in _PLATFORMS if pattern.search(agent)), None)
    return Machine("server" if device == "server" else platform, device)


def _is_android_tablet(agent: str) -> bool:
    """Browsers on Android say "Mobile" on phones alone; other programs say nothing of it."""
    return "android" in agent and "applewebkit" in agent and "mobile" not in agent


@lru_cache(maxsize=4096)
def told(system: str | None, kind: str | None, otherwise: Machine) -> Machine:
    """What a client says of its system and its kind of device; where it does not, or in other words, `otherwise`."""
    platform = _platform_named(system) if system else None
    return Machine(platform or otherwise.platform, _DEVICES.get((kind or "").lower()) or otherwise.device)


def _platform_named(text: str) -> str | None:
    if text.lower() in {"web", "server"}:
        return text.lower()
    return next((name for pattern, name in _PLATFORMS if pattern.search(text)), None)
