//! Telling the receivers: one after the other for each, all at once among them, again with growing pauses, and in the end into
//! the file of what could not be delivered. One that does not answer holds up nobody else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use quell_fleet::Ms;
use quell_fleet::text::SafeText;

use crate::cloud::now_ms;
use crate::config::Sink;

use super::alert::Alert;
use super::sink::Post;
use super::store::{Store, WAITING, Waiting};

/// The first pause after a receiver did not take something; doubled each time.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest.
const LONGEST: Duration = Duration::from_secs(300);
/// How long the end of what is being told is waited for.
const ENDING: Duration = Duration::from_secs(40);

/// How long a receiver may refuse one alert before it is given up.
#[derive(Clone, Copy, Debug)]
pub struct Patience(pub Duration);

impl Default for Patience {
    fn default() -> Self {
        Self(Duration::from_secs(3_600))
    }
}

/// What was delivered to whom, and what not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Taken.
    pub sent: u64,
    /// Not taken, and tried again.
    pub failed: u64,
    /// Given up.
    pub dead: u64,
}

/// The sinks, each with a task of its own. Dropping it ends them.
#[derive(Debug)]
pub struct Delivery {
    sinks: Vec<Sink>,
    store: Arc<Mutex<Store>>,
    wake: Vec<Arc<Notify>>,
    tally: Arc<Mutex<HashMap<String, Tally>>>,
    gate: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Delivery {
    /// Begins with what an earlier process left undelivered. Receivers that other guards of the account tell too are told only
    /// while this one `leads`.
    pub fn begin(
        sinks: Vec<Sink>,
        store: Arc<Mutex<Store>>,
        post: &Post,
        patience: Patience,
        leads: bool,
    ) -> Self {
        Self::of(sinks, store, post, patience, leads, Arc::default())
    }

    /// Other receivers from now on. What is being told is told to its end first, so that nobody is told twice; what is found
    /// meanwhile waits for the new ones.
    pub fn replace(&mut self, sinks: Vec<Sink>, post: &Post, patience: Patience) {
        let (store, tally, leads) = (Arc::clone(&self.store), Arc::clone(&self.tally), *self.gate.borrow());
        let new = Self::of(Vec::new(), store, post, patience, leads, tally);
        let old = std::mem::replace(self, new);
        let (ended, begun) = watch::channel(false);
        self.tasks.spawn(async move {
            old.end().await;
            ended.send_replace(true);
        });
        self.spawn(sinks, post, patience, &begun);
    }

    fn of(
        sinks: Vec<Sink>,
        store: Arc<Mutex<Store>>,
        post: &Post,
        patience: Patience,
        leads: bool,
        tally: Arc<Mutex<HashMap<String, Tally>>>,
    ) -> Self {
        let mut new = Self {
            sinks: Vec::new(),
            store,
            wake: Vec::new(),
            tally,
            gate: watch::channel(leads).0,
            stop: watch::channel(false).0,
            tasks: JoinSet::new(),
        };
        new.spawn(sinks, post, patience, &watch::channel(true).1);
        new
    }

    fn spawn(&mut self, sinks: Vec<Sink>, post: &Post, patience: Patience, begun: &watch::Receiver<bool>) {
        for sink in &sinks {
            let called = Arc::new(Notify::new());
            self.wake.push(Arc::clone(&called));
            let worker = Worker {
                sink: sink.clone(),
                store: Arc::clone(&self.store),
                post: post.clone(),
                tally: Arc::clone(&self.tally),
                gate: self.gate.subscribe(),
                begun: begun.clone(),
                stopped: self.stop.subscribe(),
                patience,
            };
            self.tasks.spawn(worker.run(called));
        }
        self.sinks = sinks;
    }

    /// Whom an alert is told.
    fn to(&self, alert: &Alert) -> Vec<String> {
        let wants = |sink: &&Sink| sink.alerts.contains(&alert.kind);
        self.sinks.iter().filter(wants).map(|sink| sink.name.clone()).collect()
    }

    /// Writes alerts down and has them told.
    ///
    /// # Errors
    /// They could not be written down: nobody was told, and they are to be given again.
    pub fn tell(&self, alerts: &[Alert]) -> std::io::Result<()> {
        if alerts.is_empty() {
            return Ok(());
        }
        let lines = alerts.iter().map(|alert| (alert.clone(), self.to(alert))).collect();
        self.store.lock().alerts(lines)?;
        self.wake.iter().for_each(|wake| wake.notify_one());
        Ok(())
    }

    /// Ends it: what is being told is told to its end, so that whoever goes on from the store tells it no second time.
    async fn end(mut self) {
        self.stop.send_replace(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // Longer than any receiver is waited for; what hangs then is aborted.
        let _ = tokio::time::timeout(ENDING, all).await;
    }

    /// This guard is, or is not, the one that tells those whom others tell too.
    pub fn lead(&self, leads: bool) {
        self.gate.send_if_modified(|open| std::mem::replace(open, leads) != leads);
    }

    /// Another guard told those whom both tell of what was found before: they are not told again.
    ///
    /// # Errors
    /// It could not be written down.
    pub fn told_by_another(&self, before: Ms) -> std::io::Result<()> {
        let mut store = self.store.lock();
        for sink in self.sinks.iter().filter(|sink| !sink.way.is_own()) {
            store.skip(&sink.name, before)?;
        }
        Ok(())
    }

    /// What was delivered so far, by receiver.
    pub fn tally(&self) -> HashMap<String, Tally> {
        self.tally.lock().clone()
    }

    /// How many alerts wait for each receiver.
    pub fn waiting(&self) -> Vec<(String, usize)> {
        let store = self.store.lock();
        self.sinks.iter().map(|sink| (sink.name.clone(), store.waiting(&sink.name))).collect()
    }

    /// Waits until everything is delivered, or given up.
    pub async fn settled(&self) {
        while self.waiting().iter().any(|(_, waiting)| *waiting > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

struct Worker {
    sink: Sink,
    store: Arc<Mutex<Store>>,
    post: Post,
    tally: Arc<Mutex<HashMap<String, Tally>>>,
    gate: watch::Receiver<bool>,
    /// Whoever told before has ended.
    begun: watch::Receiver<bool>,
    stopped: watch::Receiver<bool>,
    patience: Patience,
}

impl Worker {
    async fn run(mut self, called: Arc<Notify>) {
        let mut stopped = self.stopped.clone();
        tokio::select! {
            begun = self.begun.wait_for(|begun| *begun) => if begun.is_err() { return },
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        // What waits at the start an earlier process may have told before it was killed.
        let mut again = self.store.lock().next(&self.sink.name).is_some();
        while !*stopped.borrow() {
            if !self.sink.way.is_own() && !*self.gate.borrow() {
                self.relieve().await;
                tokio::select! {
                    open = self.gate.wait_for(|open| *open) => if open.is_err() { return },
                    () = called.notified() => {}
                    _ = stopped.wait_for(|stop| *stop) => return,
                }
                continue;
            }
            let next = self.store.lock().next(&self.sink.name);
            match next {
                Some(waiting) => self.deliver(waiting, again).await,
                None => tokio::select! {
                    () = called.notified() => {}
                    _ = stopped.wait_for(|stop| *stop) => return,
                },
            }
            again = false;
        }
    }

    /// Gives up the oldest of what waits, where too much does and may not be told.
    async fn relieve(&self) {
        loop {
            let oldest = {
                let store = self.store.lock();
                (store.waiting(&self.sink.name) > WAITING).then(|| store.next(&self.sink.name)).flatten()
            };
            let Some(oldest) = oldest else { return };
            self.count(|tally| tally.dead += 1);
            let why = SafeText::new(&format!("more than {WAITING} waited, and another guard had the lease"));
            self.write(|store, name| store.dead(&oldest, name, &why, now_ms())).await;
        }
    }

    async fn deliver(&self, waiting: Waiting, again: bool) {
        let began = tokio::time::Instant::now();
        let mut pause = PAUSE;
        let mut again = again;
        loop {
            let why = match self.post.tell(&self.sink, &waiting.alert, again).await {
                Ok(()) => {
                    self.count(|tally| tally.sent += 1);
                    self.write(|store, name| store.sent(waiting.number, name)).await;
                    return;
                }
                Err(why) => SafeText::new(&why),
            };
            self.count(|tally| tally.failed += 1);
            tracing::warn!(sink = self.sink.name, alert = waiting.alert.id, %why, "an alert was not taken");
            let crowded = self.store.lock().waiting(&self.sink.name) > WAITING;
            if began.elapsed() + pause > self.patience.0 || crowded {
                self.count(|tally| tally.dead += 1);
                self.write(|store, name| store.dead(&waiting, name, &why, now_ms())).await;
                return;
            }
            // A file that was written and could not be synced may have the line already.
            again = true;
            let mut stopped = self.stopped.clone();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // It still waits, for whoever goes on.
                _ = stopped.wait_for(|stop| *stop) => return,
            }
            pause = (pause * 2).min(LONGEST);
        }
    }

    fn count(&self, change: impl FnOnce(&mut Tally)) {
        change(self.tally.lock().entry(self.sink.name.clone()).or_default());
    }

    /// Writes down what became of an alert; until that succeeds it is not forgotten, and nothing else is told.
    async fn write(&self, change: impl Fn(&mut Store, &str) -> std::io::Result<()> + Send) {
        loop {
            let written = change(&mut self.store.lock(), &self.sink.name);
            let Err(error) = written else { return };
            tracing::error!(%error, sink = self.sink.name, "what became of an alert could not be written down");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AlertFormat, AlertKind, Proxies, Secret, SinkWay};
    use crate::guard::judge::own;
    use crate::response::alert::web::Web;

    fn post() -> Post {
        Post {
            web: Arc::new(Web::default()),
            aws: None,
            sns: None,
            voice: None,
            proxies: Proxies::default(),
            host: "host".to_owned(),
        }
    }

    fn sink(name: &str, way: SinkWay) -> Sink {
        Sink { name: name.to_owned(), way, format: AlertFormat::Aws, alerts: AlertKind::ALL.to_vec() }
    }

    async fn until(found: impl Fn() -> bool) {
        let waited = async {
            while !found() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waited).await.unwrap();
    }

    #[tokio::test]
    async fn what_waits_while_another_guard_tells_has_a_bound_and_the_oldest_gives_way() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Mutex::new(Store::open(folder.path()).unwrap()));
        let hook = SinkWay::Webhook(Secret("http://127.0.0.1:9/".to_owned()), None);
        let sinks = vec![sink("hook", hook)];
        let delivery = Delivery::begin(sinks, Arc::clone(&store), &post(), Patience::default(), false);
        let many: Vec<Alert> = (0..WAITING as Ms + 2)
            .map(|at| own(AlertKind::Blind, None, &format!("name {at}"), &"why".into(), at, at))
            .collect();
        delivery.tell(&many).unwrap();
        until(|| delivery.tally().get("hook").is_some_and(|tally| tally.dead == 2)).await;
        assert_eq!(delivery.waiting(), [("hook".to_owned(), WAITING)]);
        assert_eq!(store.lock().next("hook").map(|next| next.alert), Some(many[2].clone()));
        let given_up = std::fs::read_to_string(folder.path().join("undelivered.jsonl")).unwrap();
        assert_eq!(given_up.lines().count(), 2, "{given_up}");
    }

    #[tokio::test]
    async fn what_is_found_while_receivers_are_replaced_is_told_to_the_new_ones() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let store = Arc::new(Mutex::new(Store::open(&folder.path().join("state")).unwrap()));
        let file = |path: &std::path::Path| vec![sink("file", SinkWay::File(path.to_owned()))];
        let mut delivery = Delivery::begin(file(&one), store, &post(), Patience::default(), true);
        let alert = |at: Ms| own(AlertKind::Blind, None, &format!("name {at}"), &"why".into(), at, at);
        delivery.tell(&[alert(1)]).unwrap();
        delivery.settled().await;
        delivery.replace(file(&two), &post(), Patience::default());
        delivery.tell(&[alert(2)]).unwrap();
        delivery.settled().await;
        let lines = |path: &std::path::Path| std::fs::read_to_string(path).unwrap().lines().count();
        assert_eq!((lines(&one), lines(&two)), (1, 1));
        assert_eq!(delivery.tally()["file"].sent, 2, "counted on");
    }
}
