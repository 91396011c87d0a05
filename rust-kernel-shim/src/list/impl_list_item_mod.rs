// SPDX-License-Identifier: GPL-2.0-only

//! Where the links of a value are.
//!
//! C header: none.

use super::ListLinks;

/// A value with links in it; [`impl_list_item!`] implements it.
///
/// # Safety
///
/// [`Self::raw_get_list_links`] returns a field of the value, always the same.
pub unsafe trait HasListLinks<const ID: u64 = 0> {
    /// Returns the links.
    ///
    /// # Safety
    ///
    /// `ptr` is valid.
    unsafe fn raw_get_list_links(ptr: *mut Self) -> *mut ListLinks<ID>;
}

/// A value whose links are in a [`ListLinksSelfPtr`](super::ListLinksSelfPtr).
///
/// # Safety
///
/// Those of [`HasListLinks::raw_get_list_links`] are the `inner` of one.
pub unsafe trait HasSelfPtr<T: ?Sized, const ID: u64 = 0>: HasListLinks<ID> {}

/// Implements [`HasListLinks`] for types, by the field that is named.
#[macro_export]
#[doc(hidden)]
macro_rules! impl_has_list_links {
    ($(impl$({$($generics:tt)*})?
       HasListLinks$(<$id:tt>)?
       for $self:ty
       { self$(.$field:ident)* }
    )*) => {$(
        // SAFETY: A field of the value, whose type the compiler checks.
        unsafe impl$(<$($generics)*>)? $crate::list::HasListLinks$(<$id>)? for $self {
            #[inline]
            unsafe fn raw_get_list_links(ptr: *mut Self) -> *mut $crate::list::ListLinks$(<$id>)? {
                $crate::__own_field!(mut ptr $(.$field)*)
            }
        }
    )*};
}
pub use impl_has_list_links;

/// Implements [`HasListLinks`] and [`HasSelfPtr`] for types, by the field that is named.
#[macro_export]
#[doc(hidden)]
macro_rules! impl_has_list_links_self_ptr {
    ($(impl$({$($generics:tt)*})?
       HasSelfPtr<$item_type:ty $(, $id:tt)?>
       for $self:ty
       { self$(.$field:ident)* }
    )*) => {$(
        // SAFETY: The links below are in one.
        unsafe impl$(<$($generics)*>)? $crate::list::HasSelfPtr<$item_type $(, $id)?> for $self {}

        // SAFETY: A field of a field of the value, whose types the compiler checks.
        unsafe impl$(<$($generics)*>)? $crate::list::HasListLinks$(<$id>)? for $self {
            #[inline]
            unsafe fn raw_get_list_links(ptr: *mut Self) -> *mut $crate::list::ListLinks$(<$id>)? {
                let links: *mut $crate::list::ListLinksSelfPtr<$item_type $(, $id)?> =
                    $crate::__own_field!(mut ptr $(.$field)*);
                // CAST: The links are its first field, as `repr(C)` lays it out.
                links.cast()
            }
        }
    )*};
}
pub use impl_has_list_links_self_ptr;

/// Implements [`ListItem`](super::ListItem) for types, whose links are in the field that is named.
///
/// # Examples
///
/// ```
/// use kernel::{
///     list::{impl_list_arc_safe, impl_list_item, List, ListArc, ListLinks, ListLinksSelfPtr},
///     prelude::*,
///     sync::UniqueArc,
/// };
///
/// #[pin_data]
/// struct Job<T> {
///     what: T,
///     #[pin]
///     all: ListLinks<0>,
///     #[pin]
///     busy: ListLinksSelfPtr<Job<u32>, 1>,
/// }
///
/// impl_list_arc_safe! {
///     impl{T} ListArcSafe<0> for Job<T> { untracked; }
///     impl{T} ListArcSafe<1> for Job<T> { untracked; }
/// }
///
/// impl_list_item! {
///     impl{T} ListItem<0> for Job<T> { using ListLinks { self.all }; }
/// }
///
/// impl_list_item! {
///     impl ListItem<1> for Job<u32> { using ListLinksSelfPtr { self.busy }; }
/// }
///
/// let init = pin_init!(Job {
///     what: 7,
///     all <- ListLinks::new(),
///     busy <- ListLinksSelfPtr::new(),
/// });
/// // One value, on two lists.
/// let job = UniqueArc::pin_init(init, GFP_KERNEL)?;
/// let (one, other) = ListArc::<Job<u32>, 0>::pair_from_pin_unique::<1>(job);
/// let (mut all, mut busy) = (List::<_, 0>::new(), List::<_, 1>::new());
/// all.push_back(one);
/// busy.push_back(other);
/// drop(all);
/// assert_eq!(busy.pop_front().map(|job| job.what), Some(7));
/// # Ok::<(), Error>(())
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! impl_list_item {
    ($(
        impl$({$($generics:tt)*})? ListItem<$num:tt> for $self:ty {
            using ListLinks { self$(.$field:ident)* };
        }
    )*) => {$(
        $crate::list::impl_has_list_links! {
            impl$({$($generics)*})? HasListLinks<$num> for $self { self$(.$field)* }
        }

        // SAFETY: From the value to a field of it, and back. The `ListArc`, of which there is one for
        // this `ID`, is the right to use that.
        unsafe impl$(<$($generics)*>)? $crate::list::ListItem<$num> for $self {
            unsafe fn view_links(me: *const Self) -> *mut $crate::list::ListLinks<$num> {
                // SAFETY: `me` is valid: the caller's guarantee.
                unsafe {
                    <Self as $crate::list::HasListLinks<$num>>::raw_get_list_links(me.cast_mut())
                }
            }

            unsafe fn view_value(me: *mut $crate::list::ListLinks<$num>) -> *const Self {
                // SAFETY: `me` is that field of a value: the caller's guarantee.
                unsafe { $crate::container_of!(me, Self, $($field).*) }
            }

            unsafe fn prepare_to_insert(me: *const Self) -> *mut $crate::list::ListLinks<$num> {
                // SAFETY: `me` is valid: the caller's guarantee.
                unsafe { <Self as $crate::list::ListItem<$num>>::view_links(me) }
            }

            unsafe fn post_remove(me: *mut $crate::list::ListLinks<$num>) -> *const Self {
                // SAFETY: `me` is that field of a value: the caller's guarantee.
                unsafe { $crate::container_of!(me, Self, $($field).*) }
            }
        }
    )*};

    ($(
        impl$({$($generics:tt)*})? ListItem<$num:tt> for $self:ty {
            using ListLinksSelfPtr { self$(.$field:ident)* };
        }
    )*) => {$(
        $crate::list::impl_has_list_links_self_ptr! {
            impl$({$($generics)*})? HasSelfPtr<$self, $num> for $self { self$(.$field)* }
        }

        // SAFETY: From the value to a field of it, in which is the way back while the value is on a
        // list. The `ListArc`, of which there is one for this `ID`, is the right to use that.
        unsafe impl$(<$($generics)*>)? $crate::list::ListItem<$num> for $self {
            unsafe fn view_links(me: *const Self) -> *mut $crate::list::ListLinks<$num> {
                // SAFETY: `me` is valid: the caller's guarantee.
                unsafe {
                    <Self as $crate::list::HasListLinks<$num>>::raw_get_list_links(me.cast_mut())
                }
            }

            unsafe fn view_value(me: *mut $crate::list::ListLinks<$num>) -> *const Self {
                // SAFETY: `me` is the `inner` of one: the guarantee of `HasSelfPtr`. The pointer in it
                // was written when the value was made ready, and is since not written to.
                unsafe {
                    let links =
                        $crate::container_of!(me, $crate::list::ListLinksSelfPtr<Self, $num>, inner);
                    let value = $crate::list::ListLinksSelfPtr::raw_get_self_ptr(links);
                    ::core::ptr::read($crate::types::Opaque::cast_into(value))
                }
            }

            unsafe fn prepare_to_insert(me: *const Self) -> *mut $crate::list::ListLinks<$num> {
                // SAFETY: `me` is valid, and the links are the caller's from here on: its guarantees.
                // They are the `inner` of one: the guarantee of `HasSelfPtr`.
                unsafe {
                    let inner = <Self as $crate::list::ListItem<$num>>::view_links(me);
                    let links =
                        $crate::container_of!(inner, $crate::list::ListLinksSelfPtr<Self, $num>, inner);
                    let value = $crate::list::ListLinksSelfPtr::raw_get_self_ptr(links);
                    ::core::ptr::write($crate::types::Opaque::cast_into(value), me);
                    inner
                }
            }

            unsafe fn post_remove(me: *mut $crate::list::ListLinks<$num>) -> *const Self {
                // SAFETY: The value was made ready: the caller's guarantee.
                unsafe { <Self as $crate::list::ListItem<$num>>::view_value(me) }
            }
        }
    )*};
}
pub use impl_list_item;
