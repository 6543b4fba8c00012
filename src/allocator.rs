//! Where the memory of the programs comes from.

use libmimalloc_sys::{mi_option_set_default, mi_option_t};

/// Training frees and takes megabytes thousands of times a second; the system's allocator gives
/// them back to the kernel every time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of `mimalloc.h`, the same in versions 2 and 3, to which the crate gives no name.
const PURGE_DELAY: mi_option_t = 15;

/// Keeps freed pages for good. After its 10 milliseconds this allocator would give back too what the next
/// round takes again, and the kernel clears it page by page: a tenth of a round. `MIMALLOC_PURGE_DELAY` in
/// the environment wins.
pub(crate) fn keep_freed_pages() {
    // SAFETY: it sets a number, and any number of milliseconds is allowed.
    unsafe { mi_option_set_default(PURGE_DELAY, -1) };
}
