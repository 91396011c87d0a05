// SPDX-License-Identifier: GPL-2.0-only

//! Fields that belong to who has the right to put a value on a list.
//!
//! C header: none.

use core::cell::UnsafeCell;

/// A field that is used through the value's [`ListArc`](super::ListArc) of this `ID` alone.
///
/// # Examples
///
/// ```
/// use kernel::{
///     list::{define_list_arc_field_getter, impl_list_arc_safe, ListArc, ListArcField},
///     prelude::*,
/// };
///
/// struct Job {
///     tries: ListArcField<u32>,
/// }
///
/// impl_list_arc_safe! {
///     impl ListArcSafe<0> for Job { untracked; }
/// }
///
/// impl Job {
///     define_list_arc_field_getter! {
///         fn tries_mut(&mut self<0>) -> &mut u32 { tries }
///         fn tries(&self<0>) -> &u32 { tries }
///     }
/// }
///
/// let mut job = ListArc::new(Job { tries: ListArcField::new(0) }, GFP_KERNEL)?;
/// *Job::tries_mut(&mut job) += 1;
/// assert_eq!(*Job::tries(&job), 1);
/// # Ok::<(), Error>(())
/// ```
pub struct ListArcField<T, const ID: u64 = 0> {
    value: UnsafeCell<T>,
}

// SAFETY: Where the `ListArc` goes, the value is used and dropped.
unsafe impl<T: Send + Sync, const ID: u64> Send for ListArcField<T, ID> {}

// SAFETY: As above; a shared one is used as the `ListArc` is.
unsafe impl<T: Send + Sync, const ID: u64> Sync for ListArcField<T, ID> {}

impl<T, const ID: u64> ListArcField<T, ID> {
    /// Holds `value`.
    pub fn new(value: T) -> Self {
        ListArcField {
            value: UnsafeCell::new(value),
        }
    }

    /// Returns the value, which no other owner has yet.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Returns the value.
    ///
    /// # Safety
    ///
    /// The caller has a reference to the `ListArc` of the value in which this is, as long as the result.
    pub unsafe fn assert_ref(&self) -> &T {
        // SAFETY: To change it takes a mutable reference to the `ListArc`.
        unsafe { &*self.value.get() }
    }

    /// Returns the value, which can be changed.
    ///
    /// # Safety
    ///
    /// The caller has a mutable reference to the `ListArc` of the value in which this is, as long as the
    /// result, of which it makes no other.
    #[expect(clippy::mut_from_ref)]
    pub unsafe fn assert_mut(&self) -> &mut T {
        // SAFETY: To use it takes a reference to the `ListArc`.
        unsafe { &mut *self.value.get() }
    }
}

/// Defines functions that return a [`ListArcField`] through the `ListArc` of its value.
///
/// They are no methods, which takes unstable Rust: call them as `Type::name(&list_arc)`, which Linux
/// accepts as well.
#[macro_export]
#[doc(hidden)]
macro_rules! define_list_arc_field_getter {
    ($pub:vis fn $name:ident(&self $(<$id:tt>)?) -> &$typ:ty { $field:ident }
     $($rest:tt)*
    ) => {
        /// Returns the field.
        $pub fn $name<'a>(this: &'a $crate::list::ListArc<Self $(, $id)?>) -> &'a $typ {
            // A field of the value, and not of one that it leads to, which others may lead to as well.
            let _: usize = ::core::mem::offset_of!(Self, $field);
            let field = &(&**this).$field;
            // SAFETY: There is a reference to the `ListArc`.
            unsafe { $crate::list::ListArcField::<$typ $(, $id)?>::assert_ref(field) }
        }

        $crate::list::define_list_arc_field_getter!($($rest)*);
    };

    ($pub:vis fn $name:ident(&mut self $(<$id:tt>)?) -> &mut $typ:ty { $field:ident }
     $($rest:tt)*
    ) => {
        /// Returns the field, which can be changed.
        $pub fn $name<'a>(this: &'a mut $crate::list::ListArc<Self $(, $id)?>) -> &'a mut $typ {
            // A field of the value, and not of one that it leads to, which others may lead to as well.
            let _: usize = ::core::mem::offset_of!(Self, $field);
            let field = &(&**this).$field;
            // SAFETY: There is a mutable reference to the `ListArc`.
            unsafe { $crate::list::ListArcField::<$typ $(, $id)?>::assert_mut(field) }
        }

        $crate::list::define_list_arc_field_getter!($($rest)*);
    };

    () => {};
}
pub use define_list_arc_field_getter;
