#!/bin/sh
# Lay the tar of a base out as the second partition, run as root or under fakeroot, without mounting it.
#
#   $1/base.tar $1/systems $1/repositories $1/cvmfs/   in
#   $1/boot-<V>.img $1/mbr.bin   out: what customize.sh left in the tar
#   $1/system.img                out: ext4 of base/, <tag>/<path>/, shared/, cvmfs/, empty/ and the two lists
set -e
cd "$1"
mkdir -p tree/base
tar --numeric-owner --exclude='./dev/*' -xf base.tar -C tree/base
rm base.tar
mv tree/base/mini/boot-*.img tree/base/mini/mbr.bin .
mv tree/base/mini/layers/* tree/
rm -rf tree/base/mini
cp systems repositories tree/
cp -R cvmfs tree/cvmfs
mkdir tree/empty

inodes=$(($(find tree | wc -l) + 256))
size_kib=$(($(du -s --block-size=1K tree | cut -f 1) * 103 / 100 + inodes / 4 + 8192))
rm -f system.img
mke2fs -q -F -t ext4 -b 4096 -I 256 -m 0 -N "$inodes" -L cernvm-mini -O '^has_journal,^resize_inode' \
	-E root_owner=0:0 -d tree system.img "${size_kib}k"
rm -rf tree
