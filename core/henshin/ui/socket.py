"""The socket of the server, bound before anything is printed, so that a taken port is one line."""

from __future__ import annotations

import socket

from henshin.errors import HenshinError


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address. Errors: HenshinError that says why it cannot be."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise HenshinError(f"cannot listen at {host} port {port}: {error.strerror or error}; say another") from error
    return listener
