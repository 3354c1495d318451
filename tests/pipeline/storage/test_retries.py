import errno
import pickle
import ssl

import aiohttp
import fsspec.exceptions
import pytest
from botocore import exceptions as boto
from s3fs.errors import translate_boto_error

from pipeline.storage.errors import CredentialsError, RunError
from pipeline.storage.folder import writing
from pipeline.storage.retries import Retries, StorageError, trouble

QUICK = Retries(attempts=3, first_wait=0.001)


def _s3(code: str, status: int) -> Exception:
    """As s3fs raises it."""
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return translate_boto_error(boto.ClientError(answer, "GetObject"))


def _http(status: int) -> Exception:
    return aiohttp.ClientResponseError(None, (), status=status)  # type: ignore[arg-type]


def _not_found(cause: Exception) -> Exception:
    """As fsspec's HTTP filesystem says of anything that goes wrong while it looks a file up."""
    error = FileNotFoundError("https://host/x")
    error.__cause__ = cause
    return error


class TransportError(Exception):
    """Named as httpx's, which huggingface_hub may use."""


def _from(cause: Exception, error: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (_s3("SlowDown", 503), "transient"),
        (_s3("ConditionalRequestConflict", 409), "transient"),
        (_s3("InternalError", 500), "transient"),
        (_s3("RequestTimeout", 400), "transient"),
        (_http(429), "transient"),
        (_http(502), "transient"),
        (aiohttp.ClientPayloadError("cut short"), "transient"),
        (aiohttp.ServerDisconnectedError(), "transient"),
        (_not_found(_http(503)), "transient"),
        (boto.ReadTimeoutError(endpoint_url="x"), "transient"),
        (boto.EndpointConnectionError(endpoint_url="x"), "transient"),
        (fsspec.exceptions.FSTimeoutError(), "transient"),
        (TimeoutError(), "transient"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "transient"),
        (_s3("AccessDenied", 403), "permanent"),
        (_s3("NoSuchKey", 404), "permanent"),
        (_s3("NoSuchBucket", 404), "permanent"),
        (_http(403), "permanent"),
        (_not_found(_http(404)), "permanent"),
        (OSError(errno.ENOSPC, "No space left on device"), "permanent"),
        (PermissionError(errno.EACCES, "Permission denied"), "permanent"),
        (ssl.SSLCertVerificationError("self-signed certificate"), "permanent"),
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol (_ssl.c:2427)"), "transient"),
        (ssl.SSLZeroReturnError(6, "TLS/SSL connection has been closed (EOF)"), "transient"),
        (ssl.SSLError(1, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] bad record mac"), "transient"),
        (ssl.SSLError(1, "[SSL: TLSV1_ALERT_INTERNAL_ERROR] internal error"), "transient"),
        (ssl.SSLError(1, "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] handshake failure"), "permanent"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "permanent"),
        (aiohttp.ClientOSError(errno.ECONNRESET, "reset"), "transient"),
        (_from(ssl.SSLEOFError(8, "EOF"), aiohttp.ClientOSError(8, "EOF")), "transient"),
        (boto.SSLError(endpoint_url="https://CERTIFICATE/", error="EOF occurred"), "transient"),
        (boto.SSLError(endpoint_url="x", error="[SSL: CERTIFICATE_VERIFY_FAILED] failed"), "permanent"),
        (_from(ssl.SSLCertVerificationError("expired"), TransportError("expired")), "permanent"),
        (_from(ssl.SSLEOFError(8, "EOF"), TransportError("EOF")), "transient"),
        (ValueError("anything else"), "permanent"),
        (_s3("ExpiredToken", 400), "credentials"),
        (_s3("InvalidAccessKeyId", 403), "credentials"),
        (boto.NoCredentialsError(), "credentials"),
    ],
)
def test_what_is_tried_again(error: Exception, expected: str) -> None:
    assert trouble(error) == expected


def _failing(*errors: Exception) -> tuple[list[int], object]:
    calls: list[int] = []

    def call() -> str:
        calls.append(1)
        if len(calls) <= len(errors):
            raise errors[len(calls) - 1]
        return "done"

    return calls, call


def test_transient_trouble_passes() -> None:
    calls, call = _failing(_s3("SlowDown", 503), TimeoutError())
    assert QUICK(call) == "done"  # type: ignore[arg-type]
    assert len(calls) == 3


def test_trouble_that_does_not_pass_says_how_often_it_was_met() -> None:
    calls, call = _failing(*[_s3("SlowDown", 503)] * 5)
    with pytest.raises(StorageError, match="tried 3 times"):
        QUICK(call)  # type: ignore[arg-type]
    assert len(calls) == 3


def test_permanent_trouble_is_raised_at_once_as_an_os_error() -> None:
    calls, call = _failing(_s3("AccessDenied", 403))
    with pytest.raises(PermissionError):
        QUICK(call)  # type: ignore[arg-type]
    assert len(calls) == 1
    with pytest.raises(StorageError, match="strange client"):
        QUICK(_failing(RuntimeError("strange client"))[1])  # type: ignore[arg-type]


def test_a_client_s_own_error_becomes_one_that_crosses_processes() -> None:
    class StrangeError(OSError):
        def __init__(self, one: str, two: str) -> None:
            super().__init__(one + two)

    with pytest.raises(StorageError, match="strange thing"):
        QUICK(_failing(StrangeError("strange ", "thing"))[1])  # type: ignore[arg-type]
    with pytest.raises(OSError, match="full") as raised:
        QUICK(_failing(OSError(errno.ENOSPC, "full"))[1])  # type: ignore[arg-type]
    assert raised.value.errno == errno.ENOSPC


def test_refused_credentials_are_raised_at_once_with_what_to_do() -> None:
    calls, call = _failing(boto.NoCredentialsError())
    with pytest.raises(CredentialsError, match="AWS_ACCESS_KEY_ID") as raised:
        QUICK(call)  # type: ignore[arg-type]
    assert len(calls) == 1
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)  # it crosses processes


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied"), "Make it writable"),
        (OSError(errno.EROFS, "Read-only file system"), "Make it writable"),
        (StorageError("SlowDown (tried 8 times in 50 s)"), "tried 8 times"),
    ],
)
def test_what_cannot_be_written_says_what_to_mend(error: OSError, message: str) -> None:
    with pytest.raises(RunError) as raised, writing("https://me:secret@host/run"):
        raise error
    assert message in str(raised.value)
    assert "https://host/run cannot be written" in str(raised.value)
    assert "it resumes" in str(raised.value)
