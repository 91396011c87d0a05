// SPDX-License-Identifier: GPL-2.0-only
//! A kernel that does not watch locks.

use super::{lock_class_key, How, Off, What};
use crate::{
    ffi::{c_char, c_int},
    rule::Rule,
};
use core::{ffi::CStr, panic::Location};
use machine::cpu::{Cpu, Reader};

/// Nothing: locks have no part of lockdep's.
pub(crate) struct dep_map;

impl dep_map {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(crate) const unsafe fn named(_: *const c_char, _: *mut lock_class_key, _: What) -> Self {
        Self
    }

    pub(crate) const fn of_place(_: &'static CStr, _: &'static Location<'static>, _: What) -> Self {
        Self
    }

    pub(crate) fn is_named(&self, _: &'static CStr) {}

    pub(crate) fn goes(&self) {}

    pub(crate) fn is_held(&self, _: usize, _: What, _: Option<bool>) -> c_int {
        -1
    }

    #[allow(dead_code)]
    pub(crate) fn is_as(&self, _: &Self) -> bool {
        true
    }

    pub(crate) const fn copy(&self) -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn acquire(&self, _: usize, _: What, _: How<'_>, _: &'static Location<'static>) {}

    #[inline(always)]
    pub(crate) fn acquire_on(
        &self,
        _: &Cpu,
        _: usize,
        _: What,
        _: How<'_>,
        _: &'static Location<'static>,
    ) {
    }

    #[inline(always)]
    pub(crate) fn is_spinlock_again(
        &self,
        _: &Task,
        _: &Reader,
        _: usize,
        _: &'static Location<'static>,
    ) -> bool {
        true
    }

    #[inline(always)]
    pub(crate) fn is_read_again(&self, _: &Cpu, _: usize, _: &'static Location<'static>) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn release(&self, _: usize, _: What) {}

    #[inline(always)]
    pub(crate) fn release_map(&self, _: usize) {}

    #[inline(always)]
    pub(crate) fn release_on(&self, _: &Cpu, _: usize, _: What) {}

    pub(super) fn is_said_in_irq(&self, _: &Cpu) -> bool {
        true
    }

    pub(super) fn needs_held(&self, _: usize, _: &'static Location<'static>) {}

    #[inline(always)]
    pub(crate) fn waited_for(&self, _: &'static Location<'static>) {}

    #[inline(always)]
    pub(crate) fn happens(&self, _: usize, _: &'static Location<'static>) {}

    #[inline(always)]
    pub(crate) fn was_waited_for(&self, _: usize, _: &'static Location<'static>) {}

    #[allow(dead_code)]
    pub(crate) fn sync(&self, _: usize, _: &'static Location<'static>) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn touch(&self, _: Off, _: &'static Location<'static>) {}
}

#[inline(always)]
pub(crate) fn hardirqs_off(_: &Cpu) {}

#[inline(always)]
pub(crate) fn hardirqs_on(_: &Cpu, _: &'static Location<'static>) {}

/// Nothing is known of a thread.
pub(crate) struct Task;

impl Task {
    #[inline(always)]
    pub(crate) fn set_irqs(&self, _: bool, _: usize) {}

    #[inline(always)]
    pub(crate) fn release_last(&self, _: usize) -> bool {
        true
    }

    #[inline(always)]
    pub(crate) fn depth(&self) -> usize {
        0
    }

    #[inline(always)]
    pub(crate) fn is_on_again(&self) -> bool {
        true
    }
}

#[inline(always)]
pub(crate) fn hardirqs_are_on(_: &Task, _: &'static Location<'static>) {}

#[inline(always)]
pub(crate) unsafe fn usual_task(_: &Cpu) -> &Task {
    &Task
}

#[inline(always)]
pub(crate) fn hardirqs_on_inside(_: &Task, _: &'static Location<'static>) -> bool {
    true
}

#[inline(always)]
pub(crate) fn memory_goes(_: usize, _: usize, _: &'static Location<'static>) {}

/// The task is about to end, or to return to where it must hold nothing.
///
/// C: `debug_check_no_locks_held()`.
pub fn debug_check_no_locks_held() {}

#[cfg_attr(not(feature = "debug"), allow(dead_code))]
pub(crate) fn lockdep_forgets_held() {}

/// A machine has ended: its classes are forgotten.
pub fn lockdep_machine_ended(_number: u64) {}

/// Returns how many locks the task holds, as far as is known: none.
pub fn lockdep_depth() -> usize {
    0
}

/// The task lets others go on, which may know how far it has come. From any context.
#[inline(always)]
pub fn lockdep_others_go_on() {}

#[inline(always)]
pub(crate) fn slept() {}

#[inline(always)]
pub(crate) fn for_a_mutex<R>(f: impl FnOnce() -> R) -> R {
    f()
}

pub(super) fn mode_changes() {}

pub(super) fn pretend(_: bool, _: &'static &'static str, _: impl FnOnce()) {}

pub(super) fn circles_break(_: &'static CStr, _: &'static Rule) {}

pub(super) fn key_goes(_: *mut lock_class_key) {}
