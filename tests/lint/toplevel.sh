#!/bin/sh
# Whether the top level holds what design.md names, and nothing else.
set -eu
. tests/lint/common.sh

[ -e .git ] || exit 0
for entry in $(git -c safe.directory='*' ls-files --cached --others --exclude-standard | sed 's,/.*,,' | sort -u); do
	case $entry in
	.* | CMakeLists.txt | CMakePresets.json | Dockerfile | README.md) ;;
	common | helm | include | migrations | tests | worker) ;;
	*) complain "$entry: does not belong to the top level" ;;
	esac
done
verdict 'Each thing has its room (worker/README.md): move it there, or into .gitignore if it is made by a build.'
