"""What the machine is made of. Part of the recipe: a snapshot can only be restored into the machine that it was taken of."""

MEMORY_MIB = 1024

# Debian's own kernel values show: nothing here sets a sysctl (panic=, say, would set kernel.panic).
# tsc=reliable: the emulated processors have one clock, but the kernel trusts that of AMD's, as which they present themselves, only
# with CONSTANT_TSC (unsynchronized_tsc() in arch/x86/kernel/tsc.c). Else each look at the time is a call to the emulated HPET.
KERNEL_ARGUMENTS = (
    "console=ttyS0 reboot=t quiet mitigations=off tsc=reliable audit=0 random.trust_cpu=on selinux=0 apparmor=0 "
    "systemd.show_status=0"
)


def qemu_command(image, share, memory_mib):
    """QEMU's command line, to be run in the machine's own directory, where disk and sockets are."""
    return [
        "qemu-system-x86_64",
        # Always the emulator: some machines show a /dev/kvm that cannot run this kernel.
        "-accel", "tcg,thread=multi,tb-size=256", "-M", "pc,smm=off", "-cpu", "max", "-smp", "2", "-m", str(memory_mib),
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-kernel", image.kernel, "-initrd", image.initrd, "-append", KERNEL_ARGUMENTS,
        "-drive", "id=disk,file=disk.qcow2,format=qcow2,if=none,cache=unsafe", "-device", "virtio-blk-pci,drive=disk",
        "-device", "virtio-rng-pci",
        "-device", "virtio-serial-pci",
        "-chardev", "socket,id=shell,path=shell.socket,server=on,wait=off", "-device", "virtconsole,nr=1,chardev=shell",
        "-chardev", "socket,id=agent,path=agent.socket,server=on,wait=off",
        "-device", "virtserialport,nr=2,chardev=agent,name=agent",
        "-fsdev", f"local,id=share,path={share},security_model=none",
        "-device", "virtio-9p-pci,fsdev=share,mount_tag=share",
        "-serial", "file:serial.log",
        "-qmp", "unix:qmp.socket,server=on,wait=off",
    ]
