// SPDX-License-Identifier: GPL-2.0-only
//! Red-black trees, linked through their members.
//!
//! C header: [`include/linux/rbtree.h`](srctree/include/linux/rbtree.h); C file: [`lib/rbtree.c`](srctree/lib/rbtree.c).
//!
//! No red node has a red child, and all ways from the root to where a child is missing have as many
//! black nodes; so none is more than twice as long as another. A missing child counts as black.
//!
//! # Safety
//!
//! The nodes that a root leads to are valid, and change in no other way during a call; where the tree
//! is changed, nothing else looks at it either.

use core::{
    cell::Cell,
    ptr::{null_mut, NonNull},
};

machine::per_thread! {
    static VISITED: Cell<u64> = Cell::new(0);
}

/// How many nodes of trees this thread has looked at in a debug kernel, for tests of what that costs.
pub fn rb_visited() -> u64 {
    VISITED.get()
}

/// A node is looked at.
#[inline]
pub fn rb_visits() {
    if cfg!(feature = "debug") {
        VISITED.set(VISITED.get() + 1);
    }
}

/// What a tree is linked through.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rb_node {
    /// The parent, and in the lowest bit whether the node is black. In C a number, of the same size;
    /// here it keeps what a pointer has beyond its address.
    pub __rb_parent_color: *mut rb_node,
    /// The child with those that come after.
    pub rb_right: *mut rb_node,
    /// The child with those that come before.
    pub rb_left: *mut rb_node,
}

/// A tree.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rb_root {
    /// The node without a parent; null if there is no node.
    pub rb_node: *mut rb_node,
}

impl Default for rb_node {
    fn default() -> Self {
        rb_node {
            __rb_parent_color: null_mut(),
            rb_right: null_mut(),
            rb_left: null_mut(),
        }
    }
}

impl Default for rb_root {
    fn default() -> Self {
        rb_root {
            rb_node: null_mut(),
        }
    }
}

const BLACK: usize = 1;

/// Which of two children.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Left,
    Right,
}

use Side::{Left, Right};

impl Side {
    fn other(self) -> Side {
        match self {
            Left => Right,
            Right => Left,
        }
    }
}

/// Where the child is linked.
///
/// # Safety
///
/// `node` is valid.
unsafe fn link(node: *mut rb_node, side: Side) -> *mut *mut rb_node {
    // SAFETY: `node` is valid: the caller's guarantee.
    unsafe {
        match side {
            Left => &raw mut (*node).rb_left,
            Right => &raw mut (*node).rb_right,
        }
    }
}

/// # Safety
///
/// `node` is valid.
unsafe fn child(node: *const rb_node, side: Side) -> *mut rb_node {
    rb_visits();
    // SAFETY: `node` is valid: the caller's guarantee.
    unsafe { *link(node.cast_mut(), side) }
}

/// # Safety
///
/// `node` is valid.
unsafe fn parent(node: *const rb_node) -> *mut rb_node {
    // SAFETY: `node` is valid: the caller's guarantee.
    unsafe { (*node).__rb_parent_color.map_addr(|addr| addr & !BLACK) }
}

/// # Safety
///
/// `node` is valid or null.
unsafe fn is_black(node: *const rb_node) -> bool {
    // SAFETY: `node` is valid if it is not null: the caller's guarantee.
    node.is_null() || unsafe { (*node).__rb_parent_color }.addr() & BLACK != 0
}

/// # Safety
///
/// `node` is valid.
unsafe fn set_black(node: *mut rb_node, black: bool) {
    // SAFETY: `node` is valid: the caller's guarantee.
    unsafe {
        (*node).__rb_parent_color = parent(node).map_addr(|addr| addr | usize::from(black));
    }
}

/// # Safety
///
/// `node` is valid or null.
unsafe fn set_parent(node: *mut rb_node, parent: *mut rb_node) {
    if !node.is_null() {
        // SAFETY: `node` is valid: the caller's guarantee.
        unsafe {
            let black = usize::from(is_black(node));
            (*node).__rb_parent_color = parent.map_addr(|addr| addr | black);
        }
    }
}

/// The side of its parent that `node` is on; if it is null, that which has no child.
///
/// # Safety
///
/// `parent` is valid.
unsafe fn side(node: *const rb_node, parent: *const rb_node) -> Side {
    // SAFETY: `parent` is valid: the caller's guarantee.
    if core::ptr::eq(unsafe { (*parent).rb_left }, node) {
        Left
    } else {
        Right
    }
}

/// Puts `new`, which may be null, where `old` is linked.
///
/// # Safety
///
/// `old` is a child of `parent`, or the root if that is null.
unsafe fn put(old: *const rb_node, new: *mut rb_node, parent: *mut rb_node, root: *mut rb_root) {
    // SAFETY: All are of one tree, or null: the caller's guarantee.
    unsafe {
        if parent.is_null() {
            (*root).rb_node = new;
        } else {
            *link(parent, side(old, parent)) = new;
        }
        set_parent(new, parent);
    }
}

/// Moves `node` down to the `down` side; its other child comes into its place.
///
/// # Safety
///
/// `node` is in the tree, with a child on the other side.
unsafe fn rotate(node: *mut rb_node, down: Side, root: *mut rb_root) {
    // SAFETY: `node` and `up` are in the tree: the caller's guarantee. `between` is, or null.
    unsafe {
        let up = child(node, down.other());
        let between = child(up, down);
        put(node, up, parent(node), root);
        *link(up, down) = node;
        set_parent(node, up);
        *link(node, down.other()) = between;
        set_parent(between, node);
    }
}

/// Links a new, red node below `parent`; [`rb_insert_color`] comes next.
///
/// # Safety
///
/// `rb_link` is the null link of `parent` that `node` belongs to, or that of the root if there is no
/// parent.
#[inline]
pub unsafe fn rb_link_node(node: *mut rb_node, parent: *mut rb_node, rb_link: *mut *mut rb_node) {
    // SAFETY: `node` is valid for writes, and so is the link: the caller's guarantees.
    unsafe {
        *node = rb_node {
            __rb_parent_color: parent,
            ..rb_node::default()
        };
        *rb_link = node;
    }
}

/// Balances the tree after [`rb_link_node`].
pub unsafe fn rb_insert_color(mut node: *mut rb_node, root: *mut rb_root) {
    // SAFETY: `node` and those around it are of the tree. A red node has a parent, since the root is
    // black but for a new one; and a child on the side of the rotation, as looked up before.
    unsafe {
        loop {
            let mut above = parent(node);
            if above.is_null() {
                return set_black(node, true);
            }
            if is_black(above) {
                return;
            }
            let top = parent(above);
            let at = side(above, top);
            let uncle = child(top, at.other());
            if is_black(uncle) {
                // From the inside to the outside, and from there up.
                if side(node, above) != at {
                    rotate(above, at, root);
                    above = node;
                }
                set_black(above, true);
                set_black(top, false);
                return rotate(top, at.other(), root);
            }
            set_black(above, true);
            set_black(uncle, true);
            set_black(top, false);
            node = top;
        }
    }
}

/// Takes a node out of its tree; its links are of no meaning any more.
pub unsafe fn rb_erase(node: *mut rb_node, root: *mut rb_root) {
    // SAFETY: `node` is in the tree: the caller's guarantee. The children that are looked into are
    // not null.
    unsafe {
        let rb_node {
            rb_left, rb_right, ..
        } = *node;
        // What is one black node shorter now, if a black one went, and where that is linked.
        let (short, above, black);
        if rb_left.is_null() || rb_right.is_null() {
            short = if rb_left.is_null() { rb_right } else { rb_left };
            (above, black) = (parent(node), is_black(node));
            put(node, short, above, root);
        } else {
            // The next one takes its place and colour; it has no left child.
            let next = edge(rb_right, Left);
            (short, black) = ((*next).rb_right, is_black(next));
            above = if next == rb_right { next } else { parent(next) };
            put(next, short, parent(next), root);
            *next = *node;
            put(node, next, parent(node), root);
            set_parent(rb_left, next);
            // Null if it was `next` alone.
            set_parent((*next).rb_right, next);
        }
        if black {
            lengthen(short, above, root);
        }
    }
}

/// Makes up for a black node that is missing on the ways through `short`, a child of `above`.
///
/// # Safety
///
/// As [`rb_erase`]; `short` is null if there is no child, and the only child that is missing, since
/// the ways through the other have one black node more.
unsafe fn lengthen(mut short: *mut rb_node, mut above: *mut rb_node, root: *mut rb_root) {
    // SAFETY: All are of the tree, or null where they are looked up. `other` has a black node more
    // below it than `short`, so it is not null, and neither are its children if it is red.
    unsafe {
        while is_black(short) && !above.is_null() {
            let at = side(short, above);
            let mut other = child(above, at.other());
            if !is_black(other) {
                set_black(other, true);
                set_black(above, false);
                rotate(above, at, root);
                other = child(above, at.other());
            }
            if is_black(child(other, Left)) && is_black(child(other, Right)) {
                set_black(other, false);
                (short, above) = (above, parent(above));
                continue;
            }
            if is_black(child(other, at.other())) {
                set_black(child(other, at), true);
                set_black(other, false);
                rotate(other, at.other(), root);
                other = child(above, at.other());
            }
            set_black(other, is_black(above));
            set_black(above, true);
            set_black(child(other, at.other()), true);
            return rotate(above, at, root);
        }
        if !short.is_null() {
            set_black(short, true);
        }
    }
}

/// Puts `new`, which need not be initialised, into the place of `victim`.
///
/// # Safety
///
/// `victim` is in the tree, and `new` compares like it.
pub unsafe fn rb_replace_node(victim: *mut rb_node, new: *mut rb_node, root: *mut rb_root) {
    // SAFETY: The neighbours of `victim` are in the tree, or null: the caller's guarantee.
    unsafe {
        *new = *victim;
        put(victim, new, parent(victim), root);
        set_parent((*new).rb_left, new);
        set_parent((*new).rb_right, new);
    }
}

/// The last node on the way to one side.
///
/// # Safety
///
/// `node` is valid.
unsafe fn edge(mut node: *mut rb_node, to: Side) -> *mut rb_node {
    // SAFETY: `node` is valid: the caller's guarantee, and then looked up.
    while let Some(next) = NonNull::new(unsafe { child(node, to) }) {
        node = next.as_ptr();
    }
    node
}

/// # Safety
///
/// `root` is valid.
unsafe fn end(root: *const rb_root, to: Side) -> *mut rb_node {
    // SAFETY: `root` is valid: the caller's guarantee.
    let top = unsafe { (*root).rb_node };
    if top.is_null() {
        return top;
    }
    // SAFETY: Not null, so a node of the tree.
    unsafe { edge(top, to) }
}

/// # Safety
///
/// `node` is in a tree.
unsafe fn neighbour(node: *const rb_node, to: Side) -> *mut rb_node {
    // SAFETY: `node` is in a tree: the caller's guarantee; and so are those looked up, if not null.
    unsafe {
        let below = child(node, to);
        if !below.is_null() {
            return edge(below, to.other());
        }
        let (mut node, mut above) = (node, parent(node));
        while !above.is_null() && side(node, above) == to {
            (node, above) = (above.cast_const(), parent(above));
        }
        above
    }
}

/// Returns the first node in order; null if there is none.
pub unsafe fn rb_first(root: *const rb_root) -> *mut rb_node {
    // SAFETY: `root` is valid: the caller's guarantee.
    unsafe { end(root, Left) }
}

/// Returns the last node in order; null if there is none.
pub unsafe fn rb_last(root: *const rb_root) -> *mut rb_node {
    // SAFETY: `root` is valid: the caller's guarantee.
    unsafe { end(root, Right) }
}

/// Returns the node after `node`; null if there is none.
pub unsafe fn rb_next(node: *const rb_node) -> *mut rb_node {
    // SAFETY: `node` is in a tree: the caller's guarantee.
    unsafe { neighbour(node, Right) }
}

/// Returns the node before `node`; null if there is none.
pub unsafe fn rb_prev(node: *const rb_node) -> *mut rb_node {
    // SAFETY: `node` is in a tree: the caller's guarantee.
    unsafe { neighbour(node, Left) }
}

/// The first node at or below `node` that has no child.
///
/// # Safety
///
/// `node` is in a tree.
unsafe fn deepest(mut node: *mut rb_node) -> *mut rb_node {
    loop {
        // SAFETY: `node` is in a tree: the caller's guarantee, and then looked up.
        let rb_node {
            rb_left, rb_right, ..
        } = unsafe { *node };
        match (rb_left.is_null(), rb_right.is_null()) {
            (false, _) => node = rb_left,
            (true, false) => node = rb_right,
            (true, true) => return node,
        }
    }
}

/// Returns the first node of an order in which all come after their children; null if there is none.
pub unsafe fn rb_first_postorder(root: *const rb_root) -> *mut rb_node {
    // SAFETY: `root` is valid: the caller's guarantee.
    let top = unsafe { (*root).rb_node };
    if top.is_null() {
        return top;
    }
    // SAFETY: Not null, so a node of the tree.
    unsafe { deepest(top) }
}

/// Returns the next node of an order in which all come after their children; null if there is none.
///
/// Does not look at those that come before `node`, which may be gone.
pub unsafe fn rb_next_postorder(node: *const rb_node) -> *mut rb_node {
    // SAFETY: `node` is in a tree: the caller's guarantee; and so are those looked up, if not null.
    unsafe {
        let above = parent(node);
        if above.is_null() || side(node, above) == Right || (*above).rb_right.is_null() {
            return above;
        }
        deepest((*above).rb_right)
    }
}
