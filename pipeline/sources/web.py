"""Images at http(s) addresses that anyone may have named: few and short tries, and nothing without a bound.

A host that did not answer several times in a row is left alone for a while; its images fail at once, and it
is tried again from time to time. Addresses that machines keep for themselves (of cloud metadata, link-local)
are never asked, and a public host cannot send us on to a private one. `pipeline.storage.retries` has the
patience for storage that the user owns; this is for all others.
"""

import asyncio
import atexit
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from urllib.request import getproxies, proxy_bypass

import aiohttp
import yarl
from fsspec.asyn import get_loop

from maccap import __version__
from pipeline.sources.addresses import (
    ForbiddenAddressError,
    RememberingResolver,
    any_socket,
    is_public,
    public_socket,
)
from pipeline.storage.redact import describe

_REDIRECTS = (301, 302, 303, 307, 308)
_BUSY = (408, 425, 429, 500, 502, 503, 504)
_HOSTS = 10_000  # of which it is remembered whether they answer


@dataclass(frozen=True)
class Patience:
    """Seconds, unless said otherwise."""

    connect: float = 4
    answer: float = 15  # until the first byte, and between bytes
    tries: int = 2  # of a host that cannot be reached, or is busy
    wait: float = 0.5  # before the second
    busy_wait: float = 10  # at most, where a busy host says for how long
    outage: float = 30  # a host that answered before is waited for
    body: float = 30  # a body may take so long, and more as it is larger:
    bytes_per_second: int = 64 << 10
    longest: float = 300
    redirects: int = 5
    failures: int = 5  # in a row, after which a host is left alone
    rest: float = 30  # for so long


class WebError(OSError):
    """The address has no image for us; says why."""


class _NoAnswerError(WebError):
    """The host was not reached, or said nothing."""


class _AgainError(WebError):
    """The host is there, and may do better next time."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


@dataclass
class _Host:
    failures: int = 0
    rests_until: float = 0
    failing_since: float | None = None
    answered: bool = False


class Web:
    """Reads from any number of threads; connections and what is known of hosts are shared."""

    def __init__(self, patience: Patience | None = None) -> None:
        self.patience = patience or Patience()
        self._hosts: OrderedDict[tuple[str, int | None], _Host] = OrderedDict()
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._public: set[str] = set()

    def read(self, url: str, max_bytes: int, reserve: Callable[[int], object]) -> bytes:
        """The body, of at most `max_bytes`. `reserve` is asked before so many more bytes are held, and what
        it raises ends the reading. Raises WebError.
        """
        body = bytearray()
        reading = self._read(_parsed(url), body, max_bytes, reserve)
        try:
            asyncio.run_coroutine_threadsafe(reading, get_loop()).result()
            return bytes(body)
        finally:
            body.clear()  # futures and tracebacks are cycles, and would keep it for long

    def close(self) -> None:
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            asyncio.run_coroutine_threadsafe(session.close(), get_loop()).result(timeout=5)

    async def _read(
        self, url: yarl.URL, into: bytearray, max_bytes: int, reserve: Callable[[int], object]
    ) -> None:
        try:
            async with asyncio.timeout(self.patience.longest):
                await self._try(url, into, max_bytes, reserve)
        except TimeoutError:
            raise WebError(f"not read after {self.patience.longest:.0f} s") from None

    async def _try(
        self, url: yarl.URL, into: bytearray, max_bytes: int, reserve: Callable[[int], object]
    ) -> None:
        held, patience, attempt = 0, self.patience, 0

        def hold(size: int) -> None:
            nonlocal held
            if size > held:
                reserve(size - held)
                held = size

        while True:
            attempt += 1
            try:
                return await self._follow(url, into, max_bytes, hold)
            except _NoAnswerError:
                host = self._host(url)
                waited = _now() - host.failing_since if host.failing_since else patience.outage
                if not (host.answered and waited < patience.outage) and attempt >= patience.tries:
                    raise
                await asyncio.sleep(patience.wait if attempt == 1 else 2)
            except _AgainError as error:
                if attempt >= patience.tries + 1:
                    raise
                await asyncio.sleep(min(error.wait or 2 * patience.wait * attempt, patience.busy_wait))

    async def _follow(
        self, url: yarl.URL, into: bytearray, max_bytes: int, hold: Callable[[int], None]
    ) -> None:
        public_only = False
        for _ in range(self.patience.redirects + 1):
            async with await self._answer(url, public_only) as response:
                if response.status not in _REDIRECTS:
                    return await self._body(response, into, max_bytes, hold)
                public_only = public_only or url.host in self._public or is_public(url.host)
                url = _redirected(url, response.headers.get("Location", ""))
        raise WebError(f"more than {self.patience.redirects} redirects")

    async def _answer(self, url: yarl.URL, public_only: bool) -> aiohttp.ClientResponse:
        """The response's head. Keeps count of whether the host answers."""
        host, patience, proxy = self._host(url), self.patience, _proxy(url)
        if host.failures >= patience.failures:
            if _now() < host.rests_until:
                raise WebError(
                    f"{url.host} did not answer {host.failures} times in a row; it is left alone for a while"
                )
            host.rests_until = _now() + patience.rest  # for the others; this one tries
        session = self._session(public_only and proxy is None)
        try:
            async with asyncio.timeout(patience.connect + patience.answer):
                response = await session.get(url, allow_redirects=False, proxy=proxy)
        except aiohttp.ClientConnectorCertificateError as error:
            raise WebError(
                f"{url.host} has a bad certificate ({describe(error.certificate_error)})"
            ) from None
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            if isinstance(forbidden := error.__cause__, ForbiddenAddressError):
                raise WebError(str(forbidden)) from None
            self._failed(host)
            raise _NoAnswerError(f"{url.host} does not answer ({describe(error)})") from None
        except (aiohttp.ClientError, ValueError) as error:
            raise WebError(f"{url.host} does not answer as a web server does ({describe(error)})") from None
        host.failures, host.failing_since, host.answered = 0, None, True
        return response

    async def _body(
        self,
        response: aiohttp.ClientResponse,
        into: bytearray,
        max_bytes: int,
        hold: Callable[[int], None],
    ) -> None:
        if response.status in _BUSY:
            wait = response.headers.get("Retry-After", "")
            raise _AgainError(f"HTTP {response.status}", float(wait[:5]) if wait.isdecimal() else None)
        if response.status != 200:
            raise WebError(f"HTTP {response.status}")
        length = response.content_length or 0
        if length > max_bytes:
            raise WebError(f"{length} bytes are more than the limit of {max_bytes} (max_bytes)")
        hold(length)
        size, start, patience = 0, _now(), self.patience
        into.clear()
        try:
            async for piece in response.content.iter_any():
                size += len(piece)
                if size > max_bytes:
                    raise WebError(f"more bytes than the limit of {max_bytes} (max_bytes)")
                hold(size)
                into.extend(piece)
                if _now() - start > patience.body + size / patience.bytes_per_second:
                    raise WebError(f"comes too slowly: {size} bytes in {_now() - start:.0f} s")
        except TimeoutError:
            raise WebError(f"stopped after {size} bytes") from None
        except (aiohttp.ClientError, ConnectionError) as error:
            raise _AgainError(f"cut off after {size} bytes ({describe(error)})") from None

    def _failed(self, host: _Host) -> None:
        host.failures += 1
        host.failing_since = host.failing_since or _now()
        host.rests_until = _now() + self.patience.rest
        if host.answered and _now() - host.failing_since < self.patience.outage:
            host.failures = min(host.failures, self.patience.failures - 1)

    def _host(self, url: yarl.URL) -> _Host:
        key = (url.host or "", url.port)
        host = self._hosts.setdefault(key, _Host())
        self._hosts.move_to_end(key)
        if len(self._hosts) > _HOSTS:
            self._hosts.popitem(last=False)
        return host

    def _session(self, public_only: bool) -> aiohttp.ClientSession:
        session = self._sessions.get(public_only)
        if session is None or session.closed:
            patience = self.patience
            session = self._sessions[public_only] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,
                    resolver=RememberingResolver(self._public),
                    socket_factory=public_socket if public_only else any_socket,
                ),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=patience.connect, sock_read=patience.answer
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"maccap/{__version__}", "Accept-Encoding": "identity"},
            )
        return session


def _parsed(url: str) -> yarl.URL:
    try:
        parsed = _as_written(url)
        host = parsed.port and parsed.host
    except ValueError as error:
        raise WebError(f"no URL ({describe(error)})") from None
    if not host:
        raise WebError("no URL: it names no host")
    return parsed


def _redirected(url: yarl.URL, location: str) -> yarl.URL:
    try:
        target = url.join(_as_written(location))
    except ValueError as error:
        raise WebError(f"{url.host} redirects to no URL ({describe(error)})") from None
    if target.scheme not in ("http", "https") or not target.host:
        raise WebError(f"{url.host} redirects to {target.scheme or 'nothing'}:, which is not followed")
    return target


def _as_written(url: str) -> yarl.URL:
    """Quoted only where it must be: a signature counts every character. Raises ValueError."""
    return yarl.URL(url, encoded=url.isascii() and url.isprintable() and " " not in url)


def _proxy(url: yarl.URL) -> str | None:
    """Of the environment, as other programs understand it."""
    proxy = getproxies().get(url.scheme)
    return proxy if proxy and not proxy_bypass(url.host or "") else None


def _now() -> float:
    return asyncio.get_running_loop().time()


web = Web()
"""For every image at an http(s) address: what is known of hosts is shared by all that this process reads."""

atexit.register(web.close)
