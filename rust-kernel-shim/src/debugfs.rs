// SPDX-License-Identifier: GPL-2.0-only

//! debugfs: files in which drivers show what they know.
//!
//! C header: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h).
//!
//! Where a file or directory cannot be made, for want of memory, since there is one or for a `/` in its
//! name, there is none, and its maker goes on; as in the kernel. Binary files are not there yet.

mod entry;
mod file_ops;
mod traits;

pub use self::traits::{Reader, Writer};

use self::{
    entry::Entry,
    file_ops::{FileOps, ReadFile as _, ReadWriteFile as _, Shown, Told, WriteFile as _},
};
use crate::{fmt, prelude::*, str::CStr, sync::Arc, uaccess::UserSliceReader};
use core::{
    marker::{PhantomData, PhantomPinned},
    mem::{forget, ManuallyDrop},
    ops::Deref,
};

/// A directory, which goes with the last of this, its clones and what is in it.
#[derive(Clone)]
pub struct Dir(Option<Arc<Entry<'static>>>);

impl Dir {
    /// Makes a directory at the top. May sleep.
    #[doc(alias = "debugfs_create_dir")]
    pub fn new(name: &CStr) -> Self {
        Self(Arc::new(Entry::dir(name, None), GFP_KERNEL).ok())
    }

    /// Makes a directory in this one. May sleep.
    pub fn subdir(&self, name: &CStr) -> Self {
        let Some(parent) = &self.0 else {
            return Self(None);
        };
        Self(Arc::new(Entry::dir(name, Some(parent.clone())), GFP_KERNEL).ok())
    }

    fn create_file<'a, T: Sync + 'static, E: 'a>(
        &'a self,
        name: &'a CStr,
        data: impl PinInit<T, E> + 'a,
        ops: &'static FileOps<T>,
    ) -> impl PinInit<File<T>, E> + 'a {
        let scope = Scope::new(data, move |data: &T| match &self.0 {
            // SAFETY: A scope drops the entry before the data.
            Some(parent) => unsafe { Entry::owned_file(name, parent.clone(), data, ops) },
            None => Entry::empty(),
        });
        try_pin_init!(File { scope <- scope } ? E)
    }

    /// Makes a file that shows what its data writes. May sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{debugfs::Dir, prelude::*, testing::user::read_file};
    ///
    /// let dir = Dir::new(c"read-only");
    /// let file = KBox::pin_init(dir.read_only_file(c"number", 7), GFP_KERNEL)?;
    /// assert_eq!(&read_file(c"/sys/kernel/debug/read-only/number")?[..], b"7\n");
    /// drop(file);
    /// assert!(read_file(c"/sys/kernel/debug/read-only/number").is_err());
    /// # Ok::<(), Error>(())
    /// ```
    #[doc(alias = "debugfs_create_file")]
    pub fn read_only_file<'a, T, E: 'a>(
        &'a self,
        name: &'a CStr,
        data: impl PinInit<T, E> + 'a,
    ) -> impl PinInit<File<T>, E> + 'a
    where
        T: Writer + Send + Sync + 'static,
    {
        self.create_file(name, data, &Shown::<T>::READ)
    }

    /// As [`read_only_file`](Self::read_only_file), with what `f` writes of the data. `f` is a
    /// function, or a closure that captures nothing. May sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{
    ///     debugfs::Dir,
    ///     prelude::*,
    ///     sync::atomic::{Atomic, Relaxed},
    ///     testing::user::read_file,
    /// };
    ///
    /// let dir = Dir::new(c"callback");
    /// let file = KBox::pin_init(
    ///     dir.read_callback_file(c"hex", Atomic::<u32>::new(3), &|n, f| {
    ///         writeln!(f, "{:#x}", n.load(Relaxed))
    ///     }),
    ///     GFP_KERNEL,
    /// )?;
    /// file.store(10, Relaxed);
    /// assert_eq!(&read_file(c"/sys/kernel/debug/callback/hex")?[..], b"0xa\n");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn read_callback_file<'a, T, E: 'a, F>(
        &'a self,
        name: &'a CStr,
        data: impl PinInit<T, E> + 'a,
        _f: &'static F,
    ) -> impl PinInit<File<T>, E> + 'a
    where
        T: Send + Sync + 'static,
        F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync,
    {
        self.create_file(name, data, &Told::<T, F, ()>::READ)
    }

    /// Makes a file that shows what its data writes, and has it read what is written. May sleep.
    pub fn read_write_file<'a, T, E: 'a>(
        &'a self,
        name: &'a CStr,
        data: impl PinInit<T, E> + 'a,
    ) -> impl PinInit<File<T>, E> + 'a
    where
        T: Writer + Reader + Send + Sync + 'static,
    {
        self.create_file(name, data, &Shown::<T>::READ_WRITE)
    }

    /// As [`read_write_file`](Self::read_write_file), with two functions. May sleep.
    pub fn read_write_callback_file<'a, T, E: 'a, F, W>(
        &'a self,
        name: &'a CStr,
        data: impl PinInit<T, E> + 'a,
        _f: &'static F,
        _w: &'static W,
    ) -> impl PinInit<File<T>, E> + 'a
    where
        T: Send + Sync + 'static,
        F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync,
        W: Fn(&T, &mut UserSliceReader) -> Result + Send + Sync,
    {
        self.create_file(name, data, &Told::<T, F, W>::READ_WRITE)
    }

    /// Makes a file whose data reads what is written to it. May sleep.
    pub fn write_only_file<'a, T, E: 'a>(
        &'a self,
        name: &'a CStr,
        data: impl PinInit<T, E> + 'a,
    ) -> impl PinInit<File<T>, E> + 'a
    where
        T: Reader + Send + Sync + 'static,
    {
        self.create_file(name, data, &Shown::<T>::WRITE)
    }

    /// As [`write_only_file`](Self::write_only_file), with a function. May sleep.
    pub fn write_callback_file<'a, T, E: 'a, W>(
        &'a self,
        name: &'a CStr,
        data: impl PinInit<T, E> + 'a,
        _w: &'static W,
    ) -> impl PinInit<File<T>, E> + 'a
    where
        T: Send + Sync + 'static,
        W: Fn(&T, &mut UserSliceReader) -> Result + Send + Sync,
    {
        self.create_file(name, data, &Told::<T, (), W>::WRITE)
    }

    /// Makes a directory in this one that belongs to some data, and has `init` fill it with files
    /// that show parts of that. May sleep.
    pub fn scope<'a, T: 'static, E: 'a, F>(
        &'a self,
        data: impl PinInit<T, E> + 'a,
        name: &'a CStr,
        init: F,
    ) -> impl PinInit<Scope<T>, E> + 'a
    where
        F: for<'data, 'dir> FnOnce(&'data T, &'dir ScopedDir<'data, 'dir>) + 'a,
    {
        Scope::new(data, move |data| match &self.0 {
            Some(parent) => ScopedDir::fill(Entry::dir(name, Some(parent.clone())), data, init),
            None => Entry::empty(),
        })
    }
}

/// Data, and the directory or file that shows it, which goes first.
#[pin_data]
pub struct Scope<T> {
    // Dropped first: after that no call is in the data.
    entry: Entry<'static>,
    #[pin]
    data: T,
    #[pin]
    _pin: PhantomPinned,
}

// A scope that is forgotten leaves its files, which show the data forever: so that borrows nothing.
impl<T: 'static> Scope<T> {
    fn new<'a, E: 'a, F>(data: impl PinInit<T, E> + 'a, init: F) -> impl PinInit<Self, E> + 'a
    where
        F: for<'b> FnOnce(&'b T) -> Entry<'static> + 'a,
    {
        try_pin_init!(Self {
            entry: Entry::empty(),
            data <- data,
            _pin: PhantomPinned,
        } ? E)
        .pin_chain(|scope| {
            let entry = init(&scope.data);
            // SAFETY: The entry is not pinned, and nothing is moved out of the rest.
            unsafe { scope.get_unchecked_mut() }.entry = entry;
            Ok(())
        })
    }

    /// Makes a directory at the top that belongs to some data, as [`Dir::scope`]. May sleep.
    pub fn dir<'a, E: 'a, F>(
        data: impl PinInit<T, E> + 'a,
        name: &'a CStr,
        init: F,
    ) -> impl PinInit<Self, E> + 'a
    where
        F: for<'data, 'dir> FnOnce(&'data T, &'dir ScopedDir<'data, 'dir>) + 'a,
    {
        Scope::new(data, move |data| {
            ScopedDir::fill(Entry::dir(name, None), data, init)
        })
    }
}

impl<T> Deref for Scope<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

/// A file and its data; dropping it removes the file, and waits for the calls that are in it.
#[pin_data]
pub struct File<T> {
    #[pin]
    scope: Scope<T>,
}

impl<T> Deref for File<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.scope
    }
}

/// A directory that lasts as long as a [`Scope`], whose files show what lives for `'data`.
///
/// Dropping it removes nothing.
pub struct ScopedDir<'data, 'dir> {
    entry: ManuallyDrop<Entry<'dir>>,
    _data: PhantomData<fn(&'data ()) -> &'dir ()>,
}

impl<'data, 'dir> ScopedDir<'data, 'dir> {
    fn fill<T>(
        entry: Entry<'static>,
        data: &T,
        init: impl for<'b, 'c> FnOnce(&'b T, &'c ScopedDir<'b, 'c>),
    ) -> Entry<'static> {
        // If `init` panics, the entry is dropped, and then the data.
        let dir = ScopedDir {
            entry: entry.borrowed(),
            _data: PhantomData,
        };
        init(data, &dir);
        entry
    }

    /// Makes a directory in this one. May sleep.
    pub fn dir<'dir2>(&'dir2 self, name: &CStr) -> ScopedDir<'data, 'dir2> {
        ScopedDir {
            entry: ManuallyDrop::new(Entry::dir_in(name, &self.entry)),
            _data: PhantomData,
        }
    }

    fn create_file<T: Sync>(&self, name: &CStr, data: &'data T, ops: &'static FileOps<T>) {
        // Removed with the directory of the scope.
        forget(Entry::file(name, &self.entry, data, ops));
    }

    /// As [`Dir::read_only_file`], for data of the scope. May sleep.
    pub fn read_only_file<T: Writer + Send + Sync + 'static>(&self, name: &CStr, data: &'data T) {
        self.create_file(name, data, &Shown::<T>::READ);
    }

    /// As [`Dir::read_callback_file`], for data of the scope. May sleep.
    pub fn read_callback_file<T, F>(&self, name: &CStr, data: &'data T, _f: &'static F)
    where
        T: Send + Sync + 'static,
        F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync,
    {
        self.create_file(name, data, &Told::<T, F, ()>::READ);
    }

    /// As [`Dir::read_write_file`], for data of the scope. May sleep.
    pub fn read_write_file<T: Writer + Reader + Send + Sync + 'static>(
        &self,
        name: &CStr,
        data: &'data T,
    ) {
        self.create_file(name, data, &Shown::<T>::READ_WRITE);
    }

    /// As [`Dir::read_write_callback_file`], for data of the scope. May sleep.
    pub fn read_write_callback_file<T, F, W>(
        &self,
        name: &CStr,
        data: &'data T,
        _f: &'static F,
        _w: &'static W,
    ) where
        T: Send + Sync + 'static,
        F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync,
        W: Fn(&T, &mut UserSliceReader) -> Result + Send + Sync,
    {
        self.create_file(name, data, &Told::<T, F, W>::READ_WRITE);
    }

    /// As [`Dir::write_only_file`], for data of the scope. May sleep.
    pub fn write_only_file<T: Reader + Send + Sync + 'static>(&self, name: &CStr, data: &'data T) {
        self.create_file(name, data, &Shown::<T>::WRITE);
    }

    /// As [`Dir::write_callback_file`], for data of the scope. May sleep.
    pub fn write_only_callback_file<T, W>(&self, name: &CStr, data: &'data T, _w: &'static W)
    where
        T: Send + Sync + 'static,
        W: Fn(&T, &mut UserSliceReader) -> Result + Send + Sync,
    {
        self.create_file(name, data, &Told::<T, (), W>::WRITE);
    }
}
