#!/bin/sh
# Lay the tar of a base out as the system's partition, run as root or under fakeroot, without mounting it.
#
#   $1/own/                       in: this VML
#   $2                            in: Debian and the Python packages, a tar
#   $3                            in: how large the partition is
#   $1/boot.img $1/mbr.bin        out: what customize.sh left in the tar
#   $1/system.img                 out: ext4
set -e
cd "$1"
mkdir tree
zstd -q -d -c "$2" | tar --numeric-owner --exclude='./dev/*' -xf - -C tree
mv tree/mini/boot.img tree/mini/mbr.bin .
rm -rf tree/mini
chown -R 0:0 own
cp -a own/. tree/
rm -f system.img
mke2fs -q -F -t ext4 -m 1 -L vml-system -E root_owner=0:0,lazy_itable_init=1 -O '^resize_inode' -d tree system.img "$3"
rm -rf tree
