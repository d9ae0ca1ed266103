#!/bin/sh
# Every header compiles alone, and twice: it includes what it needs, and has a guard.
set -eu
. tests/lint/common.sh

headers=$(sources '*.h')
[ -n "$headers" ] || exit 0
cflags=$(pkg-config --cflags libxml-2.0 libpq libmicrohttpd 2>/dev/null || :)
export cflags

# shellcheck disable=SC2016
printf '%s\n' "$headers" | xargs -P "$(nproc)" -n 1 sh -c '
	printf "#include \"%s\"\n#include \"%s\"\ntypedef int not_empty;\n" "$1" "$1" |
		gcc -std=c11 -D_GNU_SOURCE -Iinclude -I. -Iworker -Itests $cflags -Werror -fsyntax-only -xc - 2>&1 ||
		{ echo "$1: does not compile alone"; exit 1; }
' sh || bad=1
verdict 'A header includes what it needs (or declares "struct x;"), and is guarded by #ifndef.'
