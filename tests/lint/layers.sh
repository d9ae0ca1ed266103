#!/bin/sh
# Walks the #include lines: who may include whom.
#
#   ctl, main -> engine -> workflows -> agents -> core -> common
#   ctl, main -> bridge -> core
#   ctl -> client -> common
#
# worker/harvest may be used by engine, ctl, main and agents, and uses common only. A foreign
# library's header is included only in the files that wrap it. tests/ may include anything.
set -eu
. tests/lint/common.sh

sources '*.c' '*.h' | grep -E '^(include|common|worker)/' >/dev/null || exit 0

# shellcheck disable=SC2046
findings=$(awk '
	# The layer of a file: the higher may include the lower.
	function layer(f) {
		if (f ~ /^(include|common)\//) return "common"
		if (f ~ /^worker\/(core|agents|workflows|engine|bridge|client|harvest|ctl)\//) {
			split(f, part, "/")
			return part[2]
		}
		if (f ~ /^worker\//) return "main"
		if (f ~ /^tests\//) return "tests"
		return ""
	}
	function allowed(from, to) {
		if (from == to || to == "") return 1
		if (to == "tests") return 0
		if (from == "bridge") return to ~ /^(core|common)$/
		if (from == "client") return to == "common"
		if (to == "client") return from == "ctl"
		if (to == "bridge") return from ~ /^(ctl|main)$/
		if (from == "harvest") return to == "common"
		if (to == "harvest") return from ~ /^(agents|engine|ctl|main)$/
		return rank[to] < rank[from]
	}
	# Which file an include line means: beside the includer, or along -Iinclude -Iworker -I.
	function resolve(f, name,    i, dir, path) {
		dir = f
		sub(/[^\/]*$/, "", dir)
		split(dir " include/ worker/ ./", prefix, " ")
		for (i = 1; i <= 4; i++) {
			path = prefix[i] name
			sub(/^\.\//, "", path)
			while (sub(/[^\/]+\/\.\.\//, "", path));
			if (path in known) return path
		}
		return ""
	}
	# The only files that may include this foreign header.
	function home(name) {
		if (name ~ /^(libpq-fe|libpq-events|postgres_ext|pg_config)\.h$|^libpq\//) return "^common/db[a-z_]*\\.[ch]$"
		if (name ~ /^amqp[a-z_]*\.h$|^rabbitmq-c\//) return "^common/mq[a-z_]*\\.[ch]$"
		if (name ~ /^curl\//) return "^common/http(_[a-z_]*)?\\.[ch]$"
		if (name ~ /^microhttpd\.h$/) return "^common/httpd[a-z_]*\\.[ch]$"
		if (name ~ /^openssl\/(ssl|x509v3)\.h$/) return "^common/tls\\.c$"
		if (name ~ /^libxml\//) return "^worker/harvest/"
		return ""
	}
	BEGIN {
		rank["common"] = 0; rank["core"] = 1; rank["agents"] = 2; rank["workflows"] = 3
		rank["engine"] = 4; rank["ctl"] = 5; rank["main"] = 5
		while ((getline f < "-") > 0) known[f] = 1
		close("-")
	}
	FILENAME == "-" { next }
	/^[ \t]*#[ \t]*include[ \t]*["<]/ {
		from = layer(FILENAME)
		if (from == "tests") next
		name = $0
		sub(/^[ \t]*#[ \t]*include[ \t]*["<]/, "", name)
		sub(/[">].*/, "", name)
		where = FILENAME ":" FNR ": "
		target = resolve(FILENAME, name)
		to = layer(target)
		if ((from == "main" && to == "ctl") || (from == "ctl" && to == "main")) next
		if (!allowed(from, to))
			print where from " may not include " name ", which belongs to " to
		only = home(name)
		if (only != "" && FILENAME !~ only)
			print where name " is for " only " only; use the wrapper"
	}
' $(sources '*.c' '*.h' | grep -E '^(include|common|worker|tests)/') <<EOF
$(sources '*.c' '*.h')
EOF
)
[ -z "$findings" ] || complain "$findings"
verdict 'Move the code to the layer where it belongs, or pass what it needs from above (worker/README.md).'
