"""Where files are kept."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from overworld.kernel.secretive import Secretive

_S3 = "s3://"


class BlobSettings(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section `blobs`."""

    url: Annotated[
        str,
        Meta(
            max_length=1_024,
            description="Where files such as avatars are kept, as s3://bucket/folder; empty: in the data folder.",
        ),
    ] = ""
    s3_endpoint: Annotated[
        str, Meta(max_length=1_024, description="Address of an S3 that is not Amazon's, as https://s3.example.")
    ] = ""
    s3_region: Annotated[str, Meta(max_length=64, description="Region of the bucket; empty: the machine's.")] = ""
    s3_key_id: Annotated[
        str, Meta(max_length=256, description="Access key id; empty: as the machine has it (AWS_..., its role).")
    ] = ""
    s3_key_secret: Annotated[
        str, Meta(max_length=256, description="The secret of `s3_key_id`.", extra={"secret": True})
    ] = ""
    timeout_s: Annotated[float, Meta(gt=0, le=300, description="How long one try at the object store may take.")] = 10.0

    def __post_init__(self) -> None:
        if self.url and not (self.url.startswith(_S3) and self.url[len(_S3) :].strip("/")):
            raise ValueError("url must be empty or like s3://bucket/folder")
        if self.s3_endpoint and not self.s3_endpoint.startswith(("https://", "http://")):
            raise ValueError("s3_endpoint must begin with https:// or http://")
        if bool(self.s3_key_id) != bool(self.s3_key_secret):
            raise ValueError("s3_key_id and s3_key_secret go together")
