"""One running machine: started cold or restored from the image's snapshot, spoken to through the agent inside it."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time

from . import hardware
from .agent import READY, Agent, AgentError
from .qmp import Qmp, connect_unix

# Emulation on a loaded machine: a boot that takes 6 s alone has been seen to take several times that.
BOOT_LIMIT_S = 180
SHUTDOWN_LIMIT_S = 120
# How a program ends that finds a defect of its own, or runs into one. Not SIGKILL: that is us, or the kernel for want of memory.
DEFECT_SIGNALS = {signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV}


class GuestError(Exception):
    """The machine itself failed: it did not start, did not answer in time, or went away."""


class EmulatorError(GuestError):
    """QEMU ended by a defect of its own, as real hardware that breaks: it says nothing about what runs on the machine."""


class Guest:
    """A machine in a directory of its own below `machines`; its disk is an overlay that vanishes with it."""

    def __init__(self, image, machines, memory_mib=hardware.MEMORY_MIB, outlives_us=False):
        self.image = image
        self.memory_mib = memory_mib
        self.outlives_us = outlives_us
        os.makedirs(machines, exist_ok=True)
        # Held by us and by QEMU: a machine whose lock is free belongs to nobody any more and is swept.
        new = tempfile.mkdtemp(prefix="new-", dir=machines)
        self.lock = os.open(os.path.join(new, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.name = "m" + os.path.basename(new)[len("new-"):]
        self.directory = os.path.join(machines, self.name)
        os.rename(new, self.directory)
        self.share = os.path.join(self.directory, "share")
        os.mkdir(self.share)
        self.process = None
        self.agent = None
        self.qmp = None
        # Processor time of the machines that were this one before a reboot or a power cut.
        self.used_before_s = 0.0

    def restore(self):
        """Start from the snapshot: a machine that has booted, with clean disk and memory, in about a second."""
        if self.memory_mib != hardware.MEMORY_MIB:
            self.new_disk(self.image.disk, "raw")
            return self.boot()
        self.new_disk(self.image.snapshot_disk, "qcow2")
        self.start_qemu("-incoming", "defer")
        with self.machine_errors("restore"):
            self.qmp("migrate-set-capabilities", capabilities=[{"capability": "mapped-ram", "state": True}])
            self.qmp("migrate-incoming", uri=f"file:{self.image.snapshot_memory}")
            self.wait_for_status({"running", "paused", "postmigrate"})
            self.qmp("cont")
        return self.settle()

    def boot(self):
        """Start from the disk as it is."""
        self.start_qemu()
        with self.machine_errors("boot"):
            self.agent.read_until(READY, BOOT_LIMIT_S)
        # The agent is up before the last units are; cases want the machine as it is after a boot.
        self.run("systemctl is-system-running --wait", BOOT_LIMIT_S)
        return self.settle()

    def settle(self):
        """Clock (a snapshot's is stale) and /share (a mounted 9p cannot be part of a snapshot)."""
        code, output = self.run(
            f"date -s @{time.time():.3f} >/dev/null; mountpoint -q /share || "
            "mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 share /share", 60)
        if code != 0:
            raise GuestError(f"machine {self.name}: /share could not be mounted: {output}")
        return self

    def reboot(self):
        """Reboot in order, by systemd, with the same disk."""
        # A moment later, so that the agent can still answer; reboot.target by name, as logind (masked) is what "reboot" asks.
        self.run("(sleep 0.3; systemctl --no-block --job-mode=replace-irreversibly start reboot.target) >/dev/null 2>&1 &", 60)
        used = self.used_s()
        try:
            self.process.wait(SHUTDOWN_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise GuestError(f"machine {self.name} did not shut down within {SHUTDOWN_LIMIT_S} s") from None
        if self.ended_by():
            raise self.failure(f"machine {self.name}: reboot: it did not shut down")
        self.used_before_s = used
        self.disconnect()
        return self.boot()

    def cut_power(self):
        """Take the power away: what the guest had not written to its disk is lost. Then boot again."""
        self.used_before_s = self.used_s()
        self.kill()
        return self.boot()

    def run(self, script, limit_s):
        """Run a bash script in the guest; returns its exit code and its output (both streams as they came)."""
        with self.machine_errors("a script"):
            return self.agent.run(script, limit_s)

    def used_s(self):
        """Processor time that emulating this machine took so far."""
        if self.process is None or self.process.poll() is not None:
            return self.used_before_s
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
        # utime and stime of proc_pid_stat(5)
        return self.used_before_s + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def new_disk(self, backing, backing_format):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", backing, "-F", backing_format,
                        os.path.join(self.directory, "disk.qcow2")], check=True)

    def start_qemu(self, *more):
        # Killed with us, however we end, unless the machine is to be kept.
        tie = [] if self.outlives_us else ["setpriv", "--pdeathsig", "KILL"]
        for stale in ("agent.socket", "shell.socket", "qmp.socket"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.directory, stale))
        with open(os.path.join(self.directory, "qemu.log"), "ab") as log:
            self.process = subprocess.Popen(
                tie + hardware.qemu_command(self.image, self.share, self.memory_mib) + list(more), cwd=self.directory,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[self.lock], start_new_session=True)
        # The agent is connected before the guest runs: what it says to nobody is lost.
        with self.machine_errors("start"):
            self.qmp = Qmp(connect_unix(self.directory, "qmp.socket", 30, self.process))
            self.agent = Agent(connect_unix(self.directory, "agent.socket", 30, self.process))

    def wait_for_status(self, wanted):
        while self.qmp("query-status")["status"] not in wanted:
            time.sleep(0.005)

    def serial_tail(self):
        """The end of what kernel and QEMU said, for a failure's report."""
        said = ""
        for log in ("serial.log", "qemu.log"):
            with contextlib.suppress(FileNotFoundError), open(os.path.join(self.directory, log), errors="replace") as file:
                said += "".join(file.readlines()[-20:])
        return said

    @contextlib.contextmanager
    def machine_errors(self, doing):
        """Whatever goes wrong with the machine is told with what it last said."""
        try:
            yield
        except AgentError as error:
            raise self.failure(f"{error.said}\nmachine {self.name}: {doing}: {error}") from error
        except (OSError, EOFError, RuntimeError) as error:
            raise self.failure(f"machine {self.name}: {doing}: {error}") from error

    def failure(self, what):
        """`what` went wrong, with how QEMU ended if a defect of its own was the reason, and what was last said."""
        ended = self.ended_by()
        if ended in DEFECT_SIGNALS:
            return EmulatorError(f"{what}\nQEMU itself ended by {ended.name}\n{self.serial_tail()}")
        return GuestError(f"{what}\n{self.serial_tail()}")

    def ended_by(self):
        """The signal that QEMU ended by; None while it runs, and when it exited."""
        if self.process is None:
            return None
        try:
            # Its sockets close a moment before it can be waited for.
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:
            return None
        return signal.Signals(-code) if code < 0 else None

    def disconnect(self):
        if self.agent:
            self.agent.close()
        if self.qmp:
            self.qmp.close()
        self.agent = self.qmp = None

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.disconnect()

    def leave_running(self):
        """Let go of a machine started with outlives_us; its lock stays with QEMU."""
        self.disconnect()
        os.close(self.lock)

    def close(self):
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.close(self.lock)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
