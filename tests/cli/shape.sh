# Sourced: shape FILE.npy writes the header and the size of an array.
shape() {
    printf '%s ' "$1"
    head -c 128 "$1" | tail -c +11 | sed 's/ *$//'
    echo "    $(wc -c <"$1") bytes"
}
