"""Looking around in a running machine: a shell on its console, a script, and switching it off."""

import contextlib
import fcntl
import os
import select
import shutil
import sys
import termios
import time
import tty

from .agent import Agent, AgentError
from .qmp import Qmp, connect_unix

LEAVE = b"\x1d"  # Ctrl-]
SCRIPT_LIMIT_S = 600


def attach(directory):
    """Connect this terminal to the machine's shell until Ctrl-] or the end of the input."""
    with connect_unix(directory, "shell.socket", 10) as shell:
        if not sys.stdin.isatty():
            raise AgentError("standard input is no terminal; use -c SCRIPT", b"")
        size = shutil.get_terminal_size()
        print("connected; Ctrl-] leaves", file=sys.stderr)
        shell.sendall(f"stty rows {size.lines} cols {size.columns}\n".encode())
        before = termios.tcgetattr(0)
        tty.setraw(0)
        try:
            copy_both_ways(shell)
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, before)
            print(file=sys.stderr)
    return 0


def copy_both_ways(shell):
    while True:
        ready, _, _ = select.select([0, shell], [], [])
        if 0 in ready:
            typed = os.read(0, 4096)
            if not typed or LEAVE in typed:
                return
            shell.sendall(typed)
        if shell in ready:
            shown = shell.recv(65536)
            if not shown:
                return
            os.write(1, shown)


def run_script(directory, script):
    """Run a script in a machine that someone keeps; print its output, return its exit code."""
    agent = Agent(connect_unix(directory, "agent.socket", 10))
    try:
        code, output = agent.run(script, SCRIPT_LIMIT_S)
    finally:
        agent.close()
    sys.stdout.write(output)
    return code


def switch_off(directory):
    """End a machine at once, if it runs."""
    with contextlib.suppress(OSError, EOFError, RuntimeError):
        qmp = Qmp(connect_unix(directory, "qmp.socket", 2))
        qmp("quit")
        while qmp.connection.recv(4096):
            pass
    # QEMU lets go of its socket first, and of the machine's lock when it is really gone.
    deadline = time.monotonic() + 10
    while is_held(directory) and time.monotonic() < deadline:
        time.sleep(0.05)


def is_held(directory):
    """Whether a bed or a QEMU holds a machine's lock. A directory without one is a machine that was half removed."""
    try:
        lock = os.open(directory / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
