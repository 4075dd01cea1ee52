#!/bin/bash -eu
# Builds the fuzz targets into $OUT: OSS-Fuzz and ClusterFuzzLite run this in their image, `vmfuzz oss-fuzz` without one.
# See docs/continuous.md.

cd "$SRC/vmfuzz"
pip3 install .

targets=fuzz/oss/targets
cp "$targets/triage.toml" "$OUT/"
for target in "$targets"/fuzz_*.py; do
  name=$(basename -s .py "$target")
  arguments=$(python3 -m fuzz.oss.bundle "$name")
  mapfile -t arguments <<< "$arguments"
  compile_python_fuzzer "$target" "${arguments[@]}"
  # No native code is under test. A sanitizer loaded before Python brings a libFuzzer of its own, which does not see a
  # mutator that is written in Python, and takes six times the memory.
  sed -i '/^LD_PRELOAD=/d' "$OUT/$name"
  cp "$targets/$name.dict" "$targets/$name.options" "$OUT/"
  python3 -m fuzz.oss.build "$name" "$OUT/${name}_seed_corpus.zip"
done
