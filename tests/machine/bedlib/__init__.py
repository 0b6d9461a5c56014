"""The test bed: emulated Debian machines with a real systemd, restored from a snapshot in about a second."""
