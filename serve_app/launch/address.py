"""Where the API listens on this machine."""

import socket
from dataclasses import dataclass

from serve_app.domain.errors import UserError


@dataclass(frozen=True, slots=True)
class Address:
    """A host's address, or one of its networks', and a port."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """A URL that works on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def require_free(self) -> None:
        """Raise UserError when nobody can listen here."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as error:
                raise UserError(
                    f"cannot listen on {self.host}, port {self.port}: {error.strerror}; "
                    "choose another with --port (make run PORT=…) or --host"
                ) from None
