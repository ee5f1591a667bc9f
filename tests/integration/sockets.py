"""tests/integration/sockets.py: a receiver that is not scheduled for a while loses nothing."""
import socket

SO_RCVBUFFORCE = 33


def roomy(s, octets):
    """A receive buffer of that size, beyond the system's limit where one may."""
    try:
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, octets)
    except PermissionError:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, octets)
