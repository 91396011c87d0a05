// SPDX-License-Identifier: GPL-2.0-only
//! What files of Linux import, compiled one by one: those of its crate, of drivers in 7.3, and of
//! what is posted for it.

#![forbid(unsafe_code)]

macro_rules! imports {
    ($($path:path,)*) => {$(
        const _: () = {
            #[allow(unused_imports)]
            use $path as _;
        };
    )*};
}

// Sorted.
imports! {
    kernel::bits::bit_u32,
    kernel::bits::genmask_u32,
    kernel::dev_err,
    kernel::dev_info,
    kernel::dev_warn,
    kernel::device::Bound,
    kernel::device::Core,
    kernel::device::Device,
    kernel::device::DeviceContext,
    kernel::device::Normal,
    kernel::devres,
    kernel::devres::Devres,
    kernel::faux,
    kernel::ioctl::_IOW,
    kernel::ioctl::_IOWR,
    kernel::irq,
    kernel::irq::Flags,
    kernel::irq::Handler,
    kernel::irq::IrqRequest,
    kernel::irq::IrqReturn,
    kernel::irq::Registration,
    kernel::irq::ThreadedHandler,
    kernel::irq::ThreadedIrqReturn,
    kernel::irq::ThreadedRegistration,
    kernel::module_param::ModuleParam,
    kernel::module_param::ModuleParamAccess,
    kernel::rbtree::Cursor,
    kernel::rbtree::CursorMut,
    kernel::rbtree::Entry,
    kernel::rbtree::RBTree,
    kernel::rbtree::RBTreeNode,
    kernel::rbtree::RBTreeNodeReservation,
    kernel::sizes::SZ_1M,
    kernel::sizes::SZ_4K,
    kernel::sizes::SZ_64K,
    kernel::sizes::SizeConstants,
    kernel::str::kstrtobool,
    kernel::str::kstrtobool_bytes,
    kernel::str::parse_int::ParseInt,
    kernel::sync::CondVar,
    kernel::sync::LockClassKey,
    kernel::transmute::AsBytes,
    kernel::transmute::FromBytes,
    kernel::uapi,
    kernel::workqueue::DelayedWork,
    kernel::workqueue::HasDelayedWork,
    kernel::workqueue::HasWork,
    kernel::workqueue::OwnedQueue,
    kernel::workqueue::Queue,
    kernel::workqueue::RawDelayedWorkItem,
    kernel::workqueue::RawWorkItem,
    kernel::workqueue::Work,
    kernel::workqueue::WorkItem,
    kernel::workqueue::WorkItemPointer,
    kernel::workqueue::WqFlags,
    kernel::workqueue::impl_has_delayed_work,
    kernel::workqueue::impl_has_work,
    kernel::workqueue::new_delayed_work,
    kernel::workqueue::new_work,
}
