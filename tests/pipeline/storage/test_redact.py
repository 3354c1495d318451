import pytest

from pipeline.storage.redact import describe, redacted

SAME = [  # nothing of these is a secret
    "s3://bucket/a-{000..099}.tar",
    "s3://bucket/me@home.tar",
    "s3://bucket/what?x=1.jpg",
    "s3://bucket/a#1/b?.jpg",
    "s3://bucket/token=5/a.tar",
    "gs://bucket/q=1&w=2.tar",
    "hf://datasets/me/photos@main/a.tar",
    "abfs://container@account.dfs.core.windows.net/a.tar",
    "/data/what?-*.tar",
    "/data/what?x=1.jpg",
    "/data/what?sig=1&token=2.jpg",
    "/data/a@b/c.jpg",
    "/data/password=1/hf_0123456789abcdef0123.jpg",
    "mailto:me@home",
    "file:///data/a@b.tar",
    "https://host/a.tar",
    "https://host:8080/a@b.jpg",
    "https://[::1]:8000/a@b.tar",
    "https://medium.com/@me/photo@2x.jpg",
    "https://host/x-{000..010}.tar",
    "https://host/get?id=1",
    "https://host/get?id=2&w=640&h=480&fm=webp&q=80&v=3",
    "https://host/get?id={000..010}",
    "https://host/uc?export=download&id=1A2b3C4d5E6f7G8h9I0j1K2l3M4n5O6p7",
    "https://b.s3.amazonaws.com/a.tar?versionId=3HL4kqtJlcpXroDTDmJ",
    "HTTP://host/A.tar",
    "a plain text: max_new_tokens=20, tokenizer: gpt2",
    "training.seed: was 0, now 5",
]
SECRETS = [
    ("https://me:pass@host/a.tar", "https://host/a.tar"),
    ("https://me@host/a.tar", "https://host/a.tar"),
    ("https://:p@host/a.tar", "https://host/a.tar"),
    ("https://u:p@ss@host/a.tar", "https://host/a.tar"),
    ("https://u:p%40ss%2Fw@host/a.tar", "https://host/a.tar"),
    ("https://user:pa/ss@host/a.tar", "https://host/a.tar"),
    ("https://user:pa/s@s@host:80/a.tar", "https://host:80/a.tar"),
    ("https://user:p@s/w@rd@host.org/a.tar", "https://host.org/a.tar"),
    ("https://user:pa?ss@host/a.tar", "https://host/a.tar"),
    ("https://user:pa#ss@host/a.tar", "https://host/a.tar"),
    ("https://u:p@host.org/a@b.tar", "https://host.org/a@b.tar"),
    ("https://u:p@minio:9000/a@b.tar", "https://minio:9000/a@b.tar"),
    ("https://u:p@[::1]:8000/a.tar", "https://[::1]:8000/a.tar"),
    ("HTTPS://U:P@HOST/a.tar?SIG=0f", "HTTPS://HOST/a.tar"),
    ("ftp://u:p@host/a.tar", "ftp://host/a.tar"),
    ("redis://:p@h", "redis://h"),
    ("postgresql://u:p@h:5432/db?sslpassword=x", "postgresql://h:5432/db"),
    ("s3://AKIAIOSFODNN7EXAMPLE:wJalr/K7MDENG@bucket/a.tar", "s3://bucket/a.tar"),
    ("s3://key:secret@bucket/me@home.tar", "s3://bucket/me@home.tar"),
    ("s3://bucket/a.tar?X-Amz-Signature=0f&X-Amz-Credential=K", "s3://bucket/a.tar"),
    ("https://b.s3.amazonaws.com/a.tar?X-Amz-Signature=0f&X-Amz-Credential=K%2F1", "https://b.s3.amazonaws.com/a.tar"),
    ("https://x.blob.core.windows.net/c/a.tar?sv=2022&se=2026&sr=b&sp=r&sig=0f", "https://x.blob.core.windows.net/c/a.tar"),
    ("https://host/get?file=a.tar&token=0f", "https://host/get?file=a.tar"),
    ("https://host/get?api_key=0f&file=a.tar", "https://host/get?file=a.tar"),
    ("https://host/a.tar?jwt=0f", "https://host/a.tar"),
    ("https://host/a.tar?access_key=0f&SecretKey=0f&hmac=0f&st=0f&e=17", "https://host/a.tar"),
    ("https://host/a.tar?unheard-of=0f", "https://host/a.tar"),
    ("https://host/a.tar?0f8a7c", "https://host/a.tar"),
    ("https://host/a.tar#access_token=0f", "https://host/a.tar"),
    ("https://host/a.tar?id=7#0f", "https://host/a.tar?id=7"),
    ("https://host/get?id=eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.c2ln", "https://host/get"),
    ("https://host/get?id=" + 65 * "0", "https://host/get"),
    ("https://host/x-{000..010}.tar?sig=0f", "https://host/x-{000..010}.tar"),
    ("https://proxy/get?url=https://u:p@h/a.tar?sig=0f", "https://proxy/get"),
    ("https://proxy/https://u:p@h/a.tar?sig=0f", "https://proxy/https://h/a.tar"),
    ("simplecache::https://u:p@host/a.tar?sig=0f", "simplecache::https://host/a.tar"),
    ("@https://u:p@host/list.txt?sig=0f", "@https://host/list.txt"),
    ("https://u:p@h/a.tar?s=1::https://u:p@h/b.tar?s=2", "https://h/a.tar::https://h/b.tar"),
    ("zip://a.jpg::https://u:p@h/a.zip?sig=0f", "zip://a.jpg::https://h/a.zip"),
    ("https://h/a.tar?sig=1,https://h/b.tar?sig=2", "https://h/a.tar,https://h/b.tar"),
]  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_what_holds_no_secret_stays(name: str) -> None:
    assert redacted(name) == name


@pytest.mark.parametrize(("url", "shown"), SECRETS)
def test_a_url_keeps_its_name_and_loses_its_secrets(url: str, shown: str) -> None:
    assert redacted(url) == shown
    assert redacted(f"'{url}' is gone, alas") == f"'{shown}' is gone, alas"
    assert redacted(shown) == shown


def test_a_file_that_a_storage_has_not_is_said_to_be_missing() -> None:
    error = FileNotFoundError("https://u:p@host/gone.tar")  # all that fsspec says of a 404
    assert describe(error) == "no such file: https://host/gone.tar"


def test_a_password_may_hold_quotes() -> None:
    assert redacted("https://u:p'a\"<s>@host/a.tar") == "https://host/a.tar"


def test_what_is_left_is_the_same_for_every_signature_and_for_no_other_row() -> None:
    url = "https://b.s3.amazonaws.com/get?id={}&X-Amz-Date={}&X-Amz-Signature={}"
    names = {redacted(url.format(row, day, sign)) for row in "12" for day in "345" for sign in ("0f.", "1)")}
    assert names == {"https://b.s3.amazonaws.com/get?id=1", "https://b.s3.amazonaws.com/get?id=2"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "404, message='Not Found', url='https://u:p@host/a.tar?Signature=0f&Expires=1'",
            "404, message='Not Found', url='https://host/a.tar'",
        ),
        ("cannot open (https://h/a.tar?sig=0f), sorry.", "cannot open (https://h/a.tar), sorry."),
        (
            "DefaultEndpointsProtocol=https;AccountName=me;AccountKey=abc+/d==;EndpointSuffix=x",
            "DefaultEndpointsProtocol=https;AccountName=me;AccountKey=...;EndpointSuffix=x",
        ),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ..."),
        ("{'Authorization': 'Basic dTpw'}", "{'Authorization': 'Basic ...'}"),
        ("the key AKIAIOSFODNN7EXAMPLE is not known", "the key ... is not known"),
        ("aws_secret_access_key=wJalr/K7MDENG is wrong", "aws_secret_access_key=... is wrong"),
        ('{"access_token": "0f8a", "id": 7}', '{"access_token": "...", "id": 7}'),
        ("GET /a.tar?x=1&X-Amz-Signature=0f&sig=1 failed", "GET /a.tar?x=1&X-Amz-Signature=... failed"),
        ("401 for hf_0123456789abcdefABCDEF", "401 for ..."),
    ],
)
def test_errors_are_told_without_secrets(text: str, shown: str) -> None:
    assert describe(OSError(text)) == shown


def test_a_long_text_takes_no_time() -> None:
    for part in ("a" * 5, ",a", "://", "https://a,", "@", "token", "x?", "::a", "a="):
        redacted(part * 20_000)
        redacted("https://h/" + part * 20_000)
