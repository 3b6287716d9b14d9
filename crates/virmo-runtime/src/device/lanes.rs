use std::{
    collections::{BTreeMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use omadm_mo::{Job, JobEnd, JobId};

/// Runs jobs: those of one lane one after the other, lanes side by side, each on a thread that
/// lives as long as its lane has work.
///
/// A job that never returns blocks its own lane, and those whose jobs wait for the same machine.
pub(crate) struct Lanes {
    queues: Arc<Queues>,
    report: Arc<dyn Fn(JobId, JobEnd) + Send + Sync>,
}

/// The waiting jobs of each lane that has a thread.
type Queues = Mutex<BTreeMap<String, VecDeque<Job>>>;

impl Lanes {
    /// `report` is called on the lane's thread when a job has ended.
    pub(crate) fn new(report: impl Fn(JobId, JobEnd) + Send + Sync + 'static) -> Self {
        Self {
            queues: Arc::default(),
            report: Arc::new(report),
        }
    }

    /// Runs a job after those its lane already has.
    pub(crate) fn run(&self, job: Job) {
        let (id, lane) = (job.id, job.lane.clone());
        {
            let mut queues = lock(&self.queues);
            if let Some(queue) = queues.get_mut(&lane) {
                queue.push_back(job);
                return;
            }
            queues.insert(lane.clone(), VecDeque::from([job]));
        }
        let (queues, report) = (Arc::clone(&self.queues), Arc::clone(&self.report));
        let worker = {
            let lane = lane.clone();
            move || work(&queues, &lane, &*report)
        };
        if thread::Builder::new()
            .name(lane.replace('\0', " "))
            .spawn(worker)
            .is_err()
        {
            lock(&self.queues).remove(&lane);
            (self.report)(id, JobEnd::Lost);
        }
    }
}

fn work(queues: &Queues, lane: &str, report: &(dyn Fn(JobId, JobEnd) + Send + Sync)) {
    loop {
        let job = {
            let mut queues = lock(queues);
            match queues.get_mut(lane).and_then(VecDeque::pop_front) {
                Some(job) => job,
                None => {
                    // Under the same lock, so that no job can slip into a queue without a thread.
                    queues.remove(lane);
                    return;
                }
            }
        };
        let id = job.id;
        let end = match catch_unwind(AssertUnwindSafe(|| job.run())) {
            Ok(output) => JobEnd::Finished(output),
            Err(_) => JobEnd::Lost,
        };
        report(id, end);
    }
}

fn lock(queues: &Queues) -> MutexGuard<'_, BTreeMap<String, VecDeque<Job>>> {
    queues.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn job(number: u64, lane: &str, work: impl FnOnce() -> u64 + Send + 'static) -> Job {
        Job {
            id: JobId::new(number),
            lane: lane.to_owned(),
            label: String::new(),
            time_limit: None,
            before_sessions: false,
            background: false,
            work: Box::new(move || Box::new(work())),
        }
    }

    fn lanes() -> (Lanes, mpsc::Receiver<(u64, Option<u64>)>) {
        let (sender, receiver) = mpsc::channel();
        let lanes = Lanes::new(move |id, end| {
            let value = match end {
                JobEnd::Finished(output) => output.downcast::<u64>().ok().map(|value| *value),
                _ => None,
            };
            sender.send((id.get(), value)).unwrap();
        });
        (lanes, receiver)
    }

    #[test]
    fn a_lane_keeps_order_and_survives_a_panic() {
        let (lanes, ended) = lanes();
        let (go, gate) = mpsc::channel::<()>();
        lanes.run(job(1, "vm", move || {
            gate.recv().unwrap();
            10
        }));
        lanes.run(job(2, "vm", || panic!("on purpose")));
        lanes.run(job(3, "vm", || 30));
        go.send(()).unwrap();
        let ends: Vec<_> = (0..3)
            .map(|_| ended.recv_timeout(PATIENCE).unwrap())
            .collect();
        assert_eq!(ends, [(1, Some(10)), (2, None), (3, Some(30))]);
    }

    #[test]
    fn a_blocked_lane_blocks_no_other() {
        let (lanes, ended) = lanes();
        let (go, gate) = mpsc::channel::<()>();
        lanes.run(job(1, "hung", move || {
            let _ = gate.recv();
            1
        }));
        lanes.run(job(2, "hung", || 2));
        lanes.run(job(3, "free", || 3));
        assert_eq!(ended.recv_timeout(PATIENCE), Ok((3, Some(3))));
        drop(go);
        assert_eq!(ended.recv_timeout(PATIENCE), Ok((1, Some(1))));
        assert_eq!(ended.recv_timeout(PATIENCE), Ok((2, Some(2))));
    }

    #[test]
    fn a_lane_that_ran_dry_starts_again() {
        let (lanes, ended) = lanes();
        for number in 0..200 {
            lanes.run(job(number, "vm", move || number));
            assert_eq!(ended.recv_timeout(PATIENCE), Ok((number, Some(number))));
        }
    }
}
