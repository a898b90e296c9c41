"""The contract of a place for files; the folder and S3 run it."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from overworld.kernel.ports import Blob
from overworld.kernel.refusals import Fault
from overworld.platform.blobs import BlobSettings, blobs_of
from tests.platform.blobs.s3 import Bucket, s3_server

KEY = "avatars/9f86d081-64.webp"
BAD_KEYS = ["", "/", "a", "a.exe", "A.webp", "../a.webp", "a/../b.webp", "/a.webp", "a//b.webp", "a.webp/", "a\\b.webp"]


class BlobsContract:
    """What every place for files keeps. Subclasses give the fixture `blobs`, and `blobs_down` that does not answer."""

    async def test_what_was_put_is_got_with_its_media_type(self, blobs):
        content = bytes(range(256)) * 5
        await blobs.put(KEY, content)
        assert await blobs.get(KEY) == Blob(content, "image/webp")

    async def test_another_put_takes_the_place_of_the_first(self, blobs):
        await blobs.put(KEY, b"first and longer")
        await blobs.put(KEY, b"second")
        assert (await blobs.get(KEY)).content == b"second"

    async def test_what_was_deleted_is_gone_and_may_be_deleted_again(self, blobs):
        await blobs.put(KEY, b"here")
        await blobs.put("avatars/other.webp", b"stays")
        for _ in range(2):
            await blobs.delete(KEY)
            assert await blobs.get(KEY) is None
        assert (await blobs.get("avatars/other.webp")).content == b"stays"

    async def test_what_never_was_is_nothing(self, blobs):
        assert await blobs.get("avatars/nothing.webp") is None

    async def test_an_empty_file_is_a_file(self, blobs):
        await blobs.put(KEY, b"")
        assert (await blobs.get(KEY)).content == b""

    @pytest.mark.parametrize("key", BAD_KEYS)
    async def test_a_key_of_another_form_goes_nowhere(self, blobs, key):
        for call in (blobs.put(key, b"x"), blobs.get(key), blobs.delete(key)):
            with pytest.raises(ValueError, match="is no key"):
                await call

    async def test_many_at_once_do_not_mix(self, blobs):
        await asyncio.gather(*(blobs.put(f"a/{i}.webp", str(i).encode()) for i in range(20)))
        found = await asyncio.gather(*(blobs.get(f"a/{i}.webp") for i in range(20)))
        assert [int(blob.content) for blob in found] == list(range(20))

    @pytest.mark.slow
    async def test_a_place_that_does_not_answer_is_a_fault(self, blobs_down):
        for call in (blobs_down.put(KEY, b"x"), blobs_down.get(KEY), blobs_down.delete(KEY)):
            with pytest.raises(Fault):
                await call


class TestFolder(BlobsContract):
    @pytest.fixture
    def blobs(self, tmp_path):
        return blobs_of(BlobSettings(), data=tmp_path)

    @pytest.fixture
    def blobs_down(self, tmp_path, blobs):
        (tmp_path / "blobs").rmdir()
        (tmp_path / "blobs").write_text("a file where the folder was")
        return blobs

    async def test_files_lie_in_the_data_folder_and_no_half_of_one(self, blobs, tmp_path):
        await blobs.put(KEY, b"here")
        assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()] == [
            f"blobs/{KEY}"
        ]


class TestS3(BlobsContract):
    @pytest.fixture
    def bucket(self):
        with s3_server(Bucket(key_id="id", key_secret="secret", region="eu-1")) as bucket:
            yield bucket

    @pytest.fixture
    def settings(self, bucket):
        return BlobSettings(
            url="s3://bucket/players",
            s3_endpoint=bucket.endpoint,
            s3_region="eu-1",
            s3_key_id="id",
            s3_key_secret="secret",
        )

    @pytest.fixture
    def blobs(self, settings, tmp_path):
        return blobs_of(settings, data=tmp_path)

    @pytest.fixture
    def blobs_down(self, bucket, blobs):
        bucket.broken = True
        return blobs

    async def test_files_lie_in_the_folder_of_the_bucket_with_their_media_type(self, blobs, bucket):
        await blobs.put(KEY, b"here")
        assert bucket.kept == {f"/bucket/players/{KEY}": (b"here", "image/webp")}

    async def test_a_wrong_secret_is_a_fault(self, settings, tmp_path):
        blobs = blobs_of(replace(settings, s3_key_secret="wrong"), data=tmp_path)
        with pytest.raises(Fault):
            await blobs.put(KEY, b"x")


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "gs://bucket"},
        {"url": "s3:///"},
        {"url": "/var/files"},
        {"s3_endpoint": "s3.example"},
        {"s3_key_id": "id"},
        {"s3_key_secret": "secret"},
    ],
)
def test_settings_that_name_no_store_are_refused(wrong):
    with pytest.raises(ValueError, match=r"must|together"):
        BlobSettings(**wrong)


def test_the_secret_is_in_no_text_of_the_settings():
    assert "hidden" not in repr(BlobSettings(s3_key_id="id", s3_key_secret="hidden"))
