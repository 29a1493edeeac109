#!/bin/sh
# SPDX-License-Identifier: MIT
# completion.sh - the completions of bash, zsh and fish, as at a prompt: words
# on a command line, and the words offered for the last word. A shell that is
# not installed is skipped.
# Environment: BUILD, the folder that was built; SERVE, 0 without clipc-serve.
set -u
: "${BUILD:=build/release}" "${RUNNER:=}" "${SERVE:=1}"
scripts=$(cd "$BUILD" && pwd)/completions
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/here" "$tmp/here/photos" "$tmp/home" || exit 1
: >"$tmp/here/cat.jpg"
: >"$tmp/here/two words.png"
HOME=$tmp/home
export HOME
cd "$tmp/here" || exit 1
failed=0

report() { # STATUS NAME
    if [ "$1" -eq 0 ]; then
        echo "ok - completion: $2"
    else
        echo "not ok - completion: $2"
        sed 's/^/    /' "$tmp/log"
        failed=1
    fi
}

# The words every shell must offer: the command line up to the cursor; the words.
everything='cat.jpg photos two words.png'
cat >"$tmp/cases" <<END
clipc-classify --form|--format
clipc-classify --format |json jsonl text tsv
clipc-classify --gemm |accelerate auto native openblas
clipc-classify --labels dem|demo
clipc-classify --data-dir |photos
clipc-classify --model |cat.jpg demo photos two words.png
clipc-classify --resume c|cat.jpg
clipc-classify --top |
clipc-classify |$everything
clipc-embed --output-dtype |float16 float32
clipc-embed --dtype |bf16 f32 int8
clipc-embed -o |$everything
clipc-inspect |check embed model models pixels similarity tokens
clipc-inspect em|embed
clipc-inspect model --ten|--tensors
clipc-inspect similarity --format |json text tsv
clipc-inspect check --format |json text
clipc-inspect check |cat.jpg demo photos two words.png
clipc-inspect embed --image cat.jpg |$everything
clipc-inspect tokens |
clipc-inspect tokens --tens|
clipc-pack d|demo
clipc-pack --tower |both image text
clipc-pack demo --check c|cat.jpg
END
[ "$SERVE" = 0 ] || cat >>"$tmp/cases" <<END
clipc-serve |
clipc-serve --max-b|--max-batch --max-body --max-bytes
clipc-serve --log-format |json text
clipc-serve --labels dem|demo
clipc-serve --api-key |$everything
clipc-serve --listen |
END

# Reads cases; `offer LINE` writes the words offered, a line each.
try_all() { # SHELL
    : >"$tmp/log"
    n=0
    while IFS='|' read -r line want; do
        got=$(offer "$line" | sort -u | tr '\n' ' ')
        got=${got% }
        n=$((n + 1))
        [ "$got" = "$want" ] ||
            echo "'$line': '$got', not '$want'" >>"$tmp/log"
    done <"$tmp/cases"
    [ ! -s "$tmp/log" ]
    report $? "$1: $n command lines"
}

# ---- bash ----------------------------------------------------------------

cat >"$tmp/offer.bash" <<'END'
# offer.bash FOLDER LINE: words break at blanks and at =, as at the prompt.
program=${2%% *}
. "$1/bash/$program" || exit
[[ $(complete -p "$program") == *' -F '* ]] || exit
function=$(complete -p "$program")
function=${function##*-F }
function=${function%% *}
read -r -a COMP_WORDS <<<"${2//=/ = }"
[[ $2 == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
COMPREPLY=()
"$function" "$program" "${COMP_WORDS[COMP_CWORD]}" \
    "${COMP_WORDS[COMP_CWORD - 1]}" || exit
((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}"
END
if ! command -v bash >/dev/null 2>&1; then
    echo 'skip - completion: no bash'
else
    offer() { bash --norc "$tmp/offer.bash" "$scripts" "$1" 2>&1; }
    try_all bash
    offer 'clipc-classify --format=j' >"$tmp/log"
    offer 'clipc-classify --format=' >>"$tmp/log"
    offer 'clipc-classify -- --form' >>"$tmp/log"
    [ "$(tr '\n' ' ' <"$tmp/log")" = 'json jsonl text json jsonl tsv ' ]
    report $? 'bash: --name=value, and no option after --'
fi

# ---- fish ----------------------------------------------------------------

if ! command -v fish >/dev/null 2>&1; then
    echo 'skip - completion: no fish'
else
    for script in "$scripts"/fish/*; do
        fish --no-execute "$script"
    done >"$tmp/log" 2>&1
    [ ! -s "$tmp/log" ]
    report $? 'fish: the syntax'
    offer() {
        fish --no-config -c "source $scripts/fish/${1%% *}.fish
            complete -C\"$1\"" 2>&1 | sed -e 's/	.*//' -e 's|/$||'
    }
    try_all fish
fi

# ---- zsh -----------------------------------------------------------------

# A shell in a pseudo-terminal gets a line and the Tab key. compadd is watched:
# compadd gets every word that zsh offers.
cat >"$tmp/offer.zsh" <<'END'
# offer.zsh FOLDER LINE
zmodload zsh/zpty || exit 2
zpty shell zsh -f -i
zpty -w shell "PS1= PS2= RPS1=; stty -echo
fpath=($1/zsh \$fpath); autoload -Uz compinit; compinit -u
compadd() {
    local -a found
    [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]] && { builtin compadd \"\$@\"; return }
    builtin compadd -A found \"\$@\"
    (( \$#found )) && print -l -r -- \$found >>$TMPPREFIX.words
    builtin compadd \"\$@\"
}
finish() { print done >$TMPPREFIX.done; zle -I }
zle -N finish; bindkey ^I complete-word; bindkey ^X finish
print ready >$TMPPREFIX.ready"
wait_for() { # FILE
    local -i i
    for ((i = 0; i < 600; i++)); do
        [[ -e $1 ]] && return 0
        zpty -r -t shell output
        sleep 0.05
    done
    return 1
}
wait_for $TMPPREFIX.ready || { print "no prompt of zsh"; exit 1 }
zpty -w -n shell "$2"$'\t\x18'
wait_for $TMPPREFIX.done || { print "no end of the completion"; exit 1 }
zpty -d shell
[[ ! -e $TMPPREFIX.words ]] || cat $TMPPREFIX.words
END
if ! command -v zsh >/dev/null 2>&1; then
    echo 'skip - completion: no zsh'
else
    for script in "$scripts"/zsh/*; do
        zsh -n "$script"
    done >"$tmp/log" 2>&1
    [ ! -s "$tmp/log" ]
    report $? 'zsh: the syntax'
    mkdir "$tmp/zsh"
fi
if command -v zsh >/dev/null 2>&1 &&
    ! zsh -fc 'zmodload zsh/zpty && zpty x true' 2>/dev/null; then
    echo 'skip - completion: zsh: no pseudo-terminal'
elif command -v zsh >/dev/null 2>&1; then
    offer() {
        rm -f "$tmp"/zsh/*
        TMPPREFIX=$tmp/zsh/offer zsh -f "$tmp/offer.zsh" "$scripts" "$1" 2>&1 |
            sed 's/\\ / /g'
    }
    try_all zsh
fi
exit $failed
