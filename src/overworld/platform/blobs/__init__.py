"""Files under keys: in a folder by default, on S3 by setting."""

from typing import TYPE_CHECKING

from overworld.kernel.door import door

if TYPE_CHECKING:
    from overworld.platform.blobs.settings import BlobSettings
    from overworld.platform.blobs.stores import ObjectBlobs, blobs_of
else:
    __getattr__ = door(__name__, settings=["BlobSettings"], stores=["ObjectBlobs", "blobs_of"])

__all__ = ["BlobSettings", "ObjectBlobs", "blobs_of"]
