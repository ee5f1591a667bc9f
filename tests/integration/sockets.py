"""tests/integration/sockets.py: a receiver that is not scheduled for a while loses nothing, and knows when things came."""
import socket
import struct
import time

SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35


def roomy(s, octets):
    """A receive buffer of that size, beyond the system's limit where one may."""
    try:
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, octets)
    except PermissionError:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, octets)


def timed(s):
    """The system notes when a datagram comes."""
    s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


def arrivals(s):
    """What has come to a timed socket that does not block: (seconds since the epoch, datagram) each."""
    while True:
        try:
            p, notes, _, _ = s.recvmsg(65536, 64)
        except BlockingIOError:
            return
        t = [struct.unpack("@qq", data) for level, kind, data in notes if (level, kind, len(data)) == (socket.SOL_SOCKET, SO_TIMESTAMPNS, 16)]
        yield (t[0][0] + t[0][1] / 1e9 if t else time.time()), p
