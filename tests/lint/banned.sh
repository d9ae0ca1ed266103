#!/bin/sh
# Functions that nobody calls here, with what to call instead. Comments and strings do not count.
set -eu
. tests/lint/common.sh

files=$(sources '*.c' '*.h')
[ -n "$files" ] || exit 0
# shellcheck disable=SC2086
findings=$(awk '
	function ban(names, instead,    n, name, i) {
		n = split(names, name, " ")
		for (i = 1; i <= n; i++)
			banned[name[i]] = instead
	}
	# The line without comments and without what stands between quotes.
	function code(s,    out, c, i, quote) {
		out = ""
		for (i = 1; i <= length(s); i++) {
			c = substr(s, i, 1)
			if (comment) {
				if (substr(s, i, 2) == "*/") { comment = 0; i++; out = out " " }
			} else if (quote != "") {
				if (c == "\\") i++
				else if (c == quote) { quote = ""; out = out c }
			} else if (substr(s, i, 2) == "/*") { comment = 1; i++ }
			else if (substr(s, i, 2) == "//") break
			else {
				if (c == "\"" || c == "\047") quote = c
				out = out c
			}
		}
		return out
	}
	BEGIN {
		ban("strcpy strcat strncpy sprintf vsprintf", "snprintf with a check, or strbuf")
		ban("strtok", "strspn and strcspn")
		ban("atoi", "strtol with its checks (conf.h)")
		ban("gmtime localtime", "gmtime_r")
		ban("strerror", "strerror_r, or err_set with errno")
		ban("system popen", "posix_spawn with an argument vector")
		ban("alloca", "arena or malloc with a ceiling")
		ban("gets", "getline")
		ban_in_tests["sleep"] = ban_in_tests["usleep"] = "wait for the condition, with a deadline"
	}
	FNR == 1 { comment = 0 }
	{
		line = code($0)
		while (match(line, /[A-Za-z_][A-Za-z0-9_]*[ \t]*\(/)) {
			name = substr(line, RSTART, RLENGTH)
			sub(/[ \t]*\($/, "", name)
			member = substr(line, RSTART - 1, 1) == "." || substr(line, RSTART - 2, 2) == "->"
			line = substr(line, RSTART + RLENGTH)
			if (member)
				continue
			if (name in banned)
				print FILENAME ":" FNR ": " name ": use " banned[name]
			else if (FILENAME ~ /^tests\// && name in ban_in_tests)
				print FILENAME ":" FNR ": " name ": " ban_in_tests[name]
		}
	}
' $files)
[ -z "$findings" ] || complain "$findings"
verdict 'These functions are banned: each has cost somebody a weekend.'
