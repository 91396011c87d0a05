// SPDX-License-Identifier: GPL-2.0-only
//! The reasons why the workload cannot run.

use kernel::error::Error;
use std::{fmt, io};

/// A reason why the workload cannot run.
pub(crate) enum Failure {
    /// The kernel has refused something.
    Kernel(Error),
    /// The host has too few threads.
    Thread(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Kernel(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Thread(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(error) => write!(f, "{error:?}"),
            Self::Thread(error) => write!(f, "the host has too few threads: {error}"),
        }
    }
}
