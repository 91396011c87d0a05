// SPDX-License-Identifier: GPL-2.0-only
//! The lock validator, where the kernel's own test of it does not look.

#[macro_use]
mod host;
mod again;
mod held;
mod irq;
mod order;
mod plain;
mod reports;
