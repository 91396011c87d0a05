// SPDX-License-Identifier: GPL-2.0-only
//! From a field to the structure around it.
//!
//! C header: [`include/linux/container_of.h`](srctree/include/linux/container_of.h)

/// From a pointer to a field to a pointer to the structure around it.
///
/// The field's pointer is mutable; the result may be written through if that may.
///
/// # Examples
///
/// ```
/// use bindings::container_of;
///
/// struct Job {
///     id: u32,
///     link: u64,
/// }
///
/// let mut job = Job { id: 7, link: 0 };
/// let link = &raw mut job.link;
/// // SAFETY: `link` points to the `link` of a `Job`.
/// let found = unsafe { container_of!(link, Job, link) };
/// # assert_eq!(job.link, 0);
/// assert_eq!(found, &raw mut job);
/// # assert_eq!(job.id, 7);
/// ```
#[macro_export]
macro_rules! container_of {
    ($field_ptr:expr, $Container:ty, $($fields:tt)*) => {{
        let offset: usize = ::core::mem::offset_of!($Container, $($fields)*);
        let field = $field_ptr;
        let container = field.byte_sub(offset).cast::<$Container>();
        $crate::assert_same_type(field, (&raw const (*container).$($fields)*).cast_mut());
        container
    }};
}

/// Makes the compiler compare two types.
#[doc(hidden)]
pub fn assert_same_type<T>(_: T, _: T) {}
