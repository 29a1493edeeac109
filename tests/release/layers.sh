#!/bin/sh
# SPDX-License-Identifier: MIT
#
# layers.sh - includes point down. Each folder has a level; a file includes
# headers of its own folder or of a folder on a lower level. Inside a folder no
# files include each other in a circle; name.c and name.h count as one file.
#
# The levels stand below and in docs/ARCHITECTURE.md, in the same words.
set -u

levels='
include          0
lib/base         1
lib/kernels      2
lib/config       2
lib/text         2
lib/http         2
lib/checkpoint   3
lib/image        3
lib/towers       4
lib/hub          4
lib/api          5
tools/common     6
tools/pictures   7
tools/classify   8
tools/embed      8
tools/inspect    8
tools/pack       8
tools/serve      8
tools/wasm       8
bench            8
'

# Prints lines "FILE INCLUDED", both paths from the top of the repository.
edges() { # FOLDER ROOT
    for file in $(find "$1" -name '*.[ch]' | sort); do
        sed -n 's/^ *# *include *"\([^"]*\)".*/\1/p' "$file" |
            while read -r name; do
                found=
                for candidate in "$(dirname "$file")/$name" "$2/$name" \
                    "lib/$name" "include/$name"; do
                    if [ -f "$candidate" ]; then
                        found=$candidate
                        break
                    fi
                done
                echo "$file ${found:-?$name}"
            done
    done
}

check() { # stdin: edges. Prints what is wrong; the status says whether.
    awk -v levels="$levels" '
    function folder(path,   part, n) {
        n = split(path, part, "/")
        if (part[1] == "include" || part[1] == "bench")
            return part[1]
        return part[1] "/" part[2]
    }
    function stem(path) {
        sub(/\.[ch]$/, "", path)
        return path
    }
    # Depth first; state 1: on the current path, 2: done.
    function visit(name, way,   list, i, n) {
        if (state[name] == 2)
            return
        if (state[name] == 1) {
            print "a circle:" substr(way, index(way, " " name " ")) name
            bad = 1
            return
        }
        state[name] = 1
        n = split(to[name], list, " ")
        for (i = 1; i <= n; i++)
            visit(list[i], way name " ")
        state[name] = 2
    }
    BEGIN {
        n = split(levels, line, "\n")
        for (i = 1; i <= n; i++)
            if (split(line[i], word, " ") == 2)
                level[word[1]] = word[2]
    }
    {
        from = folder($1)
        if (!(from in level)) {
            print $1 ": a folder without a level"
            bad = 1
            next
        }
        if ($2 ~ /^\?/) {
            print $1 ": no file " substr($2, 2)
            bad = 1
            next
        }
        into = folder($2)
        if (from != into && !(level[into] < level[from])) {
            print $1 " includes " $2 ": not a lower level"
            bad = 1
        }
        if (from ~ /^tools/ && into ~ /^lib/) {
            print $1 " includes " $2 ": programs stand on clipc.h"
            bad = 1
        }
        if (stem($1) != stem($2) && !(($1, $2) in seen)) {
            seen[$1, $2] = 1
            to[stem($1)] = to[stem($1)] " " stem($2)
            names[stem($1)] = 1
        }
    }
    END {
        for (name in names)
            visit(name, " ")
        exit bad
    }'
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
failed=0
report() { # STATUS NAME
    if [ "$1" -eq 0 ]; then
        echo "ok - layers: $2"
    else
        echo "not ok - layers: $2"
        sed 's/^/    /' "$tmp/log"
        failed=1
    fi
}

edges lib lib >"$tmp/lib"
edges tools tools >"$tmp/tools"
edges bench lib >"$tmp/bench"
for part in lib tools bench; do
    # A check of no files would pass.
    { [ -s "$tmp/$part" ] && check <"$tmp/$part"; } >"$tmp/log"
    report $? "includes of $part point down"
done

# The check must find a wrong include.
echo 'lib/base/file.c lib/image/image.h' >"$tmp/up"
echo 'lib/image/jpeg.c lib/config/none.h
lib/text/a.c lib/text/b.h
lib/text/b.h lib/text/c.h
lib/text/c.c lib/text/a.h' >"$tmp/circle"
{ ! check <"$tmp/up" && ! check <"$tmp/circle"; } >"$tmp/log"
report $? 'an arrow up and a circle are found'
exit $failed
