"""Addresses that may be loaded: on this machine's loopback, and free."""

import ipaddress
import random
import socket
from urllib.parse import urlsplit

# Ports that nobody is given unasked before a server takes one: neither by the system nor by Ray and Serve.
UNASKED = range(20_000, 30_000)


class AddressError(Exception):
    """An address that must not or cannot be tested."""


def loopback_url(text: str) -> str:
    """The URL without a slash at its end; AddressError unless it is plain HTTP to this machine's loopback."""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        parts.port  # noqa: B018 - reading it checks it
    except ValueError as error:
        raise AddressError(f"{text!r} is no URL: {error}") from error
    if parts.scheme != "http" or not host:
        raise AddressError(f"{text!r} is no http:// URL")
    if not _is_loopback(host):
        raise AddressError(f"{host} is not this machine: only 127.0.0.0/8, ::1 and localhost are load-tested")
    return text.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address in ipaddress.ip_network("127.0.0.0/8") or address == ipaddress.ip_address("::1")


def free_port(wanted: int | None = None) -> int:
    """The wanted port, or any; AddressError if it is taken, as its owner would be tested instead."""
    if wanted is not None:
        return _bound(wanted)
    for port in random.sample(UNASKED, len(UNASKED)):
        try:
            return _bound(port)
        except AddressError:
            continue
    raise AddressError(f"no port from {UNASKED[0]} to {UNASKED[-1]} is free")


def _bound(port: int) -> int:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise AddressError(f"port {port} cannot be had: {error}") from error
        return port
