#!/bin/bash
# Judges the contract's documents, or what the tests have recorded, by them.
#
#   tests/contract/run.sh documents              include/: AsyncAPI, schemas, examples
#   tests/contract/run.sh installed BUILD        the same, as the build in that folder installs them
#   tests/contract/run.sh recorded [FOLDER|FILE] what the integration tests have sent and got;
#                                                standard: $CPOA_CONTRACT_DIR (unset: exit code 77)
#   tests/contract/run.sh fetch                  only brings the validators here
#
# The validators come from npm, as package-lock.json says, into build/npm/contract, once.
# Exit code 0: all is well; 1: not, and a sentence says why.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
modules=$root/build/npm/contract

usage() {
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2
	exit 2
}

fetch() {
	mkdir -p "$modules"
	exec 9>"$modules/lock"
	flock 9
	cmp -s "$here/package-lock.json" "$modules/fetched" && return
	command -v npm >/dev/null || { echo "no npm: tests/packages.sh test"; exit 1; }
	rm -rf "$modules/node_modules"
	cp "$here/package.json" "$here/package-lock.json" "$modules"
	if ! npm ci --prefix "$modules" --ignore-scripts --no-audit --no-fund >"$modules/log" 2>&1; then
		tail -n 20 "$modules/log"
		echo "npm could not fetch what tests/contract/package.json names (all of its output: $modules/log)"
		exit 1
	fi
	cp "$here/package-lock.json" "$modules/fetched"
}

# judge SCRIPT ARGUMENT...
judge() {
	exec 9>&-
	NODE_PATH=$modules/node_modules node "$here/$1.js" "${@:2}"
}

installed() {
	local place
	place=$(mktemp -d)
	# shellcheck disable=SC2064 # now, while it is known
	trap "rm -rf '$place'" EXIT
	cmake --install "$1" --component contract --prefix "$place" >/dev/null
	judge documents "$place/share/cpoa"
}

case $#:${1:-} in
1:fetch) fetch ;;
1:documents) fetch && judge documents "$root/include" ;;
2:installed) fetch && installed "$2" ;;
[12]:recorded)
	where=${2:-${CPOA_CONTRACT_DIR:-}}
	[ -n "$where" ] || { echo "CPOA_CONTRACT_DIR is unset: nothing is recorded"; exit 77; }
	fetch && judge recorded "$root/include" "$where"
	;;
*) usage ;;
esac
