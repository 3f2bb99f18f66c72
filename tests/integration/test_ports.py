"""Only the API's port is for strangers."""

import ipaddress
from contextlib import suppress

import psutil

from loadtest.server.running import Server


def test_nothing_but_replicas_and_the_api_listens_beyond_loopback(server: Server) -> None:
    beyond, seen = set(), set()
    for process in server.family():
        with suppress(psutil.Error):
            title = "".join(process.cmdline()[:1]).partition(":rayrank:")[0]
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    seen.add(connection.laddr.port)
                    address = ipaddress.ip_address(connection.laddr.ip)
                    if not (getattr(address, "ipv4_mapped", None) or address).is_loopback:
                        beyond.add(title)
    assert int(server.url.rpartition(":")[2]) in seen
    # Serve has no setting for where a replica's gRPC listens; test_supervision.py shows that it wants the run's token.
    assert beyond <= {"ray::ServeReplica"}
