//! A limit on memory, so that an allocation on somebody's word is a finding.

use cap::Cap;
use std::alloc::System;
use std::panic::{set_hook, take_hook};
use std::sync::Once;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Runs `work` with at most `bytes` more than is in use now. An allocation
/// beyond that fails, which ends the process and keeps the input.
pub fn within(bytes: usize, work: impl FnOnce()) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = take_hook();
        set_hook(Box::new(move |panic| {
            // A backtrace takes more memory than most of what is tried here.
            unlimited();
            report(panic);
        }));
    });
    let limit = ALLOCATOR.allocated().saturating_add(bytes);
    // It can only fail when more than the limit is in use already.
    let _ = ALLOCATOR.set_limit(limit);
    work();
    unlimited();
}

fn unlimited() {
    let _ = ALLOCATOR.set_limit(usize::MAX);
}
