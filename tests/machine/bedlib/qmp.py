"""QEMU's control socket, and connecting to sockets in a directory of any length."""

import json
import os
import socket
import time


def connect_unix(directory, name, limit_s, process=None):
    """Connect to `directory`/`name`, waiting for it to appear. By way of /proc: a socket's path may be 107 bytes long, ours may not fit."""
    handle = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    end = time.monotonic() + limit_s
    try:
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(f"/proc/self/fd/{handle}/{name}")
                return connection
            except OSError:
                connection.close()
                if process is not None and process.poll() is not None:
                    raise EOFError(f"QEMU ended with code {process.returncode}") from None
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)
    finally:
        os.close(handle)


class Qmp:
    """One command at a time; events are passed over."""

    def __init__(self, connection):
        self.connection = connection
        self.stream = connection.makefile("rwb")
        self.stream.readline()
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        self.stream.flush()
        while line := self.stream.readline():
            answer = json.loads(line)
            if "error" in answer:
                raise RuntimeError(f"QEMU refuses {command}: {answer['error'].get('desc')}")
            if "return" in answer:
                return answer["return"]
        raise EOFError(f"QEMU ended at {command}")

    def close(self):
        self.stream.close()
        self.connection.close()
