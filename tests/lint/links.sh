#!/bin/sh
# Whether the pure layers are pure in what they link: links.sh BUILD_DIR
#
# core, agents, workflows (and harvest/extract) may call no function of libpq, libcurl or
# rabbitmq-c, nor one of common/ that needs such a library, be it by way of others.
set -eu
. tests/lint/common.sh

build=${1:?usage: tests/lint/links.sh BUILD_DIR}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Lines "OBJECT: SYMBOL TYPE ..."; type U is a symbol that the object calls for.
symbols() {
	nm -A -P --extern-only "$@" 2>/dev/null | sed 's,^[^ ]*/,,'
}

check() { # an archive or object
	symbols "$1" | awk '
		function foreign(s) { return s ~ /^(PQ[a-zA-Z]|curl_|amqp_)/ }
		FILENAME != "-" && $3 == "U" { calls[$1] = calls[$1] " " $2; next }
		FILENAME != "-" { home[$2] = $1; next }
		# From here on the layer itself. First: which of our objects need a foreign library?
		!decided {
			decided = 1
			do {
				more = 0
				for (object in calls) {
					n = object in needs ? 0 : split(calls[object], called, " ")
					for (i = 1; i <= n; i++) {
						s = called[i]
						if (foreign(s) || (s in home && home[s] in needs)) {
							needs[object] = s
							more = 1
							break
						}
					}
				}
			} while (more)
		}
		$3 != "U" { next }
		foreign($2) { print $1 " calls " $2 }
		$2 in home && home[$2] in needs {
			print $1 " calls " $2 ", which is in " home[$2] " beside calls to " needs[home[$2]]
		}
	' "$scratch/common" -
}

: >"$scratch/common"
find "$build" -path '*/common/*' -name '*.c.o' >"$scratch/objects" 2>/dev/null || :
# shellcheck disable=SC2046
[ ! -s "$scratch/objects" ] || symbols $(cat "$scratch/objects") >"$scratch/common"

for layer in core agents workflows; do
	archive=$(find "$build" -name "libcpoa_$layer.a" 2>/dev/null | head -n 1)
	if [ -z "$archive" ]; then
		complain "no libcpoa_$layer.a below $build: build it first"
		continue
	fi
	findings=$(check "$archive")
	[ -z "$findings" ] || complain "$findings"
done
extract=$(find "$build" -path '*/harvest/extract*.c.o' 2>/dev/null) || :
for object in $extract; do
	findings=$(check "$object")
	[ -z "$findings" ] || complain "$findings"
done
verdict 'A pure layer asks for calls by name; sockets and SQL belong to the engine. What it needs of common/ goes into a file without them.'
