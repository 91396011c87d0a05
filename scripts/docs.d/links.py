#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
#
# links.py TARGET - check the links between TARGET/book and TARGET/doc, both ways.
#
# A link that leads from one into the other must name a file that exists, and if
# it has a fragment, an id in that file.  Prints "FILE: LINK: what is missing".
# Exit status: 0 if nothing is; 1 if something is; 2 if there is nothing to check.

import pathlib
import re
import sys
import urllib.parse

LINK = re.compile(r"""<a\s[^>]*?href=["']([^"'>]+)["']""")
ID = re.compile(r"""\sid=["']([^"'>]+)["']""")


def ids(file, known={}):
    if file not in known:
        known[file] = set(ID.findall(file.read_text(encoding="utf-8")))
    return known[file]


def missing(file, to):
    """How many links lead from file into the directory to, and those that lead nowhere."""
    count, found = 0, {}
    for link in LINK.findall(file.read_text(encoding="utf-8")):
        url = urllib.parse.urlsplit(link.replace("&amp;", "&"))
        if url.scheme or url.netloc or not url.path:
            continue
        target = (file.parent / urllib.parse.unquote(url.path)).resolve()
        if to not in target.parents:
            continue
        count += 1
        if not target.is_file():
            found[link] = "there is no such file"
        elif url.fragment and urllib.parse.unquote(url.fragment) not in ids(target):
            found[link] = "there is no such id in that file"
    return count, found


def main(target):
    target = pathlib.Path(target).resolve()
    book, doc = target / "book", target / "doc"
    ways = [([book], doc), ([doc / "dma_fence", doc / "kernel"], book)]
    bad = False
    for rooms, to in ways:
        links = 0
        for room in rooms:
            for file in sorted(room.rglob("*.html")):
                count, found = missing(file, to)
                links += count
                for link, what in found.items():
                    print(f"{file.relative_to(target)}: {link}: {what}")
                    bad = True
        if not links:
            names = " and ".join(str(room.relative_to(target)) for room in rooms)
            print(f"no link leads from {names} to {to.relative_to(target)}")
            return 2
    return int(bad)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: links.py TARGET", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[1]))
