"""When a storage fails: what is tried again and for how long, and what it then means for a run.

    transient    503 SlowDown, other 5xx, 429, timeouts, cut connections: tried again, after growing waits
    credentials  missing, expired or refused: ends the run, for no shard can be read
    permanent    403, 404, no such bucket, and all else: raised at once

This is the one place that tries again: `pipeline.files` turns off what s3fs and botocore do on their own.
"""

import errno
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, ParamSpec, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from pipeline.errors import CredentialsError, RunError, UserError
from pipeline.redact import describe

P = ParamSpec("P")
R = TypeVar("R")
Trouble = Literal["transient", "credentials", "permanent"]

_TRANSIENT_CODES = {"SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "IncompleteBody"}
_TRANSIENT_CODES |= {"Throttling", "ThrottlingException", "RequestLimitExceeded", "OperationAborted"}
_TRANSIENT_STATUS = {408, 425, 429, 500, 502, 503, 504}
_TRANSIENT_ERRNO = {errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.ESTALE}
# By name, as a class or a base of it, so that no storage client has to be installed: of botocore, requests,
# aiohttp, httpx, urllib3 and gcsfs
_TRANSIENT_NAMES = {"HTTPClientError", "ResponseParserError", "RequestException", "ClientConnectionError"}
_TRANSIENT_NAMES |= {"ClientPayloadError", "TransportError", "IncompleteRead", "IncompleteReadError"}
_TRANSIENT_NAMES |= {"ProtocolError", "ChecksumError", "ConnectionError"}
_CERTIFICATE_NAMES = {"SSLCertVerificationError", "ClientConnectorCertificateError", "SSLError"}

_CREDENTIAL_CODES = {"ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
_CREDENTIAL_CODES |= {"InvalidToken", "TokenRefreshRequired", "RequestExpired", "InvalidClientTokenId"}
_CREDENTIAL_CODES |= {"RequestTimeTooSkewed", "InvalidSecurity"}
# botocore's, google-auth's and huggingface_hub's
_CREDENTIAL_NAMES = {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "SSOError"}
_CREDENTIAL_NAMES |= {"GoogleAuthError", "LocalTokenNotFoundError", "ProfileNotFound"}


class StorageError(OSError):
    """What a storage's own client raised, on one line."""


@dataclass
class Retries:
    """Calls that are tried again while their trouble is transient.

    At most `attempts` times and for `seconds`; the wait before each is random, up to a bound that doubles
    from `first_wait` seconds.
    """

    attempts: int = 8
    first_wait: float = 0.5
    seconds: float = 300

    def __call__(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What `call` returns. Raises CredentialsError, or OSError with its kind kept where it had one."""
        retrying = Retrying(
            retry=retry_if_exception(lambda error: trouble(error) == "transient"),
            stop=stop_after_attempt(self.attempts) | stop_after_delay(self.seconds),
            wait=wait_random_exponential(multiplier=self.first_wait, max=30),
            before_sleep=_say,
            retry_error_callback=_give_up,
        )
        try:
            return retrying(call, *args, **kwargs)
        except (UserError, RunError):
            raise
        except Exception as error:
            if trouble(error) == "credentials":
                raise CredentialsError(_about_credentials(error)) from error
            if isinstance(error, OSError):
                raise
            raise StorageError(describe(error)) from error


def trouble(error: BaseException) -> Trouble:
    """What to make of an exception from fsspec, a storage's client or the operating system."""
    for cause in _causes(error):
        if (found := _trouble(cause)) is not None:
            return found
    return "permanent"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what it was raised from: s3fs wraps botocore's answer in an OSError of its own."""
    following: BaseException | None = error
    while following is not None:
        yield following
        following = following.__cause__


def _trouble(error: BaseException) -> Trouble | None:
    code, status = _answer(error)
    names = {kind.__name__ for kind in type(error).__mro__}
    if code in _CREDENTIAL_CODES or names & _CREDENTIAL_NAMES:
        return "credentials"
    if names & _CERTIFICATE_NAMES:
        return "permanent"
    if code in _TRANSIENT_CODES or status in _TRANSIENT_STATUS:
        return "transient"
    if status is not None and status >= 300:
        return "permanent"
    if isinstance(error, TimeoutError | ConnectionError) or names & _TRANSIENT_NAMES:
        return "transient"
    return "transient" if isinstance(error, OSError) and error.errno in _TRANSIENT_ERRNO else None


def _answer(error: BaseException) -> tuple[str | None, int | None]:
    """The storage's error code (S3) and the HTTP status, where the exception carries them."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return response.get("Error", {}).get("Code"), status
    for place, name in ((response, "status_code"), (error, "status"), (error, "code")):
        if isinstance(status := getattr(place, name, None), int):
            return None, status
    return None, None


def _say(state: RetryCallState) -> None:
    """After a few attempts it is worth a word: on the driver it reaches the terminal."""
    if state.attempt_number >= 4 and state.outcome and (error := state.outcome.exception()):
        logging.getLogger("maccap").warning(
            "storage: %s; attempt %d in %.0f s",
            describe(error),
            state.attempt_number + 1,
            state.upcoming_sleep,
        )


def _give_up(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    if error is None:
        return
    tried = f"tried {state.attempt_number} times in {state.seconds_since_start or 0:.0f} s"
    raise StorageError(f"{describe(error)} ({tried})") from error


def _about_credentials(error: BaseException) -> str:
    return (
        f"the storage does not accept the credentials: {describe(error)}. "
        "Renew them (for S3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `aws sso login`), and start the "
        "same command again: it resumes."
    )


storage = Retries()
"""For every call that reads, writes or lists a storage."""
