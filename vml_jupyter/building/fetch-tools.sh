#!/bin/sh
# Unpack what makes a boot partition into $1/tools, inside of a root that mmdebstrap builds, without installing it there.
set -e
cd "$1"
APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get --quiet download syslinux syslinux-common mtools dosfstools
for package in *.deb; do
	dpkg-deb --extract "$package" tools
	rm "$package"
done
