// SPDX-License-Identifier: GPL-2.0-only
//! The functions of a driver that the kernel calls.

use super::rules::CALLBACK_ATOMIC;
use kernel::bindings::CallKind;

/// An op, or a callback.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Call {
    GetDriverName,
    GetTimelineName,
    EnableSignaling,
    Signaled,
    SetDeadline,
    Release,
    Callback,
}

impl Call {
    /// The ops that return names, by the numbers of these.
    pub(crate) const NAMES: [Self; 2] = [Self::GetDriverName, Self::GetTimelineName];

    /// What reports say of it.
    #[inline]
    pub(super) fn kind(self) -> &'static CallKind {
        match self {
            Self::GetDriverName => &GET_DRIVER_NAME,
            Self::GetTimelineName => &GET_TIMELINE_NAME,
            Self::EnableSignaling => &ENABLE_SIGNALING,
            Self::Signaled => &SIGNALED,
            Self::SetDeadline => &SET_DEADLINE,
            Self::Release => &RELEASE,
            Self::Callback => &CALLBACK,
        }
    }

    /// Called with the lock held, or maybe so.
    #[inline]
    pub(super) fn locked(self) -> bool {
        !matches!(self, Self::SetDeadline | Self::Release)
    }
}

const fn kind(what: &'static str, surely_locked: bool) -> CallKind {
    CallKind {
        what,
        step: "callback added",
        surely_locked,
        rule: &CALLBACK_ATOMIC,
    }
}

static GET_DRIVER_NAME: CallKind = kind("the op get_driver_name", false);
static GET_TIMELINE_NAME: CallKind = kind("the op get_timeline_name", false);
static ENABLE_SIGNALING: CallKind = kind("the op enable_signaling", true);
static SIGNALED: CallKind = kind("the op signaled", false);
static SET_DEADLINE: CallKind = kind("the op set_deadline", false);
static RELEASE: CallKind = kind("the op release", false);
static CALLBACK: CallKind = kind("a callback", true);
