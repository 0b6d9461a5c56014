# The binary built on this machine starts in the guest: nothing it links to is missing or of another version there.
expect_equal "$(cat /share/builder-glibc)" "$(getconf GNU_LIBC_VERSION)" "C library"
k3warden --version
if ldd /usr/bin/k3warden | grep "not found"; then fail "a library is missing"; fi
