#!/bin/sh
# Turn a fresh Debian root, in which this runs, into the system of the VML VM, and make what boots it.
#
#   /mini/python/usr/local/       in: the Python packages
#   /mini/rootfs/                 in: units, scripts and settings
#   /mini/tools/                  in: unpacked syslinux, mtools and dosfstools
#   /mini/boot.img /mini/mbr.bin  out: the boot partition, and the boot sector
set -e
export LC_ALL=C.UTF-8
cd /mini

chown -R root:root python rootfs
cp -a python/usr/local/. /usr/local/
cp -a rootfs/. /
chmod 0755 /etc/initramfs-tools/hooks/vml /etc/acpi/PWRF/00000080 /usr/lib/vml/*
useradd --uid 1000 --create-home --shell /bin/bash vml
: >/etc/fstab
: >/etc/machine-id
: >/etc/motd
echo vml >/etc/hostname
printf '127.0.0.1\tlocalhost vml\n' >/etc/hosts

sed -e '/^#/d' masked-units.txt | while read -r unit; do
	case $unit in
	generator:*) mkdir -p /etc/systemd/system-generators && ln -sf /dev/null "/etc/systemd/system-generators/${unit#*:}" ;;
	*) ln -sf /dev/null "/etc/systemd/system/$unit" ;;
	esac
done
rm -rf /etc/systemd/system/*.wants
systemctl enable acpid.service getty@tty1.service udhcpc.service vml-console.service vml-data.service vml-lab.service
systemctl set-default multi-user.target

python3 -m compileall -q -j 0 /usr/local/lib/python3.11/dist-packages || true
python3 -c 'import ipykernel, jupyterlab.labapp, jupyter_server.serverapp'

kernel=$(ls /lib/modules)
depmod "$kernel"
mkinitramfs -o initrd.img "$kernel"

PATH=/mini/tools/usr/bin:/mini/tools/sbin:/mini/tools/usr/sbin:$PATH
export MTOOLSRC=/dev/null MTOOLS_SKIP_CHECK=1
size_kib=$(($(stat -c %s "/boot/vmlinuz-$kernel" initrd.img | awk '{s+=$1} END {print int(s/1024)}') + 4096))
mkfs.fat -F 16 -n VML -h "$BOOT_START_SECTOR" -C boot.img "$size_kib"
mcopy -i boot.img "/boot/vmlinuz-$kernel" ::/vmlinuz
mcopy -i boot.img initrd.img ::/initrd.img
mcopy -i boot.img syslinux.cfg ::/syslinux.cfg
syslinux --install boot.img
cp tools/usr/lib/syslinux/mbr/mbr.bin mbr.bin

rm -rf tools rootfs python initrd.img /boot/* /vmlinuz* /initrd* /var/cache/apt/* /var/lib/apt/lists/* /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/log/*
