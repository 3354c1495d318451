"""Which network addresses an untrusted list of URLs may make us ask.

Those that machines keep for themselves, where clouds hand out credentials among them, never. Private ones
(a server in the house) when they are named outright, but not when a public host sends us there. What counts
is the address that is connected to, however it was written and whatever the name resolved to before.
"""

import ipaddress
import socket
from typing import Any

from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver

_NEVER = frozenset(
    ipaddress.ip_address(a) for a in ("fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16")
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class ForbiddenAddressError(OSError):
    """The address is not asked."""


class RememberingResolver(ThreadedResolver):
    """Keeps, in `public`, the names that ever resolved to a public address."""

    def __init__(self, public: set[str]) -> None:
        super().__init__()
        self._public = public

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        if any(is_public(result["host"]) for result in found):
            self._public.add(host)
        return found


def any_socket(address: Any) -> socket.socket:
    """A socket for one address, as `getaddrinfo` describes it. Raises ForbiddenAddressError."""
    family, kind, protocol, _, (host, *_) = address
    ip = _address(host)
    if ip is None or ip in _NEVER or ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        raise ForbiddenAddressError(f"{host} is an address that images are never read from")
    return socket.socket(family, kind, protocol)


def public_socket(address: Any) -> socket.socket:
    """As `any_socket`, for a public address alone."""
    host = address[4][0]
    if not is_public(host):
        raise ForbiddenAddressError(f"a public host redirects to {host}, which is a private address")
    return any_socket(address)


def is_public(host: str | None) -> bool:
    """Whether `host` is the number of a public address."""
    ip = _address(host or "")
    return ip is not None and ip.is_global


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that is reached in the end: an IPv4 one, where IPv6 only wraps it."""
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        return ip.ipv4_mapped or ip.sixtofour or ip
    return ip
