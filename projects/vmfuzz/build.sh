#!/bin/bash -eu
# The build is kept with what it builds.
bash -eux "$SRC/vmfuzz/.clusterfuzzlite/build.sh"
