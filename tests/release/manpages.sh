#!/bin/sh
# SPDX-License-Identifier: MIT
# manpages.sh - the man pages and the programs name the same options, with the
# same values, for the same commands; the rule for exit statuses is one text.
# Environment: BUILD, the folder that was built; SERVE, 0 without clipc-serve.
set -u
: "${BUILD:=build/release}" "${SERVE:=1}"
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
failed=0

report() { # STATUS NAME
    if [ "$1" -eq 0 ]; then
        echo "ok - manpages: $2"
    else
        echo "not ok - manpages: $2"
        sed 's/^/    /' "$tmp/log"
        failed=1
    fi
}

# Prints "-o, --output FILE" of each line of --help that describes an option.
options_of() { "$@" --help | sed -n 's/^  \(-.*\)/\1/p' | sed 's/   *.*//'; }

# The same for a man page: prints "OPTION<TAB>COMMANDS". The option follows .TP
# or .TQ under OPTIONS; its commands are in parentheses.
cat >"$tmp/man.awk" <<'END'
function plain(line,    macro, joined, out, i, c, quoted) {
    macro = ""
    if (match(line, /^\.[A-Z]+ */)) {
        macro = substr(line, 1, RLENGTH)
        line = substr(line, RLENGTH + 1)
        gsub(/[. ]/, "", macro)
    }
    gsub(/\\f[A-Z]|\\[|&]/, "", line)
    gsub(/\\-/, "-", line)
    joined = length(macro) == 2 # .BI and its like put no space between
    for (i = 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        if (c == "\"")
            quoted = !quoted
        else if (c != " " || quoted || !joined)
            out = out c
    }
    return out
}
function flush(    i) {
    gsub(/[(),]/, " ", commands)
    gsub(/^ +| +$/, "", commands)
    gsub(/ +/, " ", commands)
    for (i = 1; i <= n; i++)
        print headings[i] "\t" commands
    n = 0
    commands = ""
}
/^\.SH/ { flush(); inside = $2 == "OPTIONS"; next }
!inside { next }
/^\.(TP|TQ|SS|PP)/ { if ($1 != ".TQ") flush(); heading = $1 ~ /T[PQ]$/; next }
heading {
    heading = 0
    text = plain($0)
    if (text ~ /^-/)
        headings[++n] = text
    first = 1
    next
}
first || open_paren {
    text = plain($0)
    if (first && text !~ /^\(/) { first = 0; next }
    first = 0
    commands = commands " " text
    open_paren = text !~ /\)/
}
END

plain='clipc-classify clipc-embed clipc-pack'
[ "$SERVE" = 0 ] || plain="$plain clipc-serve"
for program in $plain; do
    options_of "$BUILD/$program" | sort >"$tmp/have"
    awk -f "$tmp/man.awk" "docs/man/$program.1" | cut -f 1 | sort >"$tmp/say"
    diff -u --label "$program --help" --label "docs/man/$program.1" \
        "$tmp/have" "$tmp/say" >"$tmp/log" && [ -s "$tmp/have" ]
    report $? "$program: $(wc -l <"$tmp/have") options"
done

commands='model check tokens pixels embed similarity models'
{
    options_of "$BUILD/clipc-inspect" | sed 's/$/	without a command/'
    for command in $commands; do
        options_of "$BUILD/clipc-inspect" "$command" | sed "s/\$/	$command/"
    done
} | awk -F '\t' '
    { had[$1] = had[$1] (had[$1] ? " " : "") $2 }
    END { for (option in had) print option "\t" had[option] }' |
    sed "s/	without a command $commands\$/	/; s/	$commands\$/	/" |
    sort >"$tmp/have"
awk -f "$tmp/man.awk" docs/man/clipc-inspect.1 | sort >"$tmp/say"
diff -u --label 'clipc-inspect --help' --label docs/man/clipc-inspect.1 \
    "$tmp/have" "$tmp/say" >"$tmp/log" && [ -s "$tmp/have" ]
report $? "clipc-inspect: $(wc -l <"$tmp/have") options and their commands"

for program in $plain clipc-inspect; do
    [ "$program" != clipc-serve ] || continue # ends by a signal: its own rule
    sed -n '/^.SH EXIT STATUS/,/^.PP/p' "docs/man/$program.1" >"$tmp/rule"
    [ -f "$tmp/first" ] || cp "$tmp/rule" "$tmp/first"
    diff -u "$tmp/first" "$tmp/rule"
done >"$tmp/log"
[ ! -s "$tmp/log" ] && [ "$(grep -c '^\.B [0-3]$' "$tmp/first")" -eq 4 ]
report $? 'one rule for exit statuses'
exit $failed
