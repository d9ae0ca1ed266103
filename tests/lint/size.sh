#!/bin/sh
# How long the files are: over 500 lines is worth a thought, over 700 fails.
set -eu
. tests/lint/common.sh

for file in $(sources '*.c' '*.h' '*.sh' '*.py'); do
	lines=$(wc -l <"$file")
	if [ "$lines" -gt 700 ]; then
		complain "$file: $lines lines, 700 are the limit"
	elif [ "$lines" -gt 500 ]; then
		echo "$file: $lines lines; does it hold more than one noun?"
	fi
done
verdict 'One noun a file: split it.'
