// SPDX-License-Identifier: GPL-2.0-only

//! What user space knows of the kernel: constants and structures of its headers, under their C names.
//!
//! C headers: [`include/uapi/`](srctree/include/uapi).
//!
//! In Linux bindgen generates this; here is what the modules of this crate need.

#![no_std]
#![allow(
    missing_docs,
    non_camel_case_types,
    non_upper_case_globals,
    reason = "they are C's"
)]

pub const _IOC_NRBITS: u32 = 8;
pub const _IOC_TYPEBITS: u32 = 8;
pub const _IOC_SIZEBITS: u32 = 14;
pub const _IOC_DIRBITS: u32 = 2;

pub const _IOC_NRMASK: u32 = (1 << _IOC_NRBITS) - 1;
pub const _IOC_TYPEMASK: u32 = (1 << _IOC_TYPEBITS) - 1;
pub const _IOC_SIZEMASK: u32 = (1 << _IOC_SIZEBITS) - 1;
pub const _IOC_DIRMASK: u32 = (1 << _IOC_DIRBITS) - 1;

pub const _IOC_NRSHIFT: u32 = 0;
pub const _IOC_TYPESHIFT: u32 = _IOC_NRSHIFT + _IOC_NRBITS;
pub const _IOC_SIZESHIFT: u32 = _IOC_TYPESHIFT + _IOC_TYPEBITS;
pub const _IOC_DIRSHIFT: u32 = _IOC_SIZESHIFT + _IOC_SIZEBITS;

pub const _IOC_NONE: u32 = 0;
pub const _IOC_WRITE: u32 = 1;
pub const _IOC_READ: u32 = 2;

pub const DRM_IOCTL_BASE: u8 = b'd';
pub const DRM_COMMAND_BASE: u32 = 0x40;

pub const NOVA_GETPARAM_VRAM_BAR_SIZE: u32 = 0x1;

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct drm_nova_getparam {
    pub param: u64,
    pub value: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct drm_nova_gem_create {
    pub handle: u32,
    pub pad: u32,
    pub size: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct drm_nova_gem_info {
    pub handle: u32,
    pub pad: u32,
    pub size: u64,
}

/// The number of a call of a graphics driver for which user space writes a `T` and reads it back.
const fn drm_iowr<T>(nr: u32) -> u32 {
    let (dir, size) = (_IOC_READ | _IOC_WRITE, size_of::<T>() as u32);
    dir << _IOC_DIRSHIFT
        | (DRM_IOCTL_BASE as u32) << _IOC_TYPESHIFT
        | (DRM_COMMAND_BASE + nr) << _IOC_NRSHIFT
        | size << _IOC_SIZESHIFT
}

pub const DRM_IOCTL_NOVA_GETPARAM: u32 = drm_iowr::<drm_nova_getparam>(0);
pub const DRM_IOCTL_NOVA_GEM_CREATE: u32 = drm_iowr::<drm_nova_gem_create>(1);
pub const DRM_IOCTL_NOVA_GEM_INFO: u32 = drm_iowr::<drm_nova_gem_info>(2);

pub type drm_panthor_gpu_coherency = u32;
pub const drm_panthor_gpu_coherency_DRM_PANTHOR_GPU_COHERENCY_ACE_LITE: u32 = 0;
pub const drm_panthor_gpu_coherency_DRM_PANTHOR_GPU_COHERENCY_ACE: u32 = 1;
pub const drm_panthor_gpu_coherency_DRM_PANTHOR_GPU_COHERENCY_NONE: u32 = 31;
