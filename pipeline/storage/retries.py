"""When a storage fails: what is tried again and for how long, and what it then means for a run.

    transient    503 SlowDown, other 5xx, 429, timeouts, cut connections: tried again, after growing waits
    credentials  missing, expired or refused: ends the run, for no shard can be read
    permanent    403, 404, no such bucket, a bad certificate, and all else: raised at once

This is the one place that tries again: `pipeline.storage.files` turns off what s3fs and botocore do on their
own.
"""

import errno
import logging
import re
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

from pipeline.storage.errors import CredentialsError, RunError, UserError
from pipeline.storage.redact import describe, redacted

P = ParamSpec("P")
R = TypeVar("R")
Trouble = Literal["transient", "credentials", "permanent"]

_TRANSIENT_CODES = {"SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "IncompleteBody"}
_TRANSIENT_CODES |= {"Throttling", "ThrottlingException", "RequestLimitExceeded", "OperationAborted"}
_TRANSIENT_CODES |= {"ConditionalRequestConflict"}
_TRANSIENT_STATUS = {408, 425, 429, 500, 502, 503, 504}
_TRANSIENT_ERRNO = {errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.ESTALE}
# By name, as a class or a base of it, so that no storage client has to be installed: of botocore, requests,
# aiohttp, httpx, urllib3 and gcsfs
_TRANSIENT_NAMES = {"HTTPClientError", "ResponseParserError", "RequestException", "ClientConnectionError"}
_TRANSIENT_NAMES |= {"ClientPayloadError", "TransportError", "IncompleteRead", "IncompleteReadError"}
_TRANSIENT_NAMES |= {"ProtocolError", "ChecksumError", "ConnectionError"}
# a connection that TLS lost is a lost connection; what the two sides cannot agree on stays so
_TLS_NAMES = {"SSLError", "ClientSSLError"}
_CERTIFICATE_NAMES = {"SSLCertVerificationError", "ClientConnectorCertificateError"}
_TLS_REFUSED = re.compile(
    r"\[SSL: \w*(CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|PROTOCOL|NO_SHARED_CIPHER|WRONG_VERSION_NUMBER"
    r"|UNRECOGNIZED_NAME|INSUFFICIENT_SECURITY|LEGACY_RENEGOTIATION|KEY_TOO_SMALL|MD_TOO_WEAK)"
)
_WHY_UNVERIFIED = re.compile(r"certificate verify failed: (.*?)(?= \(_ssl|$)")

_CREDENTIAL_CODES = {"ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
_CREDENTIAL_CODES |= {"InvalidToken", "TokenRefreshRequired", "RequestExpired", "InvalidClientTokenId"}
_CREDENTIAL_CODES |= {"RequestTimeTooSkewed", "InvalidSecurity"}
# botocore's, google-auth's and huggingface_hub's
_CREDENTIAL_NAMES = {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "SSOError"}
_CREDENTIAL_NAMES |= {"GoogleAuthError", "LocalTokenNotFoundError", "ProfileNotFound"}


class StorageError(OSError):
    """What a storage's own client raised, on one line."""


class FileChangedError(StorageError):
    """A file was replaced while it was read: what was read of it belongs to another version."""


@dataclass
class Retries:
    """Calls that are tried again while their trouble is transient.

    At most `attempts` times and for `seconds`; the wait before each is random, up to a bound that doubles
    from `first_wait` seconds. `tried_again` counts the calls that were repeated.
    """

    attempts: int = 8
    first_wait: float = 0.5
    seconds: float = 300
    tried_again: int = 0

    def __call__(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What `call` returns. Raises CredentialsError, or OSError with its kind kept where it had one."""
        retrying = Retrying(
            retry=retry_if_exception(lambda error: trouble(error) == "transient"),
            stop=stop_after_attempt(self.attempts) | stop_after_delay(self.seconds),
            wait=wait_random_exponential(multiplier=self.first_wait, max=30),
            before_sleep=self._again,
            retry_error_callback=_give_up,
        )
        try:
            return retrying(call, *args, **kwargs)
        except (UserError, RunError):
            raise
        except Exception as error:
            if trouble(error) == "credentials":
                raise CredentialsError(_about_credentials(error)) from error
            if certificate := _about_certificate(error):
                raise StorageError(certificate) from error
            if isinstance(error, StorageError) or _is_built_in(error):
                raise
            raise StorageError(describe(error)) from error

    def _again(self, state: RetryCallState) -> None:
        self.tried_again += 1
        _say(state)


def trouble(error: BaseException) -> Trouble:
    """What to make of an exception from fsspec, a storage's client or the operating system."""
    causes = list(_causes(error))
    if any(map(_is_refused_tls, causes)):
        return "permanent"
    return next((found for cause in causes if (found := _trouble(cause)) is not None), "permanent")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what it was raised from: s3fs wraps botocore's answer in an OSError of its own."""
    following: BaseException | None = error
    while following is not None:
        yield following
        following = following.__cause__


def _trouble(error: BaseException) -> Trouble | None:
    code, status = _answer(error)
    names = _names(error)
    if code in _CREDENTIAL_CODES or names & _CREDENTIAL_NAMES:
        return "credentials"
    if code in _TRANSIENT_CODES or status in _TRANSIENT_STATUS:
        return "transient"
    if status is not None and status >= 300:
        return "permanent"
    if isinstance(error, TimeoutError | ConnectionError) or names & (_TRANSIENT_NAMES | _TLS_NAMES):
        return "transient"
    return "transient" if isinstance(error, OSError) and error.errno in _TRANSIENT_ERRNO else None


def _is_built_in(error: Exception) -> bool:
    """Whether it is an OSError of Python's own, or of a kind of its own that says more, as FileNotFoundError
    does; those of storage clients may not cross processes.
    """
    kind = next(base for base in type(error).__mro__ if base.__module__ == "builtins")
    return issubclass(kind, OSError) and (kind is not OSError or type(error) is OSError)


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _is_refused_tls(error: BaseException) -> bool:
    names = _names(error)
    refused = names & (_TLS_NAMES | _TRANSIENT_NAMES) and _TLS_REFUSED.search(str(error))
    return bool(refused or names & _CERTIFICATE_NAMES)


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


def _about_certificate(error: BaseException) -> str | None:
    for cause in _causes(error):
        why = _WHY_UNVERIFIED.search(str(cause))
        if why or _names(cause) & _CERTIFICATE_NAMES:
            host = getattr(cause, "host", None) or getattr(cause, "kwargs", {}).get("endpoint_url")
            return (
                f"the certificate of {redacted(host or 'the server')} is not accepted: "
                f"{why[1].rstrip('. ') if why else describe(cause)}. "
                "For an authority of your own, name its file in SSL_CERT_FILE (for S3 in AWS_CA_BUNDLE)."
            )
    return None


storage = Retries()
"""For every call that reads, writes or lists a storage."""
