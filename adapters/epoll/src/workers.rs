//! A bounded pool of threads for handlers that compute or block.
//!
//! Jobs have a key, such as a connection's token: jobs of one key run one after another in the order they
//! came, jobs of different keys beside each other. Threads, waiting jobs and idle time are bounded. A job
//! that panics ends nothing but itself. The pool does not know what jobs do, nor where results go.

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

type Job = Box<dyn FnOnce() + Send>;
type OnPanic = Arc<dyn Fn(u64) + Send + Sync>;

/// The most threads that a pool can have.
pub const THREADS_MAX: usize = 1024;

/// How a pool is set up.
#[derive(Clone)]
pub struct Config {
    /// The most threads. Default: one for each core.
    pub threads: usize,
    /// The most jobs that are accepted and not finished, running ones included. Default: 1024.
    pub jobs: usize,
    /// How long a thread without work stays. Default: 10 seconds.
    pub idle: Duration,
    /// Called with the key of a job that panicked, on the thread that ran it. Default: nothing.
    pub on_panic: OnPanic,
}

impl Default for Config {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { threads, jobs: 1024, idle: Duration::from_secs(10), on_panic: Arc::new(|_| ()) }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("threads", &self.threads)
            .field("jobs", &self.jobs)
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}

/// Why a job was not accepted. It was dropped without being run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubmitError {
    /// As many jobs as the pool may hold are waiting or running.
    Full,
    /// The pool has been shut down.
    Closed,
    /// No thread runs and the operating system refused to start one.
    NoThread,
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the worker pool is full",
            Self::Closed => "the worker pool has been shut down",
            Self::NoThread => "no worker thread could be started",
        })
    }
}

impl std::error::Error for SubmitError {}

/// What a pool does and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Threads that exist.
    pub threads: usize,
    /// Threads that have nothing to do.
    pub idle: usize,
    /// Jobs accepted and not finished.
    pub jobs: usize,
    /// Jobs that ran to their end.
    pub finished: u64,
    /// Jobs that panicked.
    pub panicked: u64,
    /// Jobs refused because the pool was full.
    pub refused: u64,
}

/// What a shutdown left behind: nothing, when everything was done in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Jobs that were dropped without being run.
    pub dropped: usize,
    /// Jobs that were still running. Their threads end after them.
    pub running: usize,
}

/// The pool. Clones submit to the same one.
#[derive(Clone)]
pub struct Workers {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Signalled when a job ends: there is room, or nothing is left to do.
    ended: Condvar,
    ready: Sender<Task>,
    tasks: Receiver<Task>,
    idle: Duration,
    on_panic: OnPanic,
}

struct State {
    counters: Counters,
    /// For each key with a job ready or running: the jobs behind that one.
    behind: HashMap<u64, VecDeque<Job>>,
    threads_max: usize,
    jobs_max: usize,
    closed: bool,
}

enum Task {
    Run(u64, Job),
    /// One thread ends.
    Retire,
}

impl Workers {
    /// A pool. Threads start when there is work.
    pub fn new(config: Config) -> Self {
        let jobs_max = config.jobs.max(1);
        // Every job that is ready has been counted, so this never fills with jobs.
        let (ready, tasks) = bounded(jobs_max + THREADS_MAX);
        let state = State {
            counters: Counters::default(),
            behind: HashMap::new(),
            threads_max: config.threads.clamp(1, THREADS_MAX),
            jobs_max,
            closed: false,
        };
        let shared = Shared {
            state: Mutex::new(state),
            ended: Condvar::new(),
            ready,
            tasks,
            idle: config.idle,
            on_panic: config.on_panic,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Hands a job over, waiting for room if the pool is full.
    ///
    /// Never call this from a reactor's thread, which serves other connections meanwhile, nor from a job.
    ///
    /// # Errors
    /// [`SubmitError::Closed`] or [`SubmitError::NoThread`].
    pub fn submit(&self, key: u64, job: impl FnOnce() + Send + 'static) -> Result<(), SubmitError> {
        let mut state = self.shared.lock();
        while !state.closed && state.counters.jobs >= state.jobs_max {
            state = self.shared.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        self.accept(state, key, Box::new(job))
    }

    /// Hands a job over if there is room.
    ///
    /// # Errors
    /// [`SubmitError::Full`], [`SubmitError::Closed`] or [`SubmitError::NoThread`].
    pub fn try_submit(&self, key: u64, job: impl FnOnce() + Send + 'static) -> Result<(), SubmitError> {
        let mut state = self.shared.lock();
        if !state.closed && state.counters.jobs >= state.jobs_max {
            state.counters.refused += 1;
            return Err(SubmitError::Full);
        }
        self.accept(state, key, Box::new(job))
    }

    /// Changes the most threads, at least one. Threads too many end after the job they are at.
    pub fn resize(&self, threads: usize) {
        let mut state = self.shared.lock();
        state.threads_max = threads.clamp(1, THREADS_MAX);
        let surplus = state.counters.threads.saturating_sub(state.threads_max).min(state.counters.idle);
        for _ in 0..surplus {
            // When there is no room, idle time ends the thread a little later.
            let _ = self.shared.ready.try_send(Task::Retire);
        }
        while state.counters.threads < state.behind.len() && self.start(&mut state) {}
    }

    /// What the pool does and has done.
    pub fn counters(&self) -> Counters {
        self.shared.lock().counters
    }

    /// Accepts no more jobs, runs those it has for at most `grace`, drops the rest and ends the threads.
    pub fn shutdown(&self, grace: Duration) -> Leftover {
        let until = Instant::now().checked_add(grace);
        let mut state = self.shared.lock();
        state.closed = true;
        self.shared.ended.notify_all();
        while state.counters.jobs > 0 {
            let left = until.map_or(grace, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            let waited = self.shared.ended.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut dropped: Vec<Job> = state.behind.values_mut().flat_map(core::mem::take).collect();
        while let Ok(task) = self.shared.tasks.try_recv() {
            if let Task::Run(key, job) = task {
                state.behind.remove(&key);
                dropped.push(job);
            }
        }
        state.counters.jobs = state.counters.jobs.saturating_sub(dropped.len());
        for _ in 0..state.counters.threads {
            let _ = self.shared.ready.try_send(Task::Retire);
        }
        let leftover = Leftover { dropped: dropped.len(), running: state.counters.jobs };
        while state.counters.threads > leftover.running {
            // Threads without a job end at once.
            state = self.shared.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        // A job's drop is foreign code: it runs without the lock.
        drop(state);
        leftover
    }

    fn accept(&self, mut state: MutexGuard<'_, State>, key: u64, job: Job) -> Result<(), SubmitError> {
        if state.closed {
            return Err(SubmitError::Closed);
        }
        if let Some(behind) = state.behind.get_mut(&key) {
            behind.push_back(job);
            state.counters.jobs += 1;
            return Ok(());
        }
        // A thread for each key that is ready or running, as far as the bound allows.
        if state.behind.len() >= state.counters.threads {
            self.start(&mut state);
        }
        if state.counters.threads == 0 {
            return Err(SubmitError::NoThread);
        }
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.shared.ready.try_send(Task::Run(key, job))
        {
            state.counters.refused += 1;
            return Err(SubmitError::Full);
        }
        state.behind.insert(key, VecDeque::new());
        state.counters.jobs += 1;
        Ok(())
    }

    /// Starts a thread if there may be one more.
    fn start(&self, state: &mut State) -> bool {
        if state.counters.threads >= state.threads_max {
            return false;
        }
        let shared = self.shared.clone();
        let started = std::thread::Builder::new().name("worker".into()).spawn(move || shared.work()).is_ok();
        if started {
            state.counters.threads += 1;
            state.counters.idle += 1;
        }
        started
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("counters", &self.counters()).finish()
    }
}

impl Shared {
    /// What one thread does: jobs, until it is not needed.
    fn work(&self) {
        loop {
            let task = self.tasks.recv_timeout(self.idle);
            let mut state = self.lock();
            match task {
                Ok(Task::Run(key, job)) => {
                    state.counters.idle -= 1;
                    drop(state);
                    let sound = catch_unwind(AssertUnwindSafe(job)).is_ok();
                    if !sound {
                        // The hook is foreign code too.
                        let _ = catch_unwind(AssertUnwindSafe(|| (self.on_panic)(key)));
                    }
                    if self.finish(key, sound) {
                        return;
                    }
                }
                // A job came between the end of the wait and the lock.
                Err(RecvTimeoutError::Timeout) if !self.tasks.is_empty() => {}
                // A later resize, or another thread's end, made this one needed again.
                Ok(Task::Retire) if !state.closed && state.counters.threads <= state.threads_max => {}
                Ok(Task::Retire) | Err(_) => {
                    state.counters.idle -= 1;
                    state.counters.threads -= 1;
                    drop(state);
                    self.ended.notify_all();
                    return;
                }
            }
        }
    }

    /// Counts a job as done, makes the next one of its key ready, and says whether the thread is to end.
    fn finish(&self, key: u64, sound: bool) -> bool {
        let mut state = self.lock();
        state.counters.jobs = state.counters.jobs.saturating_sub(1);
        *(if sound { &mut state.counters.finished } else { &mut state.counters.panicked }) += 1;
        match state.behind.get_mut(&key).and_then(VecDeque::pop_front) {
            // Behind the jobs of other keys, so that no key keeps a thread to itself.
            Some(job) => drop(self.ready.try_send(Task::Run(key, job))),
            None => drop(state.behind.remove(&key)),
        }
        let surplus = state.counters.threads > state.threads_max;
        if surplus {
            state.counters.threads -= 1;
        } else {
            state.counters.idle += 1;
        }
        drop(state);
        self.ended.notify_all();
        surplus
    }

    /// No foreign code runs under the lock, so it cannot be left half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn pool(threads: usize, jobs: usize) -> Workers {
        Workers::new(Config { threads, jobs, ..Config::default() })
    }

    /// Waits for a state that other threads bring about; it is reached or the test hangs.
    fn until(workers: &Workers, reached: impl Fn(Counters) -> bool) -> Counters {
        loop {
            let counters = workers.counters();
            if reached(counters) {
                return counters;
            }
            std::thread::yield_now();
        }
    }

    /// A job that runs until it is let go, and the way to let it go. It says when it has begun.
    fn gate() -> (impl FnOnce() + Send, mpsc::Receiver<()>, mpsc::Sender<()>) {
        let (begun, has_begun) = mpsc::channel();
        let (go, may_go) = mpsc::channel();
        let job = move || {
            begun.send(()).unwrap();
            may_go.recv().unwrap_or(());
        };
        (job, has_begun, go)
    }

    #[test]
    fn jobs_of_one_key_run_in_order_and_never_beside_each_other() {
        let workers = pool(4, 10_000);
        let log = Arc::new(Mutex::new(HashMap::<u64, Vec<usize>>::new()));
        let running = Arc::new(Mutex::new(std::collections::HashSet::new()));
        for at in 0..3000 {
            let key = at as u64 % 7;
            let (log, running) = (log.clone(), running.clone());
            let job = move || {
                assert!(running.lock().unwrap().insert(key));
                log.lock().unwrap().entry(key).or_default().push(at);
                assert!(running.lock().unwrap().remove(&key));
            };
            workers.submit(key, job).unwrap();
        }
        assert_eq!(workers.shutdown(Duration::MAX), Leftover { dropped: 0, running: 0 });
        let counters = workers.counters();
        assert_eq!((counters.finished, counters.panicked, counters.threads), (3000, 0, 0));
        for (key, order) in log.lock().unwrap().iter() {
            assert_eq!(*order, (0..3000).filter(|at| at % 7 == *key as usize).collect::<Vec<_>>());
        }
    }

    #[test]
    fn different_keys_run_beside_each_other() {
        let workers = pool(2, 10);
        let (first, first_begun, first_go) = gate();
        let (second, second_begun, second_go) = gate();
        workers.submit(1, first).unwrap();
        workers.submit(2, second).unwrap();
        first_begun.recv().unwrap();
        second_begun.recv().unwrap();
        assert_eq!(workers.counters().threads, 2);
        drop((first_go, second_go));
        until(&workers, |counters| counters.finished == 2 && counters.idle == 2);
    }

    #[test]
    fn a_full_pool_refuses_or_waits() {
        let workers = pool(1, 2);
        let (job, begun, go) = gate();
        workers.try_submit(1, job).unwrap();
        begun.recv().unwrap();
        workers.try_submit(2, || ()).unwrap();
        assert_eq!(workers.try_submit(2, || ()), Err(SubmitError::Full));
        assert_eq!(workers.try_submit(3, || ()), Err(SubmitError::Full));
        assert_eq!(workers.counters().refused, 2);
        let waiting = workers.clone();
        let submitter = std::thread::spawn(move || waiting.submit(3, || ()));
        drop(go);
        submitter.join().unwrap().unwrap();
        until(&workers, |counters| counters.finished == 3 && counters.jobs == 0);
    }

    #[test]
    fn a_panic_ends_only_its_job() {
        let (report, panics) = mpsc::channel();
        let report = Mutex::new(report);
        let on_panic: OnPanic = Arc::new(move |key| {
            report.lock().unwrap().send(key).unwrap();
            panic!("the hook panics too");
        });
        let workers = Workers::new(Config { threads: 1, jobs: 10, on_panic, ..Config::default() });
        let (done, finished) = mpsc::channel();
        workers.submit(42, || panic!("a job fails")).unwrap();
        workers.submit(42, move || done.send("next").unwrap()).unwrap();
        assert_eq!(panics.recv(), Ok(42));
        assert_eq!(finished.recv(), Ok("next"));
        let counters = until(&workers, |counters| counters.jobs == 0);
        assert_eq!((counters.finished, counters.panicked, counters.threads), (1, 1, 1));
    }

    #[test]
    fn it_is_resized_while_it_runs() {
        let workers = pool(1, 100);
        let gates: Vec<_> = (0..3)
            .map(|key| {
                let (job, begun, go) = gate();
                workers.submit(key, job).unwrap();
                (begun, go)
            })
            .collect();
        gates[0].0.recv().unwrap();
        assert_eq!(workers.counters().threads, 1);
        workers.resize(3);
        gates[1].0.recv().unwrap();
        gates[2].0.recv().unwrap();
        workers.resize(1);
        workers.resize(1);
        drop(gates);
        until(&workers, |counters| counters.threads == 1 && counters.jobs == 0);
        // The one that is left still works, whatever was asked to retire.
        workers.submit(9, || ()).unwrap();
        until(&workers, |counters| counters.finished == 4);
    }

    #[test]
    fn idle_threads_retire_and_come_back() {
        let idle = Duration::from_millis(1);
        let workers = Workers::new(Config { threads: 3, idle, ..Config::default() });
        for round in 1..=3 {
            workers.submit(round, || ()).unwrap();
            until(&workers, |counters| counters.finished == round && counters.threads == 0);
        }
    }

    #[test]
    fn a_shutdown_drops_what_it_cannot_wait_for() {
        let workers = pool(1, 10);
        let (job, begun, go) = gate();
        workers.submit(1, job).unwrap();
        begun.recv().unwrap();
        let never = Arc::new(());
        for key in [1, 1, 2] {
            let never = never.clone();
            workers.submit(key, move || drop(never)).unwrap();
        }
        assert_eq!(workers.shutdown(Duration::ZERO), Leftover { dropped: 3, running: 1 });
        assert_eq!(Arc::strong_count(&never), 1);
        assert_eq!(workers.submit(5, || ()), Err(SubmitError::Closed));
        assert_eq!(workers.try_submit(5, || ()), Err(SubmitError::Closed));
        drop(go);
        let counters = until(&workers, |counters| counters.threads == 0);
        assert_eq!((counters.finished, counters.jobs), (1, 0));
    }

    #[test]
    fn a_waiting_submitter_hears_of_the_shutdown() {
        let workers = pool(1, 1);
        let (job, begun, go) = gate();
        workers.submit(1, job).unwrap();
        begun.recv().unwrap();
        let waiting = workers.clone();
        let submitter = std::thread::spawn(move || waiting.submit(3, || ()));
        workers.shutdown(Duration::ZERO);
        assert_eq!(submitter.join().unwrap(), Err(SubmitError::Closed));
        drop(go);
    }
}
