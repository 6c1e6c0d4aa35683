#!/bin/sh
# Installs both programs of rpc-chat, their man pages and their completions for one user. It never needs root.
#
#     ./install.sh                 to ~/.local
#     ./install.sh --prefix DIR    to DIR; /usr/local gets the unit of systemd, too
set -eu

prefix=${HOME:-}/.local
case "${1:-}" in
"") ;;
--prefix) [ "${2:-}" ] || { echo "install.sh: --prefix needs a folder" >&2; exit 2; }; prefix=$2; shift;;
--prefix=?*) prefix=${1#--prefix=};;
--help | -h) echo "usage: ./install.sh [--prefix DIR]    (without it: ~/.local)"; exit;;
*) echo "install.sh: $1 is not understood; usage: ./install.sh [--prefix DIR]" >&2; exit 2;;
esac
[ $# -le 1 ] || { echo "install.sh: it takes one folder: ./install.sh [--prefix DIR]" >&2; exit 2; }
case "$prefix" in /*) ;; *) prefix=$PWD/$prefix;; esac

case "$0" in */*) cd "${0%/*}";; esac
for program in bin/*; do
	"$program" --version >/dev/null || { echo "install.sh: $program does not run on this machine" >&2; exit 1; }
done

# What is there is for everybody, and systemd looks there for units.
units=
case "$prefix" in /usr/local | /usr/local/) units=lib/systemd/system/*; umask 022;; esac
installed=
for file in bin/* $units share/man/man1/* share/bash-completion/completions/* share/zsh/site-functions/* \
	share/fish/vendor_completions.d/*; do
	to=$prefix/$file
	# A program that runs cannot be written over, but its name can lead to another file.
	mkdir -p "${to%/*}" && cp "$file" "$to.new" && mv -f "$to.new" "$to" ||
		{ echo "install.sh: cannot write $to; --prefix DIR takes another folder" >&2; exit 1; }
	installed="$installed $file"
done

echo "Installed in $prefix:"
for file in $installed; do echo "  $file"; done
echo "To remove all of it: cd '$prefix' && rm$installed"
case ":$PATH:" in
*":$prefix/bin:"*) ;;
*) echo "Your shell does not look there yet. Put this line into ~/.profile: export PATH=\"$prefix/bin:\$PATH\"";;
esac
[ -z "$units" ] || echo "To start the room as a service: systemctl daemon-reload && systemctl enable --now chat-server"
case "${SHELL:-}" in
*/zsh) echo "For the completions, put this line into ~/.zshrc above compinit: fpath=('$prefix/share/zsh/site-functions' \$fpath)";;
esac
