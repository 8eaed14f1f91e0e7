#!/bin/sh
# Turn a fresh Debian root, in which this runs, into the base of a mini release, and make what boots it.
#
#   /mini/layers/<folder>/       in: Python packages; out: compiled, a system's own with its identity files
#   /mini/tools/                 in: unpacked syslinux, mtools and dosfstools
#   /mini/boot/<V>/              in: what is a bootloader's own
#   /mini/boot-<V>.img /mini/mbr.bin   out: a boot partition of each bootloader, and the boot sector
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

while read -r layer; do
	python3 -m compileall -q -j 0 -s "/mini/layers/$layer" -p / "/mini/layers/$layer/usr/local" || true
done <layers.txt

while read -r tag version stack; do
	layer=layers/${stack%% *}
	packages=
	for folder in $stack; do
		packages=$packages:/mini/layers/$folder/usr/local/lib/python3.11/dist-packages
	done
	PYTHONPATH=${packages#:} python3 -c 'import ipykernel, jupyterlab.labapp, matplotlib, numpy'
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
done <systems.txt

kernel=$(ls /lib/modules)
depmod "$kernel"
mkdir -p /etc/initramfs-tools
mkinitramfs -o initrd.all "$kernel"

PATH=/mini/tools/usr/bin:/mini/tools/sbin:/mini/tools/usr/sbin:$PATH
export MTOOLSRC=/dev/null MTOOLS_SKIP_CHECK=1
for boot in boot/*; do
	version=${boot#boot/}
	# The kernel unpacks one archive after the other; the first must be plain, since lz4 does not tell its end.
	(cd "$boot" && printf '%s\n' etc etc/ucernvm-version | cpio --quiet -o -H newc >initrd.img)
	cat initrd.all >>"$boot/initrd.img"
	size_kib=$(($(stat -c %s "/boot/vmlinuz-$kernel" "$boot/initrd.img" | awk '{s+=$1} END {print int(s/1024)}') + 2048))
	mkfs.fat -F 16 -n CERNVM -h "$BOOT_START_SECTOR" -C "boot-$version.img" "$size_kib"
	mmd -i "boot-$version.img" ::/cernvm ::/isolinux
	mcopy -i "boot-$version.img" "/boot/vmlinuz-$kernel" ::/cernvm/vmlinuz
	mcopy -i "boot-$version.img" "$boot/initrd.img" ::/cernvm/initrd.img
	mcopy -i "boot-$version.img" "$boot/syslinux.cfg" ::/syslinux.cfg
	mcopy -i "boot-$version.img" "$boot/syslinux.cfg" ::/isolinux/syslinux.cfg
	mcopy -i "boot-$version.img" "$boot/version" ::/version
	mcopy -i "boot-$version.img" ucernvm_boot_loader ::/.ucernvm_boot_loader
	syslinux --install "boot-$version.img"
done
cp tools/usr/lib/syslinux/mbr/mbr.bin mbr.bin

rm -rf tools rootfs /boot/* /vmlinuz* /initrd* /var/cache/apt/* /var/lib/apt/lists/* /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/log/*
