#!/bin/sh
# Turn a fresh Debian root, in which this runs, into an ordinary cloud image, and make what boots it. Jupyter lies where
# nothing looks for it, so that a set-up can put it in without a network.
#
#   /mini/python/usr/local/       in: the Python packages of a mini system
#   /mini/tools/                  in: unpacked syslinux, mtools and dosfstools
#   /mini/boot-cloud.img mbr.bin  out: the boot partition and the boot sector
set -e
export LC_ALL=C.UTF-8
cd /mini

# Apart from the system's own Python: cloud-init was made for Debian's packages.
python3 -m venv --without-pip /srv/jupyter
cp -a python/usr/local/lib/python3.11/dist-packages/. /srv/jupyter/lib/python3.11/site-packages/
cp -a python/usr/local/share python/usr/local/etc /srv/jupyter/
for script in python/usr/local/bin/*; do
	sed '1s|^#!.*|#!/srv/jupyter/bin/python3|' "$script" >"/srv/jupyter/bin/${script##*/}"
	chmod 0755 "/srv/jupyter/bin/${script##*/}"
done
chown -R root:root /srv/jupyter
python3 -m compileall -q -j 0 /srv/jupyter/lib/python3.11/site-packages || true

cp ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' >/etc/pip.conf

echo localhost >/etc/hostname
printf '127.0.0.1\tlocalhost\n' >/etc/hosts
printf 'LABEL=cloud-root / ext4 defaults 0 1\n' >/etc/fstab
: >/etc/machine-id
systemctl enable systemd-networkd.service serial-getty@ttyS0.service
systemctl set-default multi-user.target

kernel=$(ls /lib/modules)
mkinitramfs -o initrd.img "$kernel"
PATH=/mini/tools/usr/bin:/mini/tools/sbin:/mini/tools/usr/sbin:$PATH
export MTOOLSRC=/dev/null MTOOLS_SKIP_CHECK=1
size_kib=$(($(stat -c %s "/boot/vmlinuz-$kernel" initrd.img | awk '{s+=$1} END {print int(s/1024)}') + 4096))
mkfs.fat -F 16 -n BOOT -h "$BOOT_START_SECTOR" -C boot-cloud.img "$size_kib"
mcopy -i boot-cloud.img "/boot/vmlinuz-$kernel" ::/vmlinuz
mcopy -i boot-cloud.img initrd.img ::/initrd.img
mcopy -i boot-cloud.img syslinux.cfg ::/syslinux.cfg
syslinux --install boot-cloud.img
cp tools/usr/lib/syslinux/mbr/mbr.bin mbr.bin
rm -rf tools python initrd.img /var/cache/apt/* /var/lib/apt/lists/*
