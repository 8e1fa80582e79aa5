"""No test reaches beyond this machine: only loopback addresses are connected to."""

import ipaddress
import socket

import pytest


def is_loopback(host: object) -> bool:
    """Whether an address or a name is this machine's own."""
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return name in ("localhost", "localhost.localdomain", socket.gethostname())


def allow_only_loopback(patch: pytest.MonkeyPatch) -> None:
    """Let every other connection, and every look-up of another name, fail as without a network."""
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def refuse(address: object) -> None:
        if isinstance(address, tuple) and not is_loopback(address[0]):
            raise OSError(101, f"Network is unreachable: {address[0]}")

    def connecting(self, address):
        refuse(address)
        return connect(self, address)

    def connecting_ex(self, address):
        refuse(address)
        return connect_ex(self, address)

    def looking_up(host, *arguments, **options):
        if not is_loopback(host):
            raise socket.gaierror(-2, "Name or service not known")
        return look_up(host, *arguments, **options)

    patch.setattr(socket.socket, "connect", connecting)
    patch.setattr(socket.socket, "connect_ex", connecting_ex)
    patch.setattr(socket, "getaddrinfo", looking_up)
