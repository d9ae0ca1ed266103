#!/bin/bash
# Builds what run.sh and scaling.sh need: build.sh LOG
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
fresh=()
grep -Fqsx "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" build/chaos/CMakeCache.txt || fresh=(--fresh)
if ! { cmake --preset chaos "${fresh[@]}" && cmake --build build/chaos --target cpoa cpoa-agents chaos_feed chaos_proxy; } >"$1" 2>&1; then
	tail -n 25 "$1" >&2
	exit 1
fi
