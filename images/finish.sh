#!/bin/sh
# Make an environment the same whenever it is built, and quick to start where it can't be written to.
set -eu
prefix=$1
# times and paths of the build, which pip and uv keep of what they install
find "$prefix" -name uv_cache.json -path '*.dist-info/*' -delete
find "$prefix" -name direct_url.json -path '*.dist-info/*' -delete
find "$prefix" -name RECORD -path '*.dist-info/*' -exec sed -i -e '/uv_cache\.json/d' -e '/direct_url\.json/d' {} +
# what no user runs: tests of libraries, 90 MB
for name in matplotlib numba numba/cuda numpy/_core numpy/lib pandas pyarrow xarray; do
  rm -rf "$prefix"/lib/python*/site-packages/"$name"/tests
done
rm -f "$prefix/.lock"  # uv's, which anybody could write to
# byte code that holds whatever times a layer gives its files
find "$prefix" -name __pycache__ -prune -exec rm -rf {} +
"$prefix/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$prefix/lib" >/dev/null || true
find "$prefix" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
