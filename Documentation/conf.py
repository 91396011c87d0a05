# SPDX-License-Identifier: GPL-2.0-only
#
# How Sphinx makes the book; scripts/docs calls it.

import os
import shutil

from docutils import nodes

project = "dma-fence"
copyright = "the authors of dma-fence, GPL-2.0-only"
extensions = ["sphinx.ext.graphviz"]
graphviz_output_format = "svg"
highlight_language = "none"

html_theme = "alabaster"
html_theme_options = {"fixed_sidebar": True, "page_width": "66em", "show_powered_by": False}
html_sidebars = {"**": ["localtoc.html", "globaltoc.html", "searchbox.html"]}
html_copy_source = False
html_show_sphinx = False


def patches_start_at_the_repository(app, doctree):
    """A patch that literalinclude shows names its files from the root of this machine."""
    root = os.path.dirname(os.path.abspath(app.srcdir)) + os.sep
    for block in doctree.findall(nodes.literal_block):
        lines = block.astext().split("\n")
        if not lines[0].startswith("--- "):
            continue
        for at in range(2):
            mark, path = lines[at][:4], lines[at][4:].strip()
            lines[at] = mark + os.path.relpath(os.path.join(app.srcdir, path), root)
        block.clear()
        block += nodes.Text("\n".join(lines))
        block.rawsource = block.astext()


def setup(app):
    # Pictures are shown as text where nothing can draw them.
    if shutil.which("dot"):
        app.tags.add("dot")
    app.connect("doctree-read", patches_start_at_the_repository)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
