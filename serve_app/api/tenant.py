"""Whose turn a request counts against: the client's address, as long as there are no accounts."""

import re
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

from starlette.requests import HTTPConnection

NETWORK_BITS = 64  # of an IPv6 address: a client has at least as many addresses to itself (RFC 6177)
LONGEST = 45  # characters of an address; what is longer is none
WITH_PORT = re.compile(r"\[(?P<six>[^]]+)](:\d+)?|(?P<four>\d+(\.\d+){3}):\d+")


def tenant_of(connection: HTTPConnection, header: str | None) -> str:
    """The tenant of a request.

    header: in which the nearest proxy writes the client's address last, since a client may send the header itself; None
    for the connection's own address.
    """
    if header and (written := connection.headers.getlist(header)):
        return _tenant(written[-1].rpartition(",")[2].strip()[: LONGEST + len("[]:65535")])
    return _tenant(connection.client.host) if connection.client else ""


@lru_cache(maxsize=4_096)
def _tenant(address: str) -> str:
    """An IPv4 address, an IPv6 network, or the beginning of what is neither."""
    if ported := WITH_PORT.fullmatch(address):
        address = ported["six"] or ported["four"]
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:LONGEST]
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or IPv6Network((found, NETWORK_BITS), strict=False))
    return str(found)
