import pytest

from pipeline.redact import describe, redacted


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:pass@host/a.tar", "https://host/a.tar"),
        ("https://b.s3.amazonaws.com/a.tar?X-Amz-Signature=0f&X-Amz-Credential=K%2F1", "https://b.s3.amazonaws.com/a.tar"),
        ("https://x.blob.core.windows.net/c/a.tar?sv=2022&se=2026&sr=b&sp=r&sig=0f", "https://x.blob.core.windows.net/c/a.tar"),
        ("https://host/get?file=a.tar&token=0f", "https://host/get?file=a.tar"),
        ("https://host/get?api_key=0f&file=a.tar", "https://host/get?file=a.tar"),
        ("s3://bucket/a-{000..099}.tar", "s3://bucket/a-{000..099}.tar"),
        ("/data/what?-*.tar", "/data/what?-*.tar"),
        ("hf://datasets/me/photos@main/a.tar", "hf://datasets/me/photos@main/a.tar"),
        ("s3://bucket/me@home.tar", "s3://bucket/me@home.tar"),
    ],
)  # fmt: skip
def test_a_url_keeps_its_name_and_loses_its_secrets(url: str, shown: str) -> None:
    assert redacted(url) == shown
    assert redacted(f"'{url}' is gone, alas") == f"'{shown}' is gone, alas"


def test_errors_are_told_without_secrets() -> None:
    error = OSError("404, message='Not Found', url='https://u:p@host/a.tar?Signature=0f&Expires=1'")
    assert describe(error) == "404, message='Not Found', url='https://host/a.tar'"


def test_a_file_that_a_storage_has_not_is_said_to_be_missing() -> None:
    error = FileNotFoundError("https://u:p@host/gone.tar")  # all that fsspec says of a 404
    assert describe(error) == "no such file: https://host/gone.tar"
