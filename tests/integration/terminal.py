"""terminal.py COLUMNS COMMAND …: runs it on a terminal of that width, prints what it wrote there; its status."""
import fcntl
import os
import pty
import struct
import sys
import termios

pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, int(sys.argv[1]), 0, 0))
    os.execv(sys.argv[2], sys.argv[2:])
while True:
    try:
        octets = os.read(fd, 65536)
    except OSError:     # Linux: the other end has closed
        break
    if not octets:
        break
    sys.stdout.buffer.write(octets.replace(b"\r\n", b"\n"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
