#!/bin/sh
# Whether the C files look as .clang-format says (clang-format 14, that of Debian 12).
set -eu
. tests/lint/common.sh

tool=clang-format
command -v clang-format-14 >/dev/null && tool=clang-format-14
case $($tool --version) in
*'version 14.'*) ;;
*)
	echo "$($tool --version) is not version 14, and formats differently: tests/packages.sh test"
	exit 1
	;;
esac
files=$(sources '*.c' '*.h')
[ -n "$files" ] || exit 0
# shellcheck disable=SC2086
$tool --dry-run -Werror $files 2>&1 || bad=1
verdict "Mend it with: git ls-files '*.c' '*.h' | xargs $tool -i"
