// SPDX-License-Identifier: GPL-2.0-only
//! The file in which all buffers are shown.
//!
//! C file mirrored: [`drivers/dma-buf/dma-buf.c`](srctree/drivers/dma-buf/dma-buf.c)

use super::{
    super::{dma_resv_describe, dma_resv_lock, dma_resv_unlock},
    dma_buf, dma_buf_fops,
};
use core::ptr::{addr_of_mut, null_mut};
use kernel::{
    bindings::{
        debug_older_file, debugfs_create_dir, debugfs_create_file, debugfs_remove, dentry, file,
        file_count, file_operations, inode, seq_file, seq_lseek, seq_puts, seq_read, seq_vprintf,
        single_open, single_release, spin_lock_irqsave, spin_unlock_irqrestore, O_ACCMODE,
    },
    error::from_err_ptr,
    ffi::{c_int, c_uint, c_void},
    str::CStrExt as _,
};

/// Part of `f_mode` of these files: opened, seekable, and no one is notified.
const FMODE: c_uint = 1 << 19 | 1 << 2 | 1 << 25;

/// # Safety
///
/// `seq` is a valid file.
unsafe extern "C" fn dma_buf_debug_show(seq: *mut seq_file, _: *mut c_void) -> c_int {
    let (mut count, mut bytes) = (0, 0);
    // SAFETY: There is a reference to each file; `seq` is valid.
    unsafe {
        seq_puts(seq, c"\nDma-buf Objects:\n".as_char_ptr());
        seq_vprintf(
            seq,
            format_args!(
                "{:<8}\t{:<8}\t{:<8}\t{:<8}\texp_name\t{:<8}\tname\n",
                "size", "flags", "mode", "count", "ino"
            ),
        );
        let mut file = debug_older_file(&dma_buf_fops, null_mut());
        while !file.is_null() {
            let this: *mut dma_buf = (*file).private_data.cast();
            dma_resv_lock((*this).resv, null_mut());
            let size = (*this).size;
            let (flags, ino) = ((*file).f_flags, (*this).ino);
            let mode = FMODE | (flags + 1) & O_ACCMODE;
            // One is ours.
            let users = file_count(file) - 1;
            seq_vprintf(
                seq,
                format_args!("{size:08}\t{flags:08x}\t{mode:08x}\t{users:08}\t"),
            );
            seq_puts(seq, (*this).exp_name);
            seq_vprintf(seq, format_args!("\t{ino:08}\t"));
            let irq = spin_lock_irqsave(addr_of_mut!((*this).name_lock));
            let name = (*this).name;
            spin_unlock_irqrestore(addr_of_mut!((*this).name_lock), irq);
            match name[0] {
                0 => seq_puts(seq, c"<none>".as_char_ptr()),
                _ => seq_puts(seq, name.as_ptr().cast()),
            }
            seq_puts(seq, c"\n".as_char_ptr());
            dma_resv_describe((*this).resv, seq);
            seq_puts(seq, c"\tAttached Devices:\n".as_char_ptr());
            dma_resv_unlock((*this).resv);
            seq_puts(seq, c"Total 0 devices attached\n\n".as_char_ptr());
            count += 1;
            bytes += size;
            file = debug_older_file(&dma_buf_fops, file);
        }
        seq_vprintf(
            seq,
            format_args!("\nTotal {count} objects, {bytes} bytes\n"),
        );
    }
    0
}

/// # Safety
///
/// The file is being opened.
unsafe extern "C" fn dma_buf_debug_open(inode: *mut inode, file: *mut file) -> c_int {
    // SAFETY: The caller's guarantee.
    unsafe { single_open(file, Some(dma_buf_debug_show), (*inode).i_private) }
}

static dma_buf_debug_fops: file_operations = file_operations {
    open: Some(dma_buf_debug_open),
    read: Some(seq_read),
    llseek: Some(seq_lseek),
    release: Some(single_release),
    ..file_operations::NONE
};

/// Makes `dma_buf/bufinfo`; returns the directory, or an error pointer. May sleep.
///
/// C: called once, at boot; here for each machine that wants it.
#[track_caller]
pub unsafe fn dma_buf_init_debugfs() -> *mut dentry {
    // SAFETY: The directory is ours; the functions are static, and need no data.
    unsafe {
        let dir = debugfs_create_dir(c"dma_buf".as_char_ptr(), null_mut());
        let name = c"bufinfo".as_char_ptr();
        let file = debugfs_create_file(name, 0o444, dir, null_mut(), &dma_buf_debug_fops);
        if from_err_ptr(file).is_err() {
            debugfs_remove(dir);
            return file;
        }
        dir
    }
}

/// Removes what [`dma_buf_init_debugfs`] has made. May sleep.
///
/// # Safety
///
/// It is not used any more.
#[track_caller]
pub unsafe fn dma_buf_uninit_debugfs(dir: *mut dentry) {
    // SAFETY: The caller's guarantee.
    unsafe { debugfs_remove(dir) }
}
