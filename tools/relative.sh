#!/bin/sh
# SPDX-License-Identifier: MIT
# relative.sh FROM TO - prints the folder TO as it is called in the folder FROM,
# by their names alone; both are absolute. GNU's realpath would do it.
set -eu
printf '%s\n' "$1" "$2" | awk '
    # The names of a path without ".", ".." and empty ones; returns how many.
    function names(path, list,    parts, n, i, depth) {
        n = split(path, parts, "/")
        for (i = 1; i <= n; i++)
            if (parts[i] == "..")
                depth -= depth > 0
            else if (parts[i] != "" && parts[i] != ".")
                list[++depth] = parts[i]
        return depth + 0
    }
    NR == 1 { n_from = names($0, from) }
    NR == 2 {
        n_to = names($0, to)
        for (same = 0; same < n_from && same < n_to; same++)
            if (from[same + 1] != to[same + 1])
                break
        for (i = same; i < n_from; i++)
            result = result "/.."
        for (i = same + 1; i <= n_to; i++)
            result = result "/" to[i]
        print result == "" ? "." : substr(result, 2)
    }'
