#!/bin/sh
# arena.sh ROOT PROGRAM ARGUMENT...: runs PROGRAM as the first process of namespaces of its own, with ROOT as its `/`.
#
# Run by `unshare --net --mount --pid --fork`. The kernel parameters of the machine are mounted read-only; those below net are
# the namespace's own, real and writable. Nothing outside of ROOT can be written.
set -eu
root=$1
shift
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
for name in usr bin sbin lib lib64; do
  if [ -L "/$name" ]; then ln -sfn "$(readlink "/$name")" "$name"; continue; fi
  [ -d "/$name" ] || continue
  mkdir -p "$name"
  mount --rbind "/$name" "$name"
  mount -o remount,bind,ro "$name"
done
mkdir -p proc dev bench old run etc tmp
mount --bind "$BENCH_PROGRAMS" bench
mount -o remount,bind,ro bench
mount --rbind /dev dev
mount -t tmpfs run run
# The daemon wants a systemd; nobody answers here.
mkdir -p run/systemd/system
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,rw proc/sys/net
pivot_root . old
cd /
umount -l /old
exec "$@"
