"""HAProxy's configuration as Serve writes it, made into the one that runs."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HEAD_S = 10  # for the head of a request, from its first byte or the connection's
CHECK = "1750ms"  # for a gateway to answer a health check: two of them fit into five seconds
CONNECTIONS = 10_000
CONNECTIONS_KEPT = 100  # of all that it may have, for its statistics and metrics
# HAProxy takes two and a half descriptors for each connection: both sides, and pipes for some; and others beside.
FILES_OF_TWO, OTHER_FILES = 5, 300
ONLY_HERE = {"frontend prometheus", "listen stats"}
WAY_IN = "frontend http_frontend"
SANE_ID = "^[!-~]{1,128}$"


class UnknownConfigError(Exception):
    """Serve wrote a configuration that this version of it is not known to write."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """What HAProxy says by itself.

    defaults: lines for its `defaults`. frontend: lines for the frontend, where every answer passes. away: lines for a
    backend without a gateway, each of which ends in a condition that more can be added to. script: Lua, with the TCP
    services `malformed` and `slow_head`.
    """

    defaults: Sequence[str]
    frontend: Sequence[str]
    away: Sequence[str]
    script: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where it runs.

    script: a file with that of the refusals. watched: a socket by which HAProxy can be asked whether it lives.
    most: see connections.
    """

    script: Path
    watched: Path
    most: int


def connections(descriptors: int) -> int:
    """How many clients may be connected at once, with so many descriptors."""
    return max(CONNECTIONS_KEPT * 2, min(CONNECTIONS, 2 * (descriptors - OTHER_FILES) // FILES_OF_TWO))


def descriptors_of(connections: int) -> int:
    """How many descriptors so many clients take."""
    return connections * FILES_OF_TWO // 2 + OTHER_FILES


def configured(text: str, place: Place, says: Refusals) -> str:
    """The configuration to run. Raises UnknownConfigError."""
    sections = [_changed(name, lines, place, says) for name, lines in _sections(text)]
    names = {section[0] for section in sections}
    if missing := {"global", "defaults", WAY_IN, *ONLY_HERE} - names:
        raise UnknownConfigError(f"no section {', '.join(sorted(missing))} in HAProxy's configuration")
    return "\n".join(line for section in sections for line in section) + UNREADABLE


def serves(text: str) -> bool:
    """Whether a configuration has a backend that leads to gateways."""
    return re.search(r"^backend (?!default_|unreadable)", text, re.MULTILINE) is not None


def without_admin(text: str) -> str:
    """A configuration that was changed for this process, without the socket by which Serve asks it."""
    lines = text.splitlines()
    (serves_own, *_) = [i for i, line in enumerate(lines) if line.split()[:2] == ["stats", "socket"]]
    return "\n".join(lines[:serves_own] + lines[serves_own + 1 :]) + "\n"


WHOLE_HEAD = r"{ var(req.head) -m reg '\r?\n\r?\n' }"
TEXT = r"{ req.payload(0,1) -m reg '^[A-Za-z\r\n]' }"
REQUEST_LINE = r"{ var(req.head) -m reg '^[\r\n]*[A-Za-z]+ [^ \r\n]+ HTTP/[0-9.]+\r?\n' }"
NO_LENGTH = r"{ var(req.head) -m reg -i '\ncontent-length:[ \t]*[^0-9 \t]' }"
FULL = "{ req.len gt 15000 }"
# What comes here is no request: it has no head that can be read, or none in time.
UNREADABLE = f"""
backend unreadable
    mode tcp
    tcp-request content reject if {{ req.len 0 }}
    tcp-request content use-service lua.slow_head if {TEXT} !{WHOLE_HEAD} !{FULL}
    tcp-request content use-service lua.malformed
"""


def _sections(text: str) -> Iterator[tuple[str, list[str]]]:
    name, lines = "", list[str]()
    for line in text.splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            if name:
                yield name, lines
            name, lines = line.strip(), []
        else:
            lines.append(line)
    yield name, lines


def _changed(name: str, lines: list[str], place: Place, says: Refusals) -> list[str]:
    if name == "global":
        changed = _global(lines, place)
    elif name == "defaults":
        changed = _defaults(lines, says)
    elif name in ONLY_HERE:
        changed = [re.sub(r"^(\s*bind) \*?:", r"\1 127.0.0.1:", line) for line in lines]
    elif name == WAY_IN:
        changed = _way_in(lines, place, says)
    elif name == "backend default_backend":
        changed = [f"    {line}" for line in says.away]
    elif name.startswith("backend "):
        changed = _backend(name.split()[1], lines, says)
    else:
        changed = lines
    return [name, *changed]


def _global(lines: Sequence[str], place: Place) -> list[str]:
    # Whoever may write to the socket may stop HAProxy.
    kept = [line.replace("mode 666", "mode 600") for line in lines if line.split()[:1] != ["maxconn"]]
    return [
        *kept,
        f"    maxconn {place.most}",
        f"    stats socket {place.watched} mode 600 level admin expose-fd listeners",
        f"    lua-load-per-thread {place.script}",
    ]


def _defaults(lines: Sequence[str], says: Refusals) -> list[str]:
    kept = [line for line in lines if line.split()[:1] != ["errorfile"]]
    added = [
        f"timeout http-request {HEAD_S}s",
        f"timeout check {CHECK}",
        "timeout queue 5s",
        "option forwardfor",
        # Of a second request that cannot be read: nothing is said, because what HAProxy would say cannot be set.
        "errorfile 400 /dev/null",
        "errorfile 408 /dev/null",
        *says.defaults,
    ]
    return kept + [f"    {line}" for line in added]


def _way_in(lines: Sequence[str], place: Place, says: Refusals) -> list[str]:
    """Read as TCP until it is seen to be a request: what is none, HAProxy's HTTP answers with a page of its own."""
    first = [
        "mode tcp",
        f"maxconn {place.most - CONNECTIONS_KEPT}",
        f"tcp-request inspect-delay {HEAD_S}s",
        # What is no request is told at once where that is plain. HTTP, HAProxy's own test, waits for more in any doubt,
        # as any test of what may still come does; a variable is what it is.
        "tcp-request content set-var(req.head) req.payload(0,0)",
        f"tcp-request content accept if {{ req.len gt 0 }} !{TEXT}",
        f"tcp-request content accept if {WHOLE_HEAD} !{REQUEST_LINE}",
        f"tcp-request content accept if {WHOLE_HEAD} {NO_LENGTH}",
        "tcp-request content switch-mode http if HTTP",
        "unique-id-format %[uuid]",
        f"http-request set-var(txn.request_id) req.hdr(x-request-id) if {{ req.hdr(x-request-id) -m reg {SANE_ID} }}",
        "http-request set-var(txn.request_id) unique-id unless { var(txn.request_id) -m found }",
        "http-request set-header X-Request-Id %[var(txn.request_id)]",
        "http-request set-var(txn.method) method",
        "http-request set-var(txn.began) date(0,ms)",
        *says.frontend,
        "http-after-response set-var(txn.status) status",
    ]
    routes = next(i for i, line in enumerate(lines) if line.split()[:1] in (["use_backend"], ["default_backend"]))
    own = [_loggable(line) for line in lines[:routes]]
    return [*(f"    {line}" for line in first), *own, "    use_backend unreadable unless HTTP", *lines[routes:]]


def _loggable(line: str) -> str:
    """What Serve counts requests by, in words that a log has where not all is HTTP."""
    if line.split()[:1] != ["log-format-sd"]:
        return line
    for word, same in {"%HM": "var(txn.method)", "%ST": "var(txn.status)", "%Ta": "date(0,ms),sub(txn.began)"}.items():
        line = line.replace(word, f"%[{same}]")
    return line


def _backend(name: str, lines: Sequence[str], says: Refusals) -> list[str]:
    away = [f"    {line} {{ nbsrv({name}) eq 0 }}" for line in says.away]
    # Of a gateway that ends, a request on a connection that others had before gets no word of it: so a client's first
    # has one of its own.
    own = [line.replace("http-reuse always", "http-reuse safe") for line in lines]
    servers = [
        f"{line} on-marked-down shutdown-sessions" if line.split()[:1] == ["default-server"] else line for line in own
    ]
    return [*away, *servers]
