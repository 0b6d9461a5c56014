"""A case: one shell file below cases/, the behaviour it states, and its parts with a reboot or a power cut between them."""

import dataclasses
import os
import pathlib
import re
import shutil
import time

from . import hardware
from .guest import EmulatorError, Guest, GuestError

DIRECTIVE = re.compile(r"#@ (\S+)(?: (\S+))?\s*")
BETWEEN = {"reboot", "cut-power"}
# Each part starts like this, on one line so that line numbers in messages are the file's own.
PROLOGUE = "set -Eeuo pipefail; CASE={name}; . /share/expect.sh; "
DEFAULT_LIMIT_S = 300


class CaseError(Exception):
    """The case file itself is wrong, or something it needs was not given."""


@dataclasses.dataclass
class Case:
    """What a case file says."""

    name: str
    behaviour: str
    limit_s: int
    memory_mib: int
    bare: bool
    # (what happens before it: "start", "reboot" or "cut-power"; the script)
    parts: list


@dataclasses.dataclass
class Product:
    """What is put on the machine: a binary or a .deb, and more files for /share."""

    binary: pathlib.Path | None
    package: pathlib.Path | None
    more: list


@dataclasses.dataclass
class Result:
    """How a case went; `output` is what its parts printed, and the reason if the machine or the bed failed."""

    case: Case
    passed: bool
    # No verdict on the case: the emulator broke under it.
    emulator_broke: bool
    seconds: float
    processor_s: float
    output: str


def read_case(path):
    """Parse a case file. Its first line is a comment and says the behaviour; `#@` lines direct the bed."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines or not re.match(r"# \S", lines[0]):
        raise CaseError(f"{path}:1: a case starts with a comment line that says the behaviour")
    case = Case(path.stem, lines[0][2:], DEFAULT_LIMIT_S, hardware.MEMORY_MIB, False, [])
    how, first = "start", 0
    for number, line in enumerate(lines):
        if not line.startswith("#@"):
            continue
        found = DIRECTIVE.fullmatch(line)
        word, value = found.groups() if found else (None, None)
        if word in BETWEEN and value is None:
            case.parts.append((how, part_script(case.name, lines, first, number)))
            how, first = word, number
        elif word == "limit" and value and value.isdigit():
            case.limit_s = int(value)
        elif word == "memory" and value and value.isdigit():
            case.memory_mib = int(value)
        elif word == "bare" and value is None:
            case.bare = True
        else:
            raise CaseError(f"{path}:{number + 1}: not a directive: {line} "
                            "(there are: reboot, cut-power, bare, limit SECONDS, memory MIB)")
    case.parts.append((how, part_script(case.name, lines, first, len(lines))))
    return case


def part_script(name, lines, first, end):
    """Lines `first` to `end`; the first of them (a comment or a directive) gives its place to the prologue."""
    return "\n" * first + PROLOGUE.format(name=name) + "\n" + "\n".join(lines[first + 1:end]) + "\n"


def prepare(guest, case, product, helpers):
    """Fill /share and put the product on the machine."""
    for path in helpers.iterdir():
        shutil.copy(path, guest.share)
    pathlib.Path(guest.share, "builder-glibc").write_text(os.confstr("CS_GNU_LIBC_VERSION") + "\n", encoding="ascii")
    install = ":"
    if product.package:
        shutil.copy(product.package, f"{guest.share}/k3warden.deb")
        install = "apt-get install -qq -y /share/k3warden.deb"
    elif product.binary:
        shutil.copy(product.binary, f"{guest.share}/k3warden")
        install = "install -m 0755 /share/k3warden /usr/bin/k3warden"
    for path in product.more:
        shutil.copy(path, guest.share)
    if case.bare:
        return
    code, output = guest.run(install, 300)
    if code != 0:
        raise GuestError(f"k3warden could not be installed on the machine:\n{output}")


def run_case(guest, case, product, helpers):
    """Run the parts of a case on a guest that is not started yet."""
    started = time.monotonic()
    output = ""
    broke = False
    try:
        # The disk is new and the boot done; /share is filled before the machine looks at it.
        guest.restore()
        prepare(guest, case, product, helpers)
        for how, script in case.parts:
            if how == "reboot":
                guest.reboot()
            elif how == "cut-power":
                guest.cut_power()
            code, said = guest.run(script, case.limit_s)
            output += said
            if code != 0:
                output += f"(exit code {code})\n"
                break
    except GuestError as error:
        code, output, broke = 1, f"{output}{error}\n", isinstance(error, EmulatorError)
    return Result(case, code == 0, broke, time.monotonic() - started, guest.used_s(), output)
