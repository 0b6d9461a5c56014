"""The machine image: built once from Debian packages, kept in the cache under the digest of its recipe."""

import contextlib
import fcntl
import hashlib
import lzma
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from .agent import READY
from .guest import BOOT_LIMIT_S, Guest

HERE = pathlib.Path(__file__).resolve().parent
RECIPE = HERE.parent / "recipe"
# An image that no run has used for so long is removed when another one is built.
UNUSED_DAYS = 7


def cache_directory():
    """Where images and machines live: K3WARDEN_BED, else k3warden-bed in the user's cache directory."""
    given = os.environ.get("K3WARDEN_BED")
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(given or os.path.join(home, "k3warden-bed")).absolute()


class Image:
    """The files of one built image."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.kernel = str(self.directory / "kernel")
        self.initrd = str(self.directory / "initrd.img")
        self.disk = str(self.directory / "root.img")
        self.snapshot_disk = str(self.directory / "snapshot.qcow2")
        self.snapshot_memory = str(self.directory / "snapshot.memory")


def ensure_image(cache=None):
    """The image of today's recipe, built when it is not in the cache. A build that is killed leaves nothing that counts."""
    cache = cache or cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    ready = find_image(cache)
    if ready:
        return ready
    with locked(cache / "build.lock") as lock:
        step("tools", [RECIPE / "needs.sh", cache / "apt"], lock)
        final = cache / f"image-{recipe_digest()}"
        if not final.is_dir():
            remove_leftovers(cache)
            building = pathlib.Path(tempfile.mkdtemp(prefix="building-", dir=cache))
            try:
                build(building, cache, lock)
                os.rename(building, final)
            finally:
                shutil.rmtree(building, ignore_errors=True)
        return Image(final)


def find_image(cache):
    """An image that is there needs no lock: nobody waits while one of another recipe is built."""
    if not shutil.which("qemu-system-x86_64"):
        return None
    final = cache / f"image-{recipe_digest()}"
    with contextlib.suppress(FileNotFoundError):
        os.utime(final)  # used, so not removed
        return Image(final)
    return None


def recipe_digest():
    """Everything that decides what is built; QEMU's version too, as a snapshot is restored by the QEMU that took it, and the
    processor, whose clock was measured at the boot."""
    digest = hashlib.sha256(subprocess.run(["qemu-system-x86_64", "--version"], check=True, stdout=subprocess.PIPE).stdout)
    digest.update(processor())
    files = sorted(path for path in RECIPE.iterdir() if path.is_file())
    for path in files + [HERE / "hardware.py", HERE / "image.py"]:
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def processor():
    with open("/proc/cpuinfo", "rb") as lines:
        return next((line for line in lines if line.startswith(b"model name")), b"")


def build(directory, cache, lock):
    image = Image(directory)
    step("kernel", [RECIPE / "kernel.sh", cache / "apt", directory], lock)
    unpacked = directory / "unpacked"
    compressed = next((unpacked / "boot").glob("vmlinuz-*"))
    pathlib.Path(image.kernel).write_bytes(extract_vmlinux(compressed.read_bytes()))
    step("initrd", [RECIPE / "initrd.sh", unpacked, image.initrd], lock)
    step("root tree", [RECIPE / "root.sh", cache / "apt", directory / "root"], lock)
    # A journal, though it costs a little: after a power cut the file system must be as consistent as a real node's.
    # Sparse, and with room for the audit logs that the guide asks for.
    step("disk", ["mke2fs", "-q", "-t", "ext4", "-O", "^metadata_csum,^64bit", "-J", "size=8", "-m0", "-L", "root",
                  "-E", "lazy_itable_init=1,nodiscard", "-d", directory / "root", image.disk, "4G"], lock)
    shutil.rmtree(directory / "root")
    shutil.rmtree(unpacked)
    started = time.monotonic()
    take_snapshot(image, directory / "machines")
    report("boot and snapshot", started)


def take_snapshot(image, machines):
    with Guest(image, machines) as guest:
        guest.new_disk(image.disk, "raw")
        guest.start_qemu()
        guest.agent.read_until(READY, BOOT_LIMIT_S)
        code, output = guest.run("systemctl is-system-running --wait; sync; echo 3 > /proc/sys/vm/drop_caches", BOOT_LIMIT_S)
        if code != 0 or output.strip() != "running":
            raise RuntimeError(f"the new machine is not well: {output} {guest.run('systemctl --failed --no-pager', 60)[1]}")
        guest.qmp("stop")
        guest.qmp("migrate-set-capabilities", capabilities=[{"capability": "mapped-ram", "state": True}])
        guest.qmp("migrate", uri=f"file:{image.snapshot_memory}")
        while (status := guest.qmp("query-migrate").get("status")) != "completed":
            if status == "failed":
                raise RuntimeError(f"no snapshot: {guest.qmp('query-migrate')}")
            time.sleep(0.02)
        with contextlib.suppress(EOFError):
            guest.qmp("quit")
        guest.process.wait(30)
        # A path relative to the disk itself: the build's directory is renamed when it is done.
        os.rename(os.path.join(guest.directory, "disk.qcow2"), image.snapshot_disk)
    subprocess.run(["qemu-img", "rebase", "-u", "-F", "raw", "-b", "root.img", image.snapshot_disk], check=True)
    shutil.rmtree(machines)


def extract_vmlinux(bzimage):
    """The kernel proper out of Debian's xz bzImage: it then starts without unpacking itself, which emulated takes 3 s."""
    start = bzimage.find(b"\xfd7zXZ\x00")
    while start >= 0:
        with contextlib.suppress(lzma.LZMAError):
            kernel = lzma.LZMADecompressor().decompress(bzimage[start:])
            if kernel.startswith(b"\x7fELF"):
                return kernel
        start = bzimage.find(b"\xfd7zXZ\x00", start + 1)
    return bzimage


def step(name, command, lock):
    """One step of a build. It inherits the lock: should we be killed, the next build waits for what goes on without us."""
    started = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False, pass_fds=[lock])
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-30:])
        raise RuntimeError(f"building the machine image, {name}: exit code {done.returncode}\n{tail}")
    if done.stdout or name != "tools":
        report(name, started)


def report(name, started):
    print(f"bed: {name}: {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)


@contextlib.contextmanager
def locked(path):
    with open(path, "a", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("bed: waiting for another build of the machine image", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def remove_leftovers(cache):
    """Called with the build lock held: builds that were killed, and images long unused."""
    for path in cache.glob("building-*"):
        shutil.rmtree(path, ignore_errors=True)
    for path in cache.glob("image-*"):
        if time.time() - path.stat().st_mtime > UNUSED_DAYS * 86400:
            shutil.rmtree(path, ignore_errors=True)
