"""Pictures over the real edge, on a real folder: shown for ever under their name, and gone once nobody shows them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from io import BytesIO

import pytest
from msgspec.structs import replace
from PIL import Image

from overworld.domains.accounts.profiles.errors import NoSuchAvatar
from overworld.domains.accounts.profiles.messages import UserUpdated
from overworld.kernel.refusals import Fault
from tests.domains.accounts.conftest import CHEAP
from tests.domains.accounts.profiles.drawn import picture, png_of, whereabouts

SIDES = ["64", "256", "512"]
JPEG = {"content-type": "image/jpeg"}


@pytest.fixture
def settings():
    return replace(CHEAP, avatar_bytes_max=50_000, avatar_pixels_max=1_000_000, avatars_max=8)


async def sent(player, content=None, **headers):
    return await player("POST", "/v1/users/avatar", content=content or picture(), headers=JPEG | headers)


async def swept(desk):
    count = 0
    while await desk.parts.avatars.sweep():
        count += 1
    return count


async def test_a_picture_is_shown_to_everybody_for_ever_and_guessed_at_by_no_browser(desk):
    ann, ben = await desk.player("Ann"), await desk.player("Ben")
    reply = await sent(ann)
    assert (reply.status_code, list(reply.json()["urls"])) == (200, SIDES)
    for side, url in reply.json()["urls"].items():
        shown = await desk.ask.get(url)
        assert (shown.status_code, shown.headers["content-type"]) == (200, "image/webp")
        assert Image.open(BytesIO(shown.content)).size == (int(side), int(side))
        assert shown.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert shown.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert (await ann.me())["avatar"] == reply.json()
    assert (await ben("GET", f"/v1/users/{ann.id}")).json()["avatar"] == reply.json()
    [found] = (await ben("GET", "/v1/users/search?q=ann")).json()["items"]
    assert found["avatar"] == reply.json()


async def test_where_a_picture_was_taken_leaves_with_nobody(desk):
    content = picture(exif=whereabouts(), comment=b"at home")
    assert b"telling" in content
    await sent(await desk.player("Ann"), content)
    assert len(desk.files) == 3
    for path in desk.folder.rglob("*.webp"):
        kept = path.read_bytes()
        assert not any(word in kept for word in (b"telling", b"home", b"EXIF", b"Exif", b"ICCP", b"XMP "))


async def test_the_picture_before_goes_and_the_new_one_stays(desk):
    ann = await desk.player("Ann")
    first = (await sent(ann)).json()
    second = (await sent(ann, picture(color="teal"))).json()
    assert first != second
    assert (len(desk.files), await swept(desk), len(desk.files)) == (6, 1, 3)
    assert {(await desk.ask.get(url)).status_code for url in first["urls"].values()} == {404}
    assert {(await desk.ask.get(url)).status_code for url in second["urls"].values()} == {200}


async def test_the_same_picture_again_is_the_same_and_tells_nobody(desk):
    ann = await desk.player("Ann")
    assert (await sent(ann)).json() == (await sent(ann)).json()
    assert (await swept(desk), len(desk.files)) == (0, 3)
    assert [event.changed for event in desk.house.outbox.of(UserUpdated)] == [("avatar",)]


async def test_two_players_with_one_picture_do_not_share_it(desk):
    """So that one of them who takes it away takes nothing from the other."""
    ann, ben = await desk.player("Ann"), await desk.player("Ben")
    await sent(ann)
    kept = (await sent(ben)).json()
    assert (await ann("DELETE", "/v1/users/avatar")).status_code == 204
    assert await swept(desk) == 1
    assert {(await desk.ask.get(url)).status_code for url in kept["urls"].values()} == {200}


async def test_a_picture_that_is_taken_away_is_gone(desk):
    ann = await desk.player("Ann")
    await sent(ann)
    for _ in range(2):
        assert (await ann("DELETE", "/v1/users/avatar")).status_code == 204
    assert (await ann.me())["avatar"] is None
    assert (await swept(desk), desk.files) == (1, [])


async def test_a_picture_that_was_taken_away_and_swept_can_come_back(desk):
    ann = await desk.player("Ann")
    first = (await sent(ann)).json()
    await ann("DELETE", "/v1/users/avatar")
    await swept(desk)
    assert (await sent(ann)).json() == first
    assert (await swept(desk), len(desk.files)) == (0, 3)


async def test_the_pictures_of_an_erased_account_go_with_it(desk):
    ann = await desk.player("Ann")
    await sent(ann)
    desk.house.clock.advance(timedelta(days=400))
    async with desk.house.database.transaction() as tx:
        await tx.execute("DELETE FROM accounts.session")
        await tx.execute("DELETE FROM accounts.device")
        await tx.execute("DELETE FROM accounts.account")
    assert (await swept(desk), desk.files) == (1, [])


async def test_what_a_killed_server_left_half_done_is_swept_after_an_hour(desk):
    """Its row was there before its files; nothing is forgotten, and nothing in work is swept."""
    ann = await desk.player("Ann")
    avatars = desk.parts.avatars
    await avatars._expect(ann.id, b"a" * 16)
    await desk.blobs.put(f"avatars/{(b'a' * 16).hex()}-64.webp", b"half done")
    assert await swept(desk) == 0
    desk.house.clock.advance(timedelta(minutes=61))
    assert (await swept(desk), desk.files) == (1, [])


async def test_a_store_that_does_not_answer_changes_nothing_and_is_no_bug(desk):
    ann = await desk.player("Ann")
    before = (await sent(ann)).json()
    desk.blobs.down = True
    reply = await sent(ann, picture(color="teal"))
    assert (reply.status_code, reply.json()["code"], reply.json()["retryable"]) == (503, "platform.unavailable", True)
    assert (await desk.ask.get(before["urls"]["64"])).status_code == 503
    assert (await ann.me())["avatar"] == before
    desk.blobs.down = False
    assert (await sent(ann, picture(color="teal"))).status_code == 200


async def test_a_sweep_that_fails_forgets_nothing(desk):
    ann = await desk.player("Ann")
    await sent(ann)
    await ann("DELETE", "/v1/users/avatar")
    desk.blobs.down = True
    with pytest.raises(Fault):
        await desk.parts.avatars.sweep()
    desk.blobs.down = False
    assert (await swept(desk), desk.files) == (1, [])


@pytest.mark.slow
async def test_whatever_happens_at_once_what_is_shown_is_there_and_nothing_else_is(desk):
    """Two pictures in turn, removals and sweeps side by side: the files left are those of the picture shown."""
    ann = await desk.player("Ann")
    desk.parts.avatars._limits_enabled = False
    pictures = [picture(size=(40, 40), color=color) for color in ("red", "blue")]

    async def remove():
        return await ann("DELETE", "/v1/users/avatar")

    for turn in range(4):
        calls = [
            *(sent(ann, pictures[i % 2]) for i in range(4)),
            remove(),
            *(desk.parts.avatars.sweep() for _ in range(3)),
        ]
        replies = await asyncio.gather(*(calls if turn % 2 else reversed(calls)))
        assert {reply.status_code for reply in replies if not isinstance(reply, int)} <= {200, 204}
    avatar = (await ann.me())["avatar"]
    desk.house.clock.advance(timedelta(hours=2))
    await swept(desk)
    shown = sorted(url.rpartition("/")[2] for url in avatar["urls"].values()) if avatar else []
    assert desk.files == shown


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "accounts.bad_image"),
        (b"https://169.254.169.254/latest/meta-data", 400, "accounts.bad_image"),
        (b"<svg onload='alert(1)'/>", 400, "accounts.bad_image"),
        (picture("GIF", mode="P", color=0), 400, "accounts.bad_image"),
        (png_of(60_000, 60_000, rows=bytes(10_000_000)), 413, "accounts.image_too_large"),
        (b"\xff\xd8\xff" + bytes(60_000), 413, "http.body_too_large"),
    ],
)
async def test_what_is_no_picture_is_refused_and_leaves_nothing(desk, content, status, code):
    reply = await (await desk.player("Ann"))("POST", "/v1/users/avatar", content=content, headers=JPEG)
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert desk.files == []


async def test_why_a_picture_cannot_be_read_is_not_told(desk):
    reply = await (await desk.player("Ann"))("POST", "/v1/users/avatar", content=b"x", headers=JPEG)
    assert "Unidentified" not in reply.text


@pytest.mark.parametrize("kind", ["image/svg+xml", "image/gif", "application/json", "text/html", "multipart/form-data"])
async def test_a_body_that_says_it_is_something_else_is_refused_unread(desk, kind):
    reply = await sent(await desk.player("Ann"), **{"content-type": kind})
    assert (reply.status_code, reply.json()["expected"]) == (415, "image/jpeg, image/png, image/webp")


async def test_only_so_many_pictures_are_taken_of_one_account(desk):
    ann, ben = await desk.player("Ann"), await desk.player("Ben")
    statuses = [(await sent(ann, b"junk")).status_code for _ in range(9)]
    assert statuses == [400] * 8 + [429]
    refused = await sent(ann)
    assert (refused.json()["code"], int(refused.headers["retry-after"]) > 0) == ("accounts.too_many_avatars", True)
    assert (await sent(ben)).status_code == 200


@pytest.mark.parametrize(
    "name", ["nobody", "..%2F..%2Fetc%2Fpasswd", f"{'a' * 32}-64.webp", f"{'a' * 32}-65.webp", "%00", "x" * 65, ".webp"]
)
async def test_what_is_no_picture_of_anybody_is_not_there(desk, name):
    assert (await desk.ask.get(f"/avatars/{name}")).status_code in {400, 404}


async def test_no_file_is_read_but_one_of_a_picture(desk):
    for name in ("../secret", "..", "/etc/passwd", f"{'a' * 32}-1.webp"):
        with pytest.raises(NoSuchAvatar):
            await desk.parts.avatars.file(name)


async def test_nobody_sends_a_picture_without_a_token(desk):
    for method in ("POST", "DELETE"):
        assert (await desk.ask.request(method, "/v1/users/avatar", content=b"x", headers=JPEG)).status_code == 401
