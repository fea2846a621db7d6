#!/bin/sh
# packages.sh NAME...: install those Debian packages that are missing, where the user may.
# Fails with one sentence that says what to install where not.
set -eu
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

present() {
    case $1 in
        mosquitto-clients) command -v mosquitto_sub ;;
        libc6-dev) [ -e /usr/include/stdio.h ] ;;
        libmodbus-dev) [ -e /usr/include/modbus/modbus.h ] ;;
        netavark) [ -x /usr/lib/podman/netavark ] ;;
        containernetworking-plugins) [ -x /usr/lib/cni/bridge ] ;;
        busybox-static) command -v busybox ;;
        python3-venv) python3 -c 'import ensurepip' ;;
        *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

missing=
for package; do
    present "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null; then
    as_root=sudo
else
    as_root=none
fi
if [ "$as_root" != none ] && command -v apt-get >/dev/null; then
    echo "installing from the distribution's packages:$missing"
    apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=400"
    if $apt update && $apt install -y --no-install-recommends $missing >/dev/null; then
        exit 0
    fi
fi
echo "missing and not installable from here:$missing; ask an administrator for: apt-get install$missing" >&2
exit 1
