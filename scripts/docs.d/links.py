#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
#
# links.py TARGET         check every link of TARGET/book, TARGET/doc and the README files
# links.py --self-test    plant links that lead nowhere, expect each to be found
#
# A link to a file must name one that exists, and if it has a fragment, an id in
# that file.  Of a link out of here only the shape is looked at: no network is
# used.  Prints "FILE: LINK: what is wrong".
# Exit status: 0 if nothing is; 1 if something is; 2 if there is nothing to check.

import html
import pathlib
import re
import sys
import tempfile
import urllib.parse

LINK = re.compile(r"""<a\s[^>]*?href=(?:"([^">]+)"|'([^'>]+)')""")
MARKDOWN = re.compile(r"""\]\(([^()\s]+)\)""")
ID = re.compile(r"""\sid=(?:"([^"]+)"|'([^']+)'|([^\s"'>]+))""")
HOST = re.compile(r"([a-z0-9-]+\.)+[a-z]{2,}")
# A page of something that has moved names the page that it is shown on.
MOVED = re.compile(r"""<meta http-equiv="refresh" content="0;URL=([^"]+)">""")
# The public tree shows a file at a version.
KERNEL = re.compile(r"/pub/scm/linux/kernel/git/torvalds/linux\.git/tree/(\w[\w.-]*/)*\w[\w.-]*\?h=v\d+\.\d+")


def ids(file, known={}):
    if file not in known:
        found = ID.findall(file.read_text(encoding="utf-8"))
        known[file] = {html.unescape(a or b or c) for a, b, c in found}
    return known[file]


def wrong(file, link):
    """What is wrong with a link that stands in file, or None."""
    url = urllib.parse.urlsplit(link)
    if url.scheme or url.netloc:
        if url.scheme != "https" or not HOST.fullmatch(url.netloc) or re.search(r"\s", link):
            return "expected https:// and a host"
        if url.netloc == "git.kernel.org" and not KERNEL.fullmatch(f"{url.path}?{url.query}"):
            return "expected a file of the public tree, at a version"
        return None
    target = (file.parent / urllib.parse.unquote(url.path)).resolve() if url.path else file
    if not target.exists():
        return "there is no such file"
    # rustdoc links to an item that is hidden, too.
    if not url.fragment or target.suffix != ".html" or url.fragment == "tymethod.__pin_data":
        return None
    moved = MOVED.search(target.read_text(encoding="utf-8"))
    if moved:
        return wrong(target, f"{html.unescape(moved[1])}#{url.fragment}")
    # Lines of a source: the first and the last have ids.
    lines = re.fullmatch(r"(\d+)-(\d+)", url.fragment)
    for name in lines.groups() if lines else [url.fragment]:
        # rustdoc escapes some of its ids where they stand.
        if not {name, urllib.parse.unquote(name)} & ids(target):
            return "there is no such id in that file"
    return None


def links(file):
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".html":
        return {html.unescape(a or b) for a, b in LINK.findall(text)}
    return set(MARKDOWN.findall(text))


def check(target, root):
    """The number of links, and a line for each that is wrong."""
    # Above the crates stand rustdoc's own pages: its settings, its help.
    pages = sorted(page for part in ("book", "doc/*") for page in target.glob(f"{part}/**/*.html"))
    # Between the two lie the links that neither Sphinx nor rustdoc checks.
    across = dict.fromkeys(("book", "doc"), 0)
    count, found = 0, []
    for file in pages + sorted(root.glob("*.md")):
        base = target if target in file.parents else root
        for link in sorted(links(file)):
            # rustdoc's own, about itself and its settings.
            if link.startswith("javascript:"):
                continue
            count += 1
            what = wrong(file, link)
            if what:
                found.append(f"{file.relative_to(base)}: {link}: {what}")
            for part, other in ("book", "/doc/"), ("doc", "/book/"):
                across[part] += target / part in file.parents and other in link and link.startswith("../")
    found += [f"no link leads from {part} to the other" for part in across if not across[part]]
    return count, found


PLANTED = {
    "book/a.html": [
        ("../doc/c/b.html", None),
        ("../doc/c/b.html#12-13", None),
        ("../doc/c/b.html#12-14", "there is no such id in that file"),
        ("#a", None),
        ("#b", "there is no such id in that file"),
        ("gone.html", "there is no such file"),
    ],
    "doc/c/b.html": [
        ("../../book/a.html#a", None),
        ("../../book/a.html#b", "there is no such id in that file"),
        ("srctree/include/linux/list.h", "there is no such file"),
        ("https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/lib/a.c?h=v7.3", None),
        ("https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/lib/a.c", "expected a file of"),
        ("https://localhost/", "expected https:// and a host"),
        ("http://example.org/", "expected https:// and a host"),
        ("https://example.org/?a=1&amp;b=2", None),
    ],
}


def self_test():
    with tempfile.TemporaryDirectory() as target:
        target = pathlib.Path(target).resolve()
        (target / "README.md").write_text("[a](doc/c/b.html) [b](doc)\n[c](gone)")
        wanted = [("README.md: gone", "there is no such file")]
        for name, planted in PLANTED.items():
            (target / name).parent.mkdir(parents=True)
            body = "".join(f'<a class="x" href="{link}">' for link, _ in planted)
            (target / name).write_text(f'<p id="a" id="12"><b id=13 id="13">{body}')
            wanted += [(f"{name}: {link}", what) for link, what in planted if what]
        found = check(target, target)[1]
        bad = [line for line in found if not any(line.startswith(": ".join(pair)) for pair in wanted)]
        bad += [": ".join(pair) for pair in wanted if not any(line.startswith(": ".join(pair)) for line in found)]
        for line in bad:
            print(f"links.py: self-test: listed, or not, and should be the other: {line}")
        return int(bool(bad))


def main(target):
    target = pathlib.Path(target).resolve()
    missing = [part for part in ("book", "doc") if not (target / part / "index.html").exists()]
    # rustdoc makes no page above its crates.
    if "book" in missing or not any((target / "doc").glob("*/index.html")):
        print(f"links.py: {target}: expected a book and a reference")
        return 2
    count, found = check(target, pathlib.Path(__file__).resolve().parents[2])
    print("".join(f"{line}\n" for line in found), end="")
    print(f"{count} links, {len(found)} wrong", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: links.py TARGET | --self-test", file=sys.stderr)
        sys.exit(2)
    sys.exit(self_test() if sys.argv[1] == "--self-test" else main(sys.argv[1]))
