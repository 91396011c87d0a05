// SPDX-License-Identifier: GPL-2.0-only
//! Locks and keys, as they are handed in.
//!
//! C header: [`include/linux/lockdep_types.h`](srctree/include/linux/lockdep_types.h)

use core::{
    ffi::{c_void, CStr},
    ptr,
    sync::atomic::{AtomicPtr, AtomicU8, Ordering::Relaxed},
};

/// Subclasses of a class.
pub const MAX_LOCKDEP_SUBCLASSES: u8 = 8;

/// Takes no part in the check of wait types.
pub const LD_WAIT_INV: u8 = 0;
/// Waits for nothing.
pub const LD_WAIT_FREE: u8 = 1;
/// Spins: a raw spinlock.
pub const LD_WAIT_SPIN: u8 = 2;
/// Spins, but sleeps where locks are preemptible: a spinlock.
pub const LD_WAIT_CONFIG: u8 = 3;
/// Sleeps: a mutex.
pub const LD_WAIT_SLEEP: u8 = 4;
/// More than any lock.
pub const LD_WAIT_MAX: u8 = 5;

/// A lock.
pub const LD_LOCK_NORMAL: u8 = 0;
/// A lock that each CPU has its own of: in no deadlock by interrupts.
pub const LD_LOCK_PERCPU: u8 = 1;
/// No lock: sets what may be waited for inside.
pub const LD_LOCK_WAIT_OVERRIDE: u8 = 2;
/// No lock, but what happens once and is waited for: its holder is the task that has it happen, and
/// its taker one that waits. Linux has none.
pub const LD_LOCK_EVENT: u8 = 3;

/// The address of one, and those of the next seven bytes for its subclasses, name a class.
#[repr(C)]
pub struct lock_class_key {
    space: [usize; 2],
}

impl lock_class_key {
    /// A key.
    pub const fn new() -> Self {
        Self { space: [0; 2] }
    }
}

impl Default for lock_class_key {
    fn default() -> Self {
        Self::new()
    }
}

/// Locks with this key are held, and no more is looked at.
pub static __lockdep_no_validate__: lock_class_key = lock_class_key::new();

/// The name of a class: null, or a string that ends with a NUL and lives as long as the class.
#[derive(Clone, Copy, Debug)]
pub struct Name(*const u8);

// SAFETY: It is read only.
unsafe impl Send for Name {}
// SAFETY: It is read only.
unsafe impl Sync for Name {}

impl Name {
    /// A literal.
    pub const fn new(name: &'static CStr) -> Self {
        Self(name.to_bytes_with_nul().as_ptr())
    }

    /// A name of C's.
    ///
    /// # Safety
    ///
    /// It is null, or ends with a NUL and lives until [`Engine::free_key_range`] is called for its
    /// memory, or for that of the key of each class that has it.
    ///
    /// [`Engine::free_key_range`]: crate::Engine::free_key_range
    pub const unsafe fn from_ptr(name: *const u8) -> Self {
        Self(name)
    }

    pub(crate) fn addr(self) -> usize {
        self.0.addr()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        if self.0.is_null() {
            return b"(null)";
        }
        let mut length = 0;
        // SAFETY: There is a NUL at the end, and this is not behind it: the type's invariant.
        while unsafe { *self.0.add(length) } != 0 {
            length += 1;
        }
        // SAFETY: Those were read above.
        unsafe { core::slice::from_raw_parts(self.0, length) }
    }
}

/// A lock for one call: where it is, and of which class.
#[derive(Clone, Copy, Debug)]
pub struct Lock {
    /// Its address: that by which it is released.
    pub instance: usize,
    /// The address of its class's key.
    pub key: usize,
    /// Its class's name.
    pub name: Name,
    /// `LD_WAIT_*`: as what it counts for locks taken inside.
    pub inner: u8,
    /// As what it counts when it is taken; as `inner` if that is [`LD_WAIT_INV`].
    pub outer: u8,
    /// `LD_LOCK_*`.
    pub lock_type: u8,
    /// The subclass if none is named when it is taken.
    pub subclass: u8,
}

/// What C has beside each lock. It may be copied, moved and overwritten between two calls.
#[repr(C)]
#[derive(Debug)]
pub struct lockdep_map {
    /// If it is null, its own address becomes the key at its first use.
    key: AtomicPtr<lock_class_key>,
    /// C's: a look-up is fast enough without.
    class_cache: [AtomicPtr<c_void>; 2],
    name: AtomicPtr<u8>,
    wait_type_outer: AtomicU8,
    wait_type_inner: AtomicU8,
    lock_type: AtomicU8,
    /// In what is padding in C.
    subclass: AtomicU8,
}

const _: () = assert!(size_of::<lockdep_map>() == 40 && size_of::<lock_class_key>() == 16);

impl lockdep_map {
    /// The map of a lock. If there is no key, its address must not change from its first use on.
    pub const fn new(
        name: Name,
        key: Option<&'static lock_class_key>,
        inner: u8,
        outer: u8,
        lock_type: u8,
    ) -> Self {
        let key = match key {
            Some(key) => ptr::from_ref(key).cast_mut(),
            None => ptr::null_mut(),
        };
        Self {
            key: AtomicPtr::new(key),
            class_cache: [const { AtomicPtr::new(ptr::null_mut()) }; 2],
            name: AtomicPtr::new(name.0.cast_mut()),
            wait_type_outer: AtomicU8::new(outer),
            wait_type_inner: AtomicU8::new(inner),
            lock_type: AtomicU8::new(lock_type),
            subclass: AtomicU8::new(0),
        }
    }

    /// Makes it the map of a lock of another class.
    pub fn set(&self, name: Name, key: *mut lock_class_key, subclass: u8) {
        self.name.store(name.0.cast_mut(), Relaxed);
        self.key.store(key, Relaxed);
        self.subclass.store(subclass, Relaxed);
    }

    /// The key, null if it has none yet.
    pub fn key(&self) -> *mut lock_class_key {
        self.key.load(Relaxed)
    }

    /// The lock, if it has a key.
    #[inline]
    pub(crate) fn lock(&self) -> Lock {
        Lock {
            instance: ptr::from_ref(self).addr(),
            key: self.key().addr(),
            // SAFETY: From `new()` or `set()`, which have taken it from a `Name`, or C's.
            name: unsafe { Name::from_ptr(self.name.load(Relaxed)) },
            inner: self.wait_type_inner.load(Relaxed),
            outer: self.wait_type_outer.load(Relaxed),
            lock_type: self.lock_type.load(Relaxed),
            subclass: self.subclass.load(Relaxed),
        }
    }
}

impl From<&lockdep_map> for Lock {
    fn from(map: &lockdep_map) -> Self {
        if map.key().is_null() {
            let own = ptr::from_ref(map).cast::<lock_class_key>().cast_mut();
            map.key.store(own, Relaxed);
        }
        map.lock()
    }
}
