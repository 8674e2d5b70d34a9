# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the two commands need of a Debian machine, and how they get it. Sourced by ./quickstart and
# ./test, never run.
#
# The rule: say what will be installed before it is, install only what is missing, and need neither
# root nor a network when nothing is. On a machine without dpkg the list is printed and left to its
# owner.

DEPS_BUILD=(gcc libc6-dev pkg-config meson ninja-build librdkafka-dev libconfig-dev libevent-dev
    libjansson-dev libseccomp-dev libssl-dev)
DEPS_THUMBNAIL=(libvips-dev libcurl4-openssl-dev)
DEPS_TEST=(g++ clang python3 libcmocka-dev kcat nginx-light binutils)
DEPS_BROKER=(default-jre-headless maven)

deps_say() { printf '%s\n' "$*" >&2; }

# Runs a command as root: as it is when we are, else by sudo.
deps_as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        deps_say "This needs root, and there is no sudo here: $*"
        return 1
    fi
}

deps_have() {
    dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'
}

# deps_install PURPOSE PACKAGE...: what of these is missing.
deps_install() {
    local purpose=$1 package missing=()
    shift
    if ! command -v dpkg-query >/dev/null; then
        deps_say "Not a Debian machine. For $purpose these must be here (Debian's names): $*"
        return 0
    fi
    for package; do
        # Another nginx, or a cargo that did not come from Debian, is as good.
        case $package in
            nginx-light) [ -x /usr/sbin/nginx ] && continue ;;
            cargo) command -v cargo >/dev/null && continue ;;
            default-jre-headless) command -v java >/dev/null && continue ;;
        esac
        deps_have "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    deps_say "Installing for $purpose (apt-get install): ${missing[*]}"
    deps_as_root apt-get update -q </dev/null >&2 || return 1
    deps_as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
        --no-install-recommends "${missing[@]}" </dev/null >&2
}

# Real photographs, unpacked into a folder of this checkout; nothing is installed. Prints the folder.
deps_pictures() {
    local dir=$1 deb
    if ! [ -e "$dir/.complete" ]; then
        command -v apt-get >/dev/null || return 1
        deps_say "Fetching photographs (Debian's package mate-backgrounds, 46 MB) into $dir; they are not installed"
        mkdir -p "$dir" || return 1
        if ! apt-cache show mate-backgrounds >/dev/null 2>&1; then
            deps_as_root apt-get update -q </dev/null >&2 || return 1
        fi
        (cd "$dir" && apt-get download -q mate-backgrounds </dev/null >&2 2>/dev/null) || return 1
        for deb in "$dir"/mate-backgrounds_*.deb; do
            dpkg -x "$deb" "$dir" || return 1
            rm -f "$deb"
        done
        : >"$dir/.complete"
    fi
    printf '%s\n' "$dir/usr/share/backgrounds/mate"
}
