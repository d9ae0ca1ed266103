# shellcheck shell=sh
# What run.sh and scaling.sh share, to be sourced at the top of the repository: servers of their own, the
# build, and an end to both. bash, with "set -euo pipefail".

servers=$PWD/build/chaos-servers
child=

on_exit() {
	code=$?
	trap - EXIT
	trap '' INT TERM HUP
	[ -z "$child" ] || { kill -TERM "$child" && wait "$child"; } 2>/dev/null || :
	tests/servers.sh stop "$servers" 8>&-
	exit "$code"
}

build() {
	fresh=
	grep -Fqsx "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" build/chaos/CMakeCache.txt || fresh=--fresh
	# shellcheck disable=SC2086
	if ! { cmake --preset chaos $fresh &&
		cmake --build build/chaos --target cpoa cpoa-agents chaos_feed chaos_proxy; } >build/chaos.log 2>&1; then
		tail -n 25 build/chaos.log >&2
		return 1
	fi
}

prepare() {
	mkdir -p build
	exec 8>build/chaos.lock
	flock -n 8 || { echo "chaos: another one runs here" >&2; exit 1; }
	trap on_exit EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	tests/packages.sh build servers test 8>&- >&2
	build 8>&-
	tests/servers.sh stop "$servers" 8>&-
	tests/servers.sh start "$servers" --fsync off 8>&-
	# shellcheck disable=SC3045 # bash it is
	ulimit -n "$(ulimit -Hn)" || :
}

# Debian's python3, for which the packages are; so that a signal to the script is acted on at once.
python() {
	code=0
	/usr/bin/python3 -B "$@" 8>&- &
	child=$!
	wait "$child" || code=$?
	child=
	return "$code"
}
