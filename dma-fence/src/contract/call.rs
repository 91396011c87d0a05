// SPDX-License-Identifier: GPL-2.0-only
//! The functions of a driver that the kernel calls.

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

    /// Returns its name in reports.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::GetDriverName => "the op get_driver_name",
            Self::GetTimelineName => "the op get_timeline_name",
            Self::EnableSignaling => "the op enable_signaling",
            Self::Signaled => "the op signaled",
            Self::SetDeadline => "the op set_deadline",
            Self::Release => "the op release",
            Self::Callback => "a callback",
        }
    }

    /// Called with the lock held, or maybe so.
    pub(super) fn locked(self) -> bool {
        !matches!(self, Self::SetDeadline | Self::Release)
    }

    /// Called with the lock held, always.
    pub(super) fn surely_locked(self) -> bool {
        matches!(self, Self::EnableSignaling | Self::Callback)
    }
}
