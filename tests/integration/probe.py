#!/usr/bin/env python3
"""tests/integration/probe.py: what the shell cannot ask itself: free ports, an open port, a value of a /status document.

probe.py ports N PID | port PORT | status SOCKET EXPR | holds SOCKET EXPR | get SOCKET PATH | await SECONDS SOCKET EXPR
SOCKET is a path or HOST:PORT; EXPR is Python over s, the document, and u, the first of its services; None and exceptions are
false.
"""
import http.client
import json
import os
import random
import socket
import sys
import tempfile
import time


PATIENCE = 15  # seconds; machines stand still for some


class Door(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, where):
        super().__init__("localhost", timeout=PATIENCE)
        self.where = where

    def connect(self):
        if "/" in self.where:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(PATIENCE)
            self.sock.connect(self.where)
        else:
            host, port = self.where.rsplit(":", 1)
            self.sock = socket.create_connection((host, int(port)), PATIENCE)


def get(where, path="/status"):
    door = Door(where)
    try:
        door.request("GET", path)
        answer = door.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise OSError(f"{path}: {answer.status}")
        return body
    finally:
        door.close()


def status(where):
    return json.loads(get(where))


def alive(pid):
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        pass
    return True


def reserve(port, owner):
    """For a test that lives as long as the process owner does; tests run beside one another."""
    path = os.path.join(tempfile.gettempdir(), f"simulgate-port.{port}")
    try:
        with open(path) as f:
            if alive(f.read() or owner):  # empty: somebody is about to write it
                return False
        os.unlink(path)
    except FileNotFoundError:
        pass
    try:
        with open(path, "x") as f:
            f.write(owner)
    except (FileExistsError, PermissionError):
        return False
    return True


def ports(n, owner):
    """Free for TCP and for UDP, and below those that the kernel gives to clients: a program may bind one that is free now, later."""
    held, found = [], []
    for port in random.sample(range(20000, 32000), 12000):
        if len(found) == n:
            break
        if not reserve(port, owner):
            continue
        t, u = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        held += [t, u]
        try:
            t.bind(("127.0.0.1", port))
            u.bind(("127.0.0.1", port))
        except OSError:
            continue
        found.append(port)
    return found


def view(s, expr):
    return eval(expr, {"s": s, "u": next(iter(s.get("services", [])), None)})


def show(v):
    return v if isinstance(v, str) else json.dumps(v)


def main(args):
    if args[0] == "ports":
        print(*ports(int(args[1]), args[2]))
    elif args[0] == "port":
        socket.create_connection(("127.0.0.1", int(args[1])), PATIENCE).close()
    elif args[0] == "get":
        sys.stdout.buffer.write(get(args[1], args[2]))
    elif args[0] == "status":
        print(show(view(status(args[1]), args[2])))
    elif args[0] == "holds":
        s = status(args[1])
        if not view(s, args[2]):
            print(f"not so: {args[2]} at {args[1]}: {json.dumps(s)}")
            return 1
    elif args[0] == "await":
        until, last = time.monotonic() + float(args[1]), "no answer"
        while time.monotonic() < until:
            try:
                s = status(args[2])
                last = json.dumps(s)
                v = view(s, args[3])
                if v:
                    print(show(v))
                    return 0
            except (OSError, ValueError, KeyError, IndexError, TypeError, StopIteration, http.client.HTTPException) as e:
                last = f"{last[:3000]} {e!r}"
            time.sleep(0.005)
        print(f"waited in vain for {args[3]} at {args[2]}: {last}")
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except OSError as e:
        sys.exit(str(e))
