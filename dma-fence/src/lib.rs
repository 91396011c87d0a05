// SPDX-License-Identifier: GPL-2.0-only
//! Linux's dma-fence: the C API mirrored.

#![no_std]

pub mod bindings;
