#!/bin/bash
# initrd.sh UNPACKED OUT: a busybox initrd that loads the modules for the root disk, the ports and 9p, mounts the root and leaves.
set -euo pipefail
unpacked=${1:?usage: initrd.sh UNPACKED OUT} out=${2:?}
PATH=$PATH:/usr/sbin:/sbin
release=$(ls "$unpacked/lib/modules")
modules=$unpacked/lib/modules/$release
depmod -b "$unpacked" "$release"
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree"/{bin,dev,m,r}
cp "$unpacked/bin/busybox" "$tree/bin/busybox"

# ext4 asks for crc32c by name at mount, which modules.dep does not tell: without crc32c_generic the mount fails.
for wanted in virtio_pci virtio_blk virtio_console virtio-rng crc32c_generic 9pnet_virtio 9p ext4; do
  modprobe -d "$unpacked" -S "$release" --show-depends "$wanted" | awk '$1 == "insmod" { print $2 }'
done | awk '!seen[$0]++' > "$tree/list"
while read -r module; do cp "$module" "$tree/m/"; done < "$tree/list"
sed 's,.*/,,' "$tree/list" > "$tree/m/order"
rm "$tree/list"

cat > "$tree/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
while read module; do /bin/busybox insmod /m/$module; done < /m/order
tries=0
while [ ! -b /dev/vda ] && [ $tries -lt 500 ]; do /bin/busybox usleep 10000; tries=$((tries+1)); done
/bin/busybox mount -t ext4 -o rw,noatime /dev/vda /r || exec /bin/busybox poweroff -f
/bin/busybox umount /dev
exec /bin/busybox switch_root /r /sbin/init
INIT
chmod +x "$tree/init"
(cd "$tree" && find . | cpio -o -H newc --quiet) > "$out"
