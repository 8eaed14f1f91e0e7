#!/bin/sh
# Put JupyterLab into a cloud image that has none, at its machine's first boot: a Python that can make virtual
# environments from the distribution (Enterprise Linux, Debian, Ubuntu), the rest from PyPI into /opt/jupyter, with what
# almost every notebook of an analysis imports.
set -eu

has_lab() {
    for folder in /usr/local/bin /usr/bin /opt/*/bin; do
        [ ! -x "$folder/jupyter-lab" ] || return 0
    done
    return 1
}

! has_lab || exit 0
if command -v dnf >/dev/null; then
    # Enterprise Linux 8 and 9 have a Python of their own that is too old for JupyterLab.
    dnf -y -q install python3.11 || dnf -y -q install python3
elif command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update
    apt-get -q -y install --no-install-recommends python3-venv
fi
python=$(command -v python3.11 || command -v python3)
"$python" -m venv /opt/jupyter
/opt/jupyter/bin/pip install --quiet --no-input --disable-pip-version-check 'jupyterlab>=4,<5' numpy matplotlib
