"""A module server that hangs up before there is a handshake: told, and nothing is left open."""

import socket
import struct
import time

import pytest

from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.hsm.wire import dial

AT_ONCE = struct.pack("ii", 1, 0)
"""Of SO_LINGER: closing sends a reset."""


@pytest.fixture
def reset():
    """A connection whose other side is gone already."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        plain = socket.create_connection(server.getsockname())
        other, _ = server.accept()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        other.close()
        until = time.monotonic() + 10
        while is_connected(plain):
            assert time.monotonic() < until, "the reset does not come"
        yield plain
        plain.close()


def is_connected(plain: socket.socket) -> bool:
    try:
        plain.getpeername()
    except OSError:
        return False
    return True


def test_a_server_that_is_gone_before_the_handshake_is_unavailable(reset):
    with pytest.raises(HsmUnavailable) as caught:
        dial.secured(reset, dial.client_tls(), time.monotonic() + 10, known=None)
    assert (caught.value.why, caught.value.sent) == ("broken_off", False)
