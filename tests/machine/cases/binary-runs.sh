# The binary built on this machine starts in the guest: nothing it links to is missing or too old there.
k3warden --version
if ldd /usr/bin/k3warden | grep "not found"; then fail "a library is missing"; fi
