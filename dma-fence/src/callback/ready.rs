// SPDX-License-Identifier: GPL-2.0-only
//! Ready-made callbacks: complete a completion, queue a work item, wake a task.

use super::FenceCallback;
use kernel::{
    sync::{
        aref::ARef,
        Arc,
        Completion, //
    },
    task::Task,
    workqueue::{
        HasWork,
        Queue,
        WorkItem, //
    },
};

/// Completes a completion for all its waiters when the fence signals.
pub struct Complete(Arc<Completion>);

impl Complete {
    /// A callback that completes `completion`.
    pub fn new(completion: Arc<Completion>) -> Self {
        Self(completion)
    }
}

impl FenceCallback for Complete {
    fn on_signal(&mut self) {
        self.0.complete_all();
    }
}

/// Queues a work item when the fence signals: for whatever needs to sleep.
///
/// If the item is queued already, that one run is the one.
pub struct Enqueue<T: WorkItem<Pointer = Arc<T>> + HasWork<T> + Send + Sync + 'static> {
    queue: &'static Queue,
    item: Option<Arc<T>>,
}

impl<T: WorkItem<Pointer = Arc<T>> + HasWork<T> + Send + Sync + 'static> Enqueue<T> {
    /// A callback that queues `item` on `queue`.
    pub fn new(queue: &'static Queue, item: Arc<T>) -> Self {
        Self {
            queue,
            item: Some(item),
        }
    }

    /// The item that has not been queued; for when it was too late for the callback.
    pub fn into_item(self) -> Option<Arc<T>> {
        self.item
    }
}

impl<T: WorkItem<Pointer = Arc<T>> + HasWork<T> + Send + Sync + 'static> FenceCallback
    for Enqueue<T>
{
    fn on_signal(&mut self) {
        if let Some(item) = self.item.take() {
            // It comes back if it is queued already; kept, so that the last reference is not
            // dropped here, in atomic context.
            self.item = self.queue.enqueue(item).err();
        }
    }
}

/// Wakes a task when the fence signals; the task looks for itself whether that is what it waits
/// for.
pub struct Wake(ARef<Task>);

impl Wake {
    /// A callback that wakes `task`.
    pub fn new(task: ARef<Task>) -> Self {
        Self(task)
    }
}

impl FenceCallback for Wake {
    fn on_signal(&mut self) {
        self.0.wake_up();
    }
}
