// SPDX-License-Identifier: GPL-2.0-only
//! Empty so far.
#![no_std]
