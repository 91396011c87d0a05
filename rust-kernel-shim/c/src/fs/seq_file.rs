// SPDX-License-Identifier: GPL-2.0-only
//! Files whose text a function writes in one go.
//!
//! C header: [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h)

use super::file::{file, inode, loff_t, SEEK_CUR, SEEK_SET};
use crate::{
    copy_to_user,
    ffi::{c_char, c_int, c_void},
    kfree, kmalloc_obj, krealloc_node_align, seq_file, EFAULT, EINVAL, ENOMEM, GFP_KERNEL,
    NUMA_NO_NODE, PAGE_SIZE,
};
use core::ptr::{addr_of_mut, null, null_mut};

/// What is written of an object.
pub type seq_show = Option<unsafe extern "C" fn(seq: *mut seq_file, v: *mut c_void) -> c_int>;

/// The state of an open file: first, what its function sees.
#[repr(C)]
struct single {
    seq: seq_file,
    show: seq_show,
    /// The text was written; what a reader has not got yet begins at `from`.
    shown: bool,
    from: usize,
}

/// Opens a file whose text `show` writes, of `data`: 0, or -ENOMEM. May sleep.
///
/// # Safety
///
/// The file is being opened; `show` can be called as long as it is open.
#[track_caller]
pub unsafe fn single_open(file: *mut file, show: seq_show, data: *mut c_void) -> c_int {
    // SAFETY: The file is valid; the memory is ours.
    unsafe {
        let this: *mut single = kmalloc_obj(GFP_KERNEL);
        if this.is_null() {
            return -ENOMEM.cast_signed();
        }
        this.write(single {
            seq: seq_file {
                buf: null_mut(),
                size: 0,
                count: 0,
                private: data,
            },
            show,
            shown: false,
            from: 0,
        });
        (*file).private_data = this.cast();
        0
    }
}

/// Writes the text into a buffer that is large enough for it: 0, or an error.
///
/// # Safety
///
/// `this` is that of an open file, and this call's alone.
unsafe fn show(this: *mut single) -> c_int {
    // SAFETY: The caller's guarantee; the buffer is the file's.
    unsafe {
        let seq = addr_of_mut!((*this).seq);
        let mut size = (*seq).size.max(PAGE_SIZE);
        loop {
            if (*seq).buf.is_null() {
                let buf = krealloc_node_align(null(), size, 1, GFP_KERNEL, NUMA_NO_NODE);
                if buf.is_null() {
                    return -ENOMEM.cast_signed();
                }
                ((*seq).buf, (*seq).size) = (buf.cast(), size);
            }
            (*seq).count = 0;
            let result = (*this).show.map_or(0, |show| show(seq, null_mut()));
            if result < 0 {
                return result;
            }
            if (*seq).count < (*seq).size {
                return 0;
            }
            kfree((*seq).buf.cast());
            (*seq).buf = null_mut();
            size *= 2;
        }
    }
}

/// Reads: the text is written when the first of it is read. May sleep.
///
/// # Safety
///
/// The file was opened with [`single_open`]; this is the only call that reads or moves it; `pos` is
/// valid.
pub unsafe extern "C" fn seq_read(
    file: *mut file,
    buf: *mut c_char,
    count: usize,
    pos: *mut loff_t,
) -> isize {
    // SAFETY: The caller's guarantees.
    unsafe {
        let this: *mut single = (*file).private_data.cast();
        if !(*this).shown {
            let result = show(this);
            if result != 0 {
                return result as isize;
            }
            (*this).shown = true;
        }
        let left = (*this).seq.count.saturating_sub((*this).from);
        let count = count.min(left);
        if count == 0 {
            return 0;
        }
        let text = (*this).seq.buf.add((*this).from);
        if copy_to_user(buf.cast(), text.cast(), count) != 0 {
            return -(EFAULT as isize);
        }
        (*this).from += count;
        *pos += count as loff_t;
        count as isize
    }
}

/// Moves: at the beginning the text is written anew. May sleep.
///
/// # Safety
///
/// As [`seq_read`].
pub unsafe extern "C" fn seq_lseek(file: *mut file, offset: loff_t, whence: c_int) -> loff_t {
    // SAFETY: The caller's guarantees.
    unsafe {
        let to = match whence {
            SEEK_SET => Some(offset),
            SEEK_CUR => (*file).f_pos.checked_add(offset),
            _ => None,
        };
        let Some(to) = to.filter(|&to| to >= 0) else {
            return -loff_t::from(EINVAL);
        };
        let this: *mut single = (*file).private_data.cast();
        (*this).shown &= to != 0;
        (*this).from = usize::try_from(to).unwrap_or(usize::MAX);
        (*file).f_pos = to;
        to
    }
}

/// Closes what [`single_open`] has opened.
pub unsafe extern "C" fn single_release(_inode: *mut inode, file: *mut file) -> c_int {
    // SAFETY: The file is not used any more: the caller's guarantee.
    unsafe {
        let this: *mut single = (*file).private_data.cast();
        kfree((*this).seq.buf.cast());
        kfree(this.cast());
    }
    0
}
