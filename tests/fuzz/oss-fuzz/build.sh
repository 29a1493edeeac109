#!/bin/bash -eu
# SPDX-License-Identifier: MIT
# build.sh - builds the fuzz targets as OSS-Fuzz asks for it: the compiler in
# $CC and $CFLAGS, the engine in $LIB_FUZZING_ENGINE, the sources in $SRC/clipc.
# Targets, dictionaries, seeds and the files that targets read go to $OUT.
cd "$SRC/clipc"
CURL=0 AVIF=0 LINK_STATIC=1 sh tests/fuzz/build.sh "$OUT" >"$OUT/targets"
while read -r target; do
    if [ -d "tests/fuzz/seeds/$target" ]; then
        (cd "tests/fuzz/seeds/$target" &&
            zip -q -r - .) >"$OUT/${target}_seed_corpus.zip"
    fi
    if [ -f "tests/fuzz/$target.dict" ]; then
        cp "tests/fuzz/$target.dict" "$OUT/"
    fi
done <"$OUT/targets"
rm "$OUT/targets"
# A target is run in $OUT and opens these by their names in the repository.
mkdir -p "$OUT/tests/data/images/pictures"
cp -r tests/data/tokenizer tests/data/pieces tests/data/gemma "$OUT/tests/data/"
cp tests/data/images/pictures/c2-d8.png "$OUT/tests/data/images/pictures/"
