#!/bin/sh
# Unpack what makes a boot partition beside the root $1 that mmdebstrap builds, without installing it there.
set -e
cd "$1/mini"
APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get --quiet download syslinux syslinux-common mtools dosfstools
for package in *.deb; do
	dpkg-deb --extract "$package" tools
	rm "$package"
done
