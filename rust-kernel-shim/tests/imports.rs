// SPDX-License-Identifier: GPL-2.0-only
//! What files of Linux import, compiled one by one, and counted: those of drivers in 7.3, and of what is
//! posted for it.
//!
//! Without what a project brings itself: its own fences and job queues, and C's functions. Where a file
//! imports `module::*`, it is the module that is named.

#![forbid(unsafe_code)]

/// A list: whose, how many paths there are, and how many are missing.
struct List(&'static str, usize, usize);

macro_rules! imports {
    ($($name:literal: $($path:path,)*; $(missing: $($absent:path,)*;)?)*) => {
        $($(
            const _: () = {
                #[allow(unused_imports)]
                use $path as _;
            };
        )*)*

        const LISTS: &[List] = &[$(
            List($name, [$(stringify!($path)),*].len(), 0 $(+ [$(stringify!($absent)),*].len())?),
        )*];
    };
}

imports! {
    // drivers/gpu/drm/nova: driver.rs, file.rs, gem.rs, nova.rs.
    "nova, in Linux 7.3":
    kernel::alloc::flags,
    kernel::auxiliary,
    kernel::device::Bound,
    kernel::device::Core,
    kernel::device::DeviceContext,
    kernel::drm,
    kernel::drm::Registered,
    kernel::drm::gem,
    kernel::drm::gem::BaseObject,
    kernel::drm::ioctl,
    kernel::page,
    kernel::pci,
    kernel::prelude,
    kernel::sync::aref::ARef,
    kernel::uapi,
    ;

    // rust/kernel/dma_buf/dma_fence.rs, dma_fence.rs and dma_fence/testing.rs.
    "castkms, its fences":
    kernel::alloc::AllocError,
    kernel::bindings,
    kernel::container_of,
    kernel::error::to_result,
    kernel::prelude,
    kernel::str::CString,
    kernel::sync::aref::ARef,
    kernel::sync::aref::AlwaysRefCounted,
    kernel::sync::atomic::Atomic,
    kernel::sync::atomic::Relaxed,
    kernel::sync::rcu::rcu_barrier,
    kernel::types::ForeignOwnable,
    kernel::types::Opaque,
    ;

    // rust/kernel/dma_buf/dma_fence.rs and drm/job_queue.rs; C's dma_fence_chain is no path.
    "Tyr, fences and job queue":
    kernel::alloc::AllocError,
    kernel::bindings,
    kernel::c_str,
    kernel::device::Bound,
    kernel::device::Device,
    kernel::error::Result,
    kernel::error::to_result,
    kernel::irq::IrqReturn,
    kernel::irq::ThreadedHandler,
    kernel::irq::ThreadedIrqReturn,
    kernel::pr_err_once,
    kernel::prelude,
    kernel::sync::Arc,
    kernel::sync::LockClassKey,
    kernel::sync::Mutex,
    kernel::sync::aref::ARef,
    kernel::sync::aref::AlwaysRefCounted,
    kernel::sync::atomic::Atomic,
    kernel::sync::atomic::Relaxed,
    kernel::time::Delta,
    kernel::time::Instant,
    kernel::time::Jiffies,
    kernel::time::Monotonic,
    kernel::time::msecs_to_jiffies,
    kernel::types::ForeignOwnable,
    kernel::types::NotThreadSafe,
    kernel::types::Opaque,
    kernel::workqueue::DelayedWork,
    kernel::workqueue::HasDelayedWork,
    kernel::workqueue::HasWork,
    kernel::workqueue::OwnedQueue,
    kernel::workqueue::RawDelayedWorkItem,
    kernel::workqueue::RawWorkItem,
    kernel::workqueue::Work,
    kernel::workqueue::WorkItem,
    kernel::workqueue::WorkItemPointer,
    kernel::workqueue::WqFlags,
    kernel::xarray::AllocKind,
    kernel::xarray::ReservedIndex,
    kernel::xarray::XArray,
    kernel::xarray::XaLimit,
    ;

    // rust/kernel/drm/jq.rs, but for the `types::ARef` that 7.3 has no more.
    "JobQueue, as posted":
    kernel::list,
    kernel::prelude,
    kernel::revocable::Revocable,
    kernel::sync::Arc,
    kernel::sync::SpinLock,
    kernel::sync::new_spinlock,
    kernel::workqueue,
    kernel::workqueue::Work,
    kernel::workqueue::WorkItem,
    kernel::workqueue::impl_has_work,
    kernel::workqueue::new_work,
    ;

    // drivers/gpu/drm/tyr/sched/queue.rs.
    "Tyr, its scheduler's queue":
    kernel::alloc::KVec,
    kernel::c_str,
    kernel::devres::Devres,
    kernel::drm::gem::BaseObject,
    kernel::io::Io,
    kernel::io::register::Array,
    kernel::new_mutex,
    kernel::prelude,
    kernel::sizes::SZ_4K,
    kernel::sizes::SZ_64K,
    kernel::sync::Arc,
    kernel::sync::LockClassKey,
    kernel::sync::Mutex,
    kernel::sync::aref::ARef,
    kernel::time::Delta,
    kernel::time::Instant,
    kernel::time::Jiffies,
    kernel::time::Monotonic,
    kernel::time::msecs_to_jiffies,
    kernel::transmute::FromBytes,
    kernel::uapi,
    ;
    missing:
    // 7.3 has `mb(Write)`.
    kernel::sync::barrier::wmb,
    ;

    // Of drivers and samples of 7.3 in which not all is here.
    "others, in Linux 7.3":
    kernel::acpi,
    kernel::auxiliary::Driver,
    kernel::auxiliary::Registration,
    kernel::bitfield,
    kernel::bits::bit_u32,
    kernel::bits::genmask_u32,
    kernel::dev_err,
    kernel::dev_info,
    kernel::dev_warn,
    kernel::device::AsBusDevice,
    kernel::device::Normal,
    kernel::device_id::IdArray,
    kernel::device_id::RawDeviceId,
    kernel::devres,
    kernel::devres::DevresLt,
    kernel::driver::Adapter,
    kernel::driver::Registration,
    kernel::drm::Device,
    kernel::drm::DeviceContext,
    kernel::drm::Driver,
    kernel::drm::DriverInfo,
    kernel::drm::File,
    kernel::drm::Normal,
    kernel::drm::Registration,
    kernel::drm::UnregisteredDevice,
    kernel::drm::device,
    kernel::drm::driver,
    kernel::drm::driver::AllocImpl,
    kernel::drm::file,
    kernel::drm::file::DriverFile,
    kernel::drm::gem::DriverObject,
    kernel::drm::gem::IntoGEMObject,
    kernel::drm::gem::Object,
    kernel::faux,
    kernel::io::IoBase,
    kernel::io::Mmio,
    kernel::io::MmioBackend,
    kernel::io::MmioRaw,
    kernel::io::PhysAddr,
    kernel::io::Region,
    kernel::io::RelaxedMmio,
    kernel::io::Resource,
    kernel::io::ResourceSize,
    kernel::io::mem::DevresIoMem,
    kernel::io::mem::IoMem,
    kernel::io::mem::IoRequest,
    kernel::io::poll,
    kernel::io::poll::read_poll_timeout,
    kernel::io::register,
    kernel::io::register::RegisterBase,
    kernel::io::register::WithBase,
    kernel::io::resource::Flags,
    kernel::ioctl::_IOW,
    kernel::ioctl::_IOWR,
    kernel::irq,
    kernel::irq::Flags,
    kernel::irq::Handler,
    kernel::irq::IrqRequest,
    kernel::irq::Registration,
    kernel::irq::ThreadedRegistration,
    kernel::list::AtomicTracker,
    kernel::list::Cursor,
    kernel::list::HasListLinks,
    kernel::list::HasSelfPtr,
    kernel::list::IntoIter,
    kernel::list::Iter,
    kernel::list::List,
    kernel::list::ListArc,
    kernel::list::ListArcField,
    kernel::list::ListArcSafe,
    kernel::list::ListItem,
    kernel::list::ListLinks,
    kernel::list::ListLinksSelfPtr,
    kernel::list::TryNewListArc,
    kernel::list::define_list_arc_field_getter,
    kernel::list::impl_has_list_links,
    kernel::list::impl_has_list_links_self_ptr,
    kernel::list::impl_list_arc_safe,
    kernel::list::impl_list_item,
    kernel::module_auxiliary_driver,
    kernel::module_param::ModuleParam,
    kernel::module_param::ModuleParamAccess,
    kernel::module_pci_driver,
    kernel::module_platform_driver,
    kernel::num::Bounded,
    kernel::of,
    kernel::page::BorrowedPage,
    kernel::page::PAGE_MASK,
    kernel::page::PAGE_SHIFT,
    kernel::page::PAGE_SIZE,
    kernel::page::Page,
    kernel::page::page_align,
    kernel::pci::Class,
    kernel::pci::DeviceId,
    kernel::pci::Driver,
    kernel::pci::Vendor,
    kernel::platform,
    kernel::platform::Driver,
    kernel::ptr::Alignable,
    kernel::ptr::Alignment,
    kernel::ptr::KnownSize,
    kernel::ptr::const_align_up,
    kernel::rbtree::Cursor,
    kernel::rbtree::CursorMut,
    kernel::rbtree::Entry,
    kernel::rbtree::RBTree,
    kernel::rbtree::RBTreeNode,
    kernel::rbtree::RBTreeNodeReservation,
    kernel::sizes::SZ_1M,
    kernel::sizes::SizeConstants,
    kernel::str::kstrtobool,
    kernel::str::kstrtobool_bytes,
    kernel::str::parse_int::ParseInt,
    kernel::sync::CondVar,
    kernel::transmute::AsBytes,
    kernel::types::CovariantForLt,
    kernel::types::ForLt,
    kernel::workqueue::Queue,
    kernel::workqueue::impl_has_delayed_work,
    kernel::workqueue::new_delayed_work,
    kernel::xarray::Guard,
    kernel::xarray::StoreError,
    ;
}

/// How many paths there are in each list, and how many are missing: a line that is dropped is seen.
///
/// They are counted in the files themselves, path by path. That is why castkms has 13, of eight modules of
/// the crate, and Tyr's queue 22, with the one that is missing: lists that are shorter count modules.
const COUNTS: [(usize, usize); 6] = [(15, 0), (13, 0), (41, 0), (11, 0), (21, 1), (122, 0)];

#[test]
fn every_path_is_there() {
    for List(name, there, missing) in LISTS {
        println!("{name:<28} {there:>3} of {:>3}", there + missing);
    }
    let counts = LISTS
        .iter()
        .map(|&List(_, there, missing)| (there, missing));
    assert!(counts.eq(COUNTS));
}
