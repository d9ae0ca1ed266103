# shellcheck shell=sh
# For the other scripts here, which are run in the source directory: which files there are, and
# how to complain. Sourced, not run.

bad=0

# sources PATTERN...: the files that belong to the project, those not yet committed included.
sources() {
	if [ -e .git ]; then
		git -c safe.directory='*' ls-files --cached --others --exclude-standard -- "$@" |
			while IFS= read -r f; do
				[ ! -f "$f" ] || printf '%s\n' "$f"
			done
		return
	fi
	# An unpacked archive.
	for p; do
		find . -name build -prune -o -type f -name "$p" -print | sed 's,^\./,,'
	done
}

# complain TEXT...: one finding.
complain() {
	printf '%s\n' "$*"
	bad=1
}

# verdict TEXT: what to do about the findings, if there are any; sets the exit code.
verdict() {
	[ "$bad" = 0 ] || printf '%s\n' "$*"
	exit "$bad"
}
