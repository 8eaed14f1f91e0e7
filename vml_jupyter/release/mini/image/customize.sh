#!/bin/sh
# Turn a fresh Debian root, in which this runs, into the base of a mini release, and make what boots it.
#
#   /mini/layers/<tag>/<path>/   in: a system's Python stack; out: compiled, with its identity files
#   /mini/tools/                 in: unpacked syslinux, mtools and dosfstools
#   /mini/boot.img /mini/mbr.bin out: the boot partition and the boot sector
set -e
export LC_ALL=C.UTF-8
cd /mini

chown -R root:root layers rootfs
cp -a rootfs/. /
chmod 0755 /etc/initramfs-tools/hooks/mini /etc/acpi/PWRF/00000080 /usr/lib/mini/*
useradd --uid 1000 --create-home --shell /bin/bash physicist
: >/etc/fstab
echo localhost >/etc/hostname
printf '127.0.0.1\tlocalhost\n' >/etc/hosts
mkdir -p /mnt/.ro /mnt/.rw

sed -e '/^#/d' masked-units.txt | while read -r unit; do
	case $unit in
	generator:*) mkdir -p /etc/systemd/system-generators && ln -sf /dev/null "/etc/systemd/system-generators/${unit#*:}" ;;
	*) ln -sf /dev/null "/etc/systemd/system/$unit" ;;
	esac
done
rm -rf /etc/systemd/system/*.wants
systemctl enable acpid.service cloud-init.service udhcpc.service udhcpc-wait.service serial-getty@ttyS0.service
systemctl set-default multi-user.target

sed -e '/^#/d' systems.txt | while read -r tag version path; do
	layer=layers/$tag/$path
	python3 -m compileall -q -j 0 -s "/mini/$layer" -p / "/mini/$layer/usr/local" || true
	PYTHONPATH=/mini/$layer/usr/local/lib/python3.11/dist-packages \
		python3 -c 'import ipykernel, jupyterlab.labapp, matplotlib, numpy'
	mkdir -p "$layer/etc" "$layer/usr/lib"
	echo "CERN Virtual Machine $version" >"$layer/.installed_$tag"
	echo "CERN Virtual Machine, version $version" >"$layer/etc/cernvm-release"
	{
		printf '%s\n' "Welcome to CERN Virtual Machine, version $version"
		printf '%s\n' "  based on $(. /etc/os-release && echo "$PRETTY_NAME")"
		printf '%s\n' '  Kernel \r on an \m'
	} >"$layer/etc/issue"
	{
		cat /usr/lib/os-release
		echo "VARIANT=\"CernVM $version\""
		echo "VARIANT_ID=cernvm"
	} >"$layer/usr/lib/os-release"
done

kernel=$(ls /lib/modules)
depmod "$kernel"
mkdir -p /etc/initramfs-tools
mkinitramfs -o initrd.img "$kernel"

PATH=/mini/tools/usr/bin:/mini/tools/sbin:/mini/tools/usr/sbin:$PATH
export MTOOLSRC=/dev/null MTOOLS_SKIP_CHECK=1
size_kib=$(($(stat -c %s "/boot/vmlinuz-$kernel" initrd.img | awk '{s+=$1} END {print int(s/1024)}') + 2048))
mkfs.fat -F 16 -n CERNVM -h "$BOOT_START_SECTOR" -C boot.img "$size_kib"
mmd -i boot.img ::/cernvm ::/isolinux
mcopy -i boot.img "/boot/vmlinuz-$kernel" ::/cernvm/vmlinuz
mcopy -i boot.img initrd.img ::/cernvm/initrd.img
mcopy -i boot.img syslinux.cfg ::/syslinux.cfg
mcopy -i boot.img syslinux.cfg ::/isolinux/syslinux.cfg
mcopy -i boot.img version ::/version
mcopy -i boot.img ucernvm_boot_loader ::/.ucernvm_boot_loader
syslinux --install boot.img
cp tools/usr/lib/syslinux/mbr/mbr.bin mbr.bin

rm -rf tools rootfs /boot/* /vmlinuz* /initrd* /var/cache/apt/* /var/lib/apt/lists/* /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/log/*
