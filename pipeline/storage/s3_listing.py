"""A folder of an S3 bucket as it is: s3fs takes the folder `photos//` for `photos/`, which holds it."""

from collections.abc import Iterator
from typing import Any

from fsspec import AbstractFileSystem

from pipeline.storage.retries import storage


def list_prefix(filesystem: AbstractFileSystem, folder: str) -> Iterator[dict[str, Any]]:
    """What lies in `bucket/folder` itself, as fsspec's `ls` tells it; the paths of folders end in a slash.

    `bucket/photos/` is the folder without a name in `photos`. Raises FileNotFoundError for a folder in which
    nothing lies, and OSError.
    """
    bucket, _, _ = filesystem.split_path(folder)
    prefix = folder[len(bucket) + 1 :] + "/" if folder != bucket else ""
    request = {"Bucket": bucket, "Prefix": prefix, "Delimiter": "/", **filesystem.req_kw}
    empty = bool(prefix)
    while True:
        page = storage(filesystem.call_s3, "list_objects_v2", **request)
        for found in page.get("CommonPrefixes", ()):
            yield {"name": f"{bucket}/{found['Prefix']}", "type": "directory"}
        for found in page.get("Contents", ()):
            empty = False
            if found["Key"] != prefix or found["Size"]:  # of no bytes, it stands for the folder itself
                file = {"name": f"{bucket}/{found['Key']}", "type": "file"}
                yield {**file, "size": found["Size"], "ETag": found.get("ETag")}
        empty = empty and not page.get("CommonPrefixes")
        if not page.get("IsTruncated"):
            break
        request["ContinuationToken"] = page["NextContinuationToken"]
    if empty:
        raise FileNotFoundError("there is no such folder")
