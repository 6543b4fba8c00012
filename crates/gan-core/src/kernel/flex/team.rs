//! The threads that kernels share their work with.
//!
//! A round is some hundred parallel passes of a fraction of a millisecond each, with a little work for one
//! thread between them. A pool for any work puts a thread to sleep as soon as it finds nothing to do, and to
//! wake it costs as much as a small pass, above all in a virtual machine. The threads of a team watch for
//! the next pass for a while ([`WATCH`]) before they sleep, as those of OpenMP do; and a pass is handed to
//! them through three numbers.
//!
//! Which thread does which part is left to chance. Parts are cut by whoever calls, from the shapes alone, so
//! results are not.

use std::any::Any;
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a thread without work looks for the next pass before it sleeps. The gaps between the passes of
/// a round are shorter, those between two rounds mostly.
const WATCH: Duration = Duration::from_micros(500);

/// Looks of a waiting thread at the gate before it lets others use its core.
const LOOKS: usize = 4096;

/// The lowest bit of the gate: a pass is open. The others count the threads in it.
const OPEN: usize = 1;
const ENTRANT: usize = 2;

/// Runs `work` for every part, on all threads of the team. For a pass within a pass, or while another
/// thread has the team, the thread that calls does it alone.
///
/// # Panics
///
/// Panics if `work` panics.
pub(crate) fn share<T: Send>(parts: impl Iterator<Item = T>, work: impl Fn(T) + Sync) {
    let parts: Vec<Part<T>> = parts.map(Part::new).collect();
    // SAFETY: `each` asks for every index once.
    each(parts.len(), |index| work(unsafe { parts[index].take() }));
}

/// [`share`] for the numbers below `count`. The team has as many threads as rayon's pool where it is first called.
pub(crate) fn each(count: usize, work: impl Fn(usize) + Sync) {
    static TEAM: OnceLock<&'static Team> = OnceLock::new();
    TEAM.get_or_init(|| Team::new(rayon::current_num_threads() - 1))
        .each(count, &work);
}

/// What `work` makes of the numbers below `count`, in their order.
pub(crate) fn map<R: Send>(count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let mut results: Vec<Option<R>> = (0..count).map(|_| None).collect();
    share(results.iter_mut().enumerate(), |(index, result)| {
        *result = Some(work(index));
    });
    let results = results.into_iter();
    results
        .map(|result| result.expect("every part has been worked on"))
        .collect()
}

/// A part that one thread takes.
struct Part<T>(UnsafeCell<ManuallyDrop<T>>);

// SAFETY: whoever takes it is the only one, which `take` leaves to its caller.
unsafe impl<T: Send> Sync for Part<T> {}

impl<T> Part<T> {
    fn new(value: T) -> Self {
        Self(UnsafeCell::new(ManuallyDrop::new(value)))
    }

    /// # Safety
    ///
    /// May be called once.
    unsafe fn take(&self) -> T {
        // SAFETY: nobody else has a reference to the inside.
        unsafe { ManuallyDrop::take(&mut *self.0.get()) }
    }
}

/// A pass.
#[derive(Clone, Copy)]
struct Pass {
    work: *const (dyn Fn(usize) + Sync),
    count: usize,
    /// Numbers taken together.
    block: usize,
}

struct Team {
    threads: usize,
    /// Somebody's pass is on.
    busy: AtomicBool,
    /// Written while the gate is 0, read by who is in.
    pass: UnsafeCell<Option<Pass>>,
    gate: AtomicUsize,
    /// Passes so far: a thread does not come back to one.
    passes: AtomicUsize,
    /// The next number of the pass.
    next: AtomicUsize,
    /// What a thread panicked with.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    asleep: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
}

// SAFETY: `pass` is written by the one who set `busy`, while the gate is 0; the work it points to is `Sync`.
unsafe impl Sync for Team {}

impl Team {
    /// A team of the thread that calls and so many others.
    fn new(threads: usize) -> &'static Self {
        let team: &'static Self = Box::leak(Box::new(Self {
            threads,
            busy: AtomicBool::new(false),
            pass: UnsafeCell::new(None),
            gate: AtomicUsize::new(0),
            passes: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            panic: Mutex::new(None),
            asleep: AtomicUsize::new(0),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
        }));
        for _ in 0..threads {
            // With fewer threads than wanted the others have more to do.
            let builder = thread::Builder::new().name("gan-kernels".into());
            let _ = builder.spawn(|| team.serve());
        }
        team
    }

    fn each(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
        if self.threads == 0 || count < 2 || self.busy.swap(true, Ordering::Acquire) {
            (0..count).for_each(work);
            return;
        }
        // SAFETY: only the lifetime changes. `Open` below waits until nobody is in the pass any more, also
        // if this thread unwinds.
        let work = unsafe {
            std::mem::transmute::<&(dyn Fn(usize) + Sync), *const (dyn Fn(usize) + Sync)>(work)
        };
        let pass = Pass {
            work,
            count,
            block: (count / (4 * (self.threads + 1))).max(1),
        };
        let open = Open::new(self, pass);
        self.take_part(pass);
        drop(open);
    }

    /// Works on what is left.
    fn take_part(&self, pass: Pass) {
        loop {
            let first = self.next.fetch_add(pass.block, Ordering::Relaxed);
            if first >= pass.count {
                return;
            }
            for index in first..pass.count.min(first + pass.block) {
                // SAFETY: it lives until all have left the pass.
                unsafe { (*pass.work)(index) };
            }
        }
    }

    /// The life of a thread.
    fn serve(&self) {
        let mut last = 0;
        loop {
            self.wait_for_pass_after(last);
            last = self.passes.load(Ordering::Relaxed);
            let gate = self.gate.load(Ordering::Relaxed);
            let entered = gate & OPEN != 0
                && self
                    .gate
                    .compare_exchange(gate, gate + ENTRANT, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok();
            if !entered {
                // The pass is over, or somebody else entered at this moment.
                last = last.wrapping_sub(1);
                spin_loop();
                continue;
            }
            // SAFETY: whoever opened the gate wrote it before, and writes no other before this thread left.
            let pass = unsafe { *self.pass.get() }.expect("the gate is open");
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.take_part(pass))) {
                *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
            }
            self.gate.fetch_sub(ENTRANT, Ordering::Release);
        }
    }

    /// Returns when there is, or was, a pass after `last`.
    fn wait_for_pass_after(&self, last: usize) {
        let is_new = || {
            self.gate.load(Ordering::SeqCst) & OPEN != 0
                && self.passes.load(Ordering::Relaxed) != last
        };
        let begin = Instant::now();
        while begin.elapsed() < WATCH {
            for _ in 0..64 {
                if is_new() {
                    return;
                }
                spin_loop();
            }
        }
        let mut guard = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
        self.asleep.fetch_add(1, Ordering::SeqCst);
        while !is_new() {
            guard = self
                .wake
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.asleep.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A pass is on; when it is dropped, it is over.
struct Open<'a>(&'a Team);

impl<'a> Open<'a> {
    fn new(team: &'a Team, pass: Pass) -> Self {
        // SAFETY: the gate is 0 and this thread has the team, so nobody else looks at it.
        unsafe { *team.pass.get() = Some(pass) };
        team.next.store(0, Ordering::Relaxed);
        team.passes.fetch_add(1, Ordering::Relaxed);
        team.gate.store(OPEN, Ordering::SeqCst);
        // A thread counts itself as asleep before it looks at the gate for the last time, so one of the two
        // sees the other.
        if team.asleep.load(Ordering::SeqCst) > 0 {
            drop(team.sleep.lock().unwrap_or_else(PoisonError::into_inner));
            team.wake.notify_all();
        }
        Self(team)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let team = self.0;
        team.gate.fetch_and(!OPEN, Ordering::Relaxed);
        let mut looks = 0;
        while team.gate.load(Ordering::Acquire) != 0 {
            looks += 1;
            if looks < LOOKS {
                spin_loop();
            } else {
                thread::yield_now();
            }
        }
        let panic = team
            .panic
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        team.busy.store(false, Ordering::Release);
        if let Some(panic) = panic
            && !thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn team() -> &'static Team {
        Team::new(3)
    }

    #[test]
    fn every_number_comes_once_whatever_the_count() {
        let team = team();
        for count in (0..40).chain([1000, 4097]) {
            let seen: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
            team.each(count, &|index| {
                seen[index].fetch_add(1, Ordering::Relaxed);
            });
            assert!(seen.iter().all(|seen| seen.load(Ordering::Relaxed) == 1));
        }
    }

    #[test]
    fn many_short_passes_and_pauses_lose_nothing() {
        let team = team();
        let total = AtomicUsize::new(0);
        for pass in 0..20_000 {
            team.each(5, &|index| {
                total.fetch_add(index, Ordering::Relaxed);
            });
            if pass % 4000 == 0 {
                thread::sleep(2 * WATCH); // long enough for all to fall asleep
            }
        }
        assert_eq!(total.into_inner(), 20_000 * 10);
    }

    #[test]
    fn several_threads_take_part() {
        let team = team();
        let names = Mutex::new(std::collections::BTreeSet::new());
        team.each(4, &|_| {
            names
                .lock()
                .unwrap()
                .insert(format!("{:?}", thread::current().id()));
            // Nobody gets all four while the others sleep.
            thread::sleep(Duration::from_millis(50));
        });
        assert!(names.into_inner().unwrap().len() > 1);
    }

    #[test]
    fn a_pass_within_a_pass_and_passes_of_several_threads_end() {
        let team = team();
        let total = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        team.each(4, &|_| {
                            team.each(3, &|_| {
                                total.fetch_add(1, Ordering::Relaxed);
                            });
                        });
                    }
                });
            }
        });
        assert_eq!(total.into_inner(), 4 * 200 * 12);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_goes_on() {
        let team = team();
        for bad in 0..8 {
            let result = catch_unwind(AssertUnwindSafe(|| {
                team.each(8, &|index| {
                    thread::sleep(Duration::from_millis(1));
                    assert!(index != bad, "part {index}");
                });
            }));
            let panic = result.unwrap_err();
            let text = panic.downcast_ref::<String>().unwrap();
            assert!(text.contains(&format!("part {bad}")), "{text}");
        }
        let count = AtomicUsize::new(0);
        team.each(8, &|_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(count.into_inner(), 8);
    }

    #[test]
    fn parts_and_results_keep_their_places() {
        let mut values = vec![0; 100];
        share(values.chunks_mut(7).enumerate(), |(index, part)| {
            part.fill(index)
        });
        assert!((0..100).all(|i| values[i] == i / 7));
        assert_eq!(map(5, |index| index * index), [0, 1, 4, 9, 16]);
    }
}
