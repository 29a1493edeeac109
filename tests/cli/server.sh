# Sourced by the tests of URLs: starts the loopback server, sets $url. Skips
# when there is none, or no libcurl in the programs.
if clipc-classify --version | grep -q 'libcurl.*not built in'; then
    echo "built without libcurl"
    exit 77
fi
if [ ! -x "$CLIPC_BIN/tests/support/httpd" ]; then
    echo "no loopback server in $CLIPC_BIN/tests/support"
    exit 77
fi
"$CLIPC_BIN/tests/support/httpd" --has-loopback
if [ $? -eq 1 ]; then
    echo "no loopback network here"
    exit 77
fi
mkfifo "$SCRATCH/alive"
"$CLIPC_BIN/tests/support/httpd" --root "$PICTURES" --port-file "$SCRATCH/port" --stdin \
    <"$SCRATCH/alive" >"$SCRATCH/httpd.log" 2>&1 &
exec 9>"$SCRATCH/alive" # it ends with this shell
tries=0
until [ -s "$SCRATCH/port" ] || [ $tries -eq 1000 ]; do
    sleep 0.05
    tries=$((tries + 1))
done
port=$(cat "$SCRATCH/port")
url=http://127.0.0.1:$port
