// SPDX-License-Identifier: GPL-2.0-only
//! Fences by driver: created, signalled, in error, still held.

use dma_fence::testing::{Event, Kind, Listener};
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

/// Counts of one driver's fences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Account {
    pub(crate) created: usize,
    pub(crate) signalled: usize,
    pub(crate) in_error: usize,
    /// Created, and their last reference is not gone.
    pub(crate) held: usize,
}

#[derive(Default)]
struct Pages {
    accounts: BTreeMap<String, Account>,
    /// Whose context is whose: a fence that has signalled has no names any more.
    owners: HashMap<u64, String>,
}

/// The accounts of all drivers, kept by listening to their fences.
pub(crate) struct Ledger(Mutex<Option<Pages>>);

impl Ledger {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The accounts, by the drivers' names.
    pub(crate) fn accounts(&self) -> BTreeMap<String, Account> {
        self.with(|pages| pages.accounts.clone())
    }

    /// How many fences are held of all drivers.
    pub(crate) fn held(&self) -> usize {
        self.with(|pages| pages.accounts.values().map(|account| account.held).sum())
    }

    fn with<R>(&self, f: impl FnOnce(&mut Pages) -> R) -> R {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f(pages.get_or_insert_default())
    }
}

impl Listener for Ledger {
    fn event(&self, event: &Event<'_>) {
        self.with(|pages| {
            if event.kind == Kind::Init {
                let owner = event.driver.to_string_lossy().into_owned();
                pages.owners.insert(event.context, owner);
            }
            let Some(owner) = pages.owners.get(&event.context) else {
                return; // Made before anybody listened.
            };
            let account = pages.accounts.entry(owner.clone()).or_default();
            match event.kind {
                Kind::Init => {
                    account.created += 1;
                    account.held += 1;
                }
                Kind::Signaled => {
                    account.signalled += 1;
                    account.in_error += usize::from(event.error.is_some());
                }
                Kind::Destroy => account.held -= 1,
                _ => {}
            }
        });
    }
}
