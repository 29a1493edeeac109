# Sourced by the tests of downloads: a loopback hub with some/model (main), the
# tiny model, and some/bin, the same with pytorch_model.bin alone. Arguments
# are rules of tests/support/hub_server.h.
if clipc-classify --version | grep -q 'libcurl.*not built in'; then
    echo "built without libcurl"
    exit 77
fi
if [ ! -x "$CLIPC_BIN/tests/support/hubd" ]; then
    echo "no loopback hub in $CLIPC_BIN/tests/support"
    exit 77
fi
"$CLIPC_BIN/tests/support/httpd" --has-loopback
if [ $? -eq 1 ]; then
    echo "no loopback network here"
    exit 77
fi
commit=0123456789abcdef0123456789abcdef01234567
for repo in some/model some/private; do
    mkdir -p "$SCRATCH/hub/$repo/refs" "$SCRATCH/hub/$repo/$commit"
    cp "$TINY"/* "$SCRATCH/hub/$repo/$commit"
    printf %s $commit >"$SCRATCH/hub/$repo/refs/main"
done
printf %s hf_secret >"$SCRATCH/hub/some/private/token"
start_hub() {
    rm -f "$SCRATCH/hub.alive" "$SCRATCH/hub.port"
    mkfifo "$SCRATCH/hub.alive"
    "$CLIPC_BIN/tests/support/hubd" --root "$SCRATCH/hub" --port-file \
        "$SCRATCH/hub.port" --log "$SCRATCH/hub.log" "$@" \
        <"$SCRATCH/hub.alive" >"$SCRATCH/hub.out" 2>&1 &
    exec 8>"$SCRATCH/hub.alive" # it ends with this shell
    tries=0
    until [ -s "$SCRATCH/hub.port" ] || [ $tries -eq 1000 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
    HF_ENDPOINT=$(cat "$SCRATCH/hub.port")
    export HF_ENDPOINT
    unset HF_HUB_OFFLINE
}
# Requests whose line contains a text.
requests() {
    sleep 0.3
    grep -c "$1" "$SCRATCH/hub.log"
}
hub=${XDG_CACHE_HOME:-none}/huggingface/hub
