"""Speaking to the agent inside a machine; its end is recipe/guest-agent."""

import base64
import os
import select
import time

RECORD_SEPARATOR = b"\x1e"
READY = RECORD_SEPARATOR + b"READY\n"


class AgentError(Exception):
    """No answer: `said` is what came until then."""

    def __init__(self, reason, said):
        super().__init__(reason)
        self.said = said.decode(errors="replace")


class Agent:
    """One connection to the agent; one script at a time."""

    def __init__(self, connection):
        self.connection = connection
        self.received = b""
        self.requests = 0

    def run(self, script, limit_s):
        """Run a bash script in the guest; returns its exit code and its output (both streams as they came)."""
        self.requests += 1
        tag = f"{os.getpid()}.{self.requests}"
        try:
            self.connection.sendall(f"RUN {tag} {base64.b64encode(script.encode()).decode()}\n".encode())
        except OSError as error:
            raise AgentError(f"the machine went away: {error}", self.received) from error
        output = self.read_until(RECORD_SEPARATOR + f"{tag} EXIT ".encode(), limit_s)
        code = int(self.read_until(b"\n", 10))
        return code, output.decode(errors="replace")

    def read_until(self, pattern, limit_s):
        """What came before `pattern`, which is taken away too."""
        end = time.monotonic() + limit_s
        while pattern not in self.received:
            left = end - time.monotonic()
            if left <= 0:
                raise AgentError(f"no answer within {limit_s} s", self.received)
            if select.select([self.connection], [], [], left)[0]:
                try:
                    data = self.connection.recv(65536)
                except OSError:
                    data = b""
                if not data:
                    raise AgentError("the machine went away", self.received)
                self.received += data
        found, _, self.received = self.received.partition(pattern)
        return found

    def close(self):
        """Hang up; the machine goes on."""
        self.connection.close()
