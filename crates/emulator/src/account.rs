//! One emulated AWS account in one region: its stores behind one lock, its clock, its log, its broker.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Weak};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio_util::sync::CancellationToken;

use super::api::arn::{Arns, partition};
use super::api::connections::DeletePace;
use super::api::front::Throttle;
use super::api::iam::Iam;
#[cfg(test)]
use super::api::iam::Owner;
use super::api::policy::PolicyCache;
use super::api::registry::ThingSpec;
use super::broker::{Action, Broker};
use super::clock::Clock;
use super::cloud::Terms;
use super::faults::Faults;
use super::store::Wal;

/// What the account holds. One lock for all of it: an operation sees one consistent state, and no two locks can be
/// taken in the wrong order. The broker's hot path does not come here: policies are cached per session, as in AWS.
pub(crate) struct State {
    /// Things, thing groups and memberships.
    pub registry: super::api::registry::Registry,
    /// Certificates, policies and what is attached to what.
    pub identity: super::api::identity::Identity,
    /// Device shadows, classic and named.
    pub shadows: super::api::shadows::Shadows,
    /// Jobs and their executions.
    pub jobs: super::api::jobs::Jobs,
    /// Security profiles, metric windows and violations.
    pub detect: super::api::detect::DetectStore,
    /// Audit settings, audits and findings.
    pub audit: super::api::audit::AuditStore,
    /// Mitigation actions and the tasks that apply them.
    pub mitigation: super::api::mitigation::MitigationStore,
    /// What fleet indexing indexes.
    pub indexing: super::api::indexing::IndexStore,
    /// CA certificates.
    pub authorities: super::api::authorities::Authorities,
    /// Role aliases.
    pub role_aliases: super::store::Table<super::api::role_aliases::RoleAlias>,
    /// Custom authorizers.
    pub authorizers: super::api::authorizers::Authorizers,
    /// Domain configurations; AWS IoT's own only once they were changed.
    pub domains: super::store::Table<super::api::domains::Domain>,
    /// Provisioning templates.
    pub provisioning: super::store::Table<super::api::provisioning::templates::Template>,
    /// Bulk registrations of things.
    pub registration_tasks: super::store::Table<super::api::provisioning::bulk::Task>,
    /// Logging options.
    pub logging: super::api::logging::Logging,
}

/// One account in one region.
pub struct Account {
    /// The twelve-digit account id.
    pub(crate) id: String,
    /// The region name, `us-east-1` by default.
    pub(crate) region: String,
    /// Wall time and the speed of durations.
    pub(crate) clock: Clock,
    /// The log behind every table.
    pub(crate) wal: Wal,
    /// The account's ARNs.
    pub(crate) arns: Arns,
    /// The policies its connections live with.
    pub(crate) policies: PolicyCache,
    /// When each client was last cut by DeleteConnection.
    pub(crate) delete_pace: DeletePace,
    /// Buckets and objects. Under a lock of their own, never held with another.
    pub(crate) objects: super::api::s3::Objects,
    /// CloudWatch's datapoints. Under a lock of their own, never held with another.
    pub(crate) metrics: super::api::cloudwatch::Metrics,
    /// SNS topics and subscriptions. Under a lock of their own, never held with another.
    pub(crate) sns: super::api::sns::Sns,
    /// Who connected with which certificate. Under a lock of its own, never held with another.
    pub(crate) trail: super::api::audit::Trail,
    /// What is noted while a drill is on.
    pub(crate) ledger: super::drill::ledger::Ledger,
    /// Topic rules. Read without a lock.
    pub(crate) rules: super::api::rules::Rules,
    /// Who may sign.
    pub(crate) iam: Arc<Iam>,
    /// Requests a second for each operation; `None` without limits.
    pub(crate) throttle: Option<Throttle>,
    /// What it has in common with the emulator's other accounts.
    pub(crate) terms: Arc<Terms>,
    state: RwLock<State>,
    broker: Arc<Broker>,
    me: Weak<Self>,
    ended: CancellationToken,
}

impl Account {
    /// An account over what `wal` holds; empty when it holds nothing.
    pub(crate) fn new(id: &str, region: &str, wal: Wal, terms: Arc<Terms>) -> Arc<Self> {
        let clock = terms.clock;
        let arns = Arns::new(region, id);
        let state = State {
            registry: super::api::registry::Registry::open(&wal, arns.clone()),
            identity: super::api::identity::Identity::open(&wal, arns.clone()),
            shadows: super::api::shadows::Shadows::open(&wal),
            jobs: super::api::jobs::Jobs::open(&wal),
            detect: super::api::detect::DetectStore::open(&wal, clock),
            audit: super::api::audit::AuditStore::open(&wal),
            mitigation: super::api::mitigation::MitigationStore::open(&wal),
            indexing: super::api::indexing::IndexStore::open(&wal, terms.index),
            authorities: super::api::authorities::Authorities::open(&wal),
            role_aliases: super::store::Table::open(&wal, "role-aliases"),
            authorizers: super::api::authorizers::Authorizers::open(&wal),
            domains: super::store::Table::open(&wal, "domain-configurations"),
            provisioning: super::store::Table::open(&wal, "provisioning-templates"),
            registration_tasks: super::api::provisioning::bulk::open(&wal),
            logging: super::api::logging::Logging::open(&wal),
        };
        let objects = super::api::s3::Objects::open(&wal);
        let metrics = super::api::cloudwatch::Metrics::open(&wal, clock.now_ms());
        let sns = super::api::sns::Sns::open(&wal);
        let rules = super::api::rules::Rules::open(&wal);
        let throttle = terms.throttle.then(|| Throttle::new(clock.speed()));
        let made = Arc::new_cyclic(|me: &Weak<Self>| Self {
            broker: Broker::new(me.clone(), &wal, clock, terms.limits.clone()),
            me: me.clone(),
            ended: CancellationToken::new(),
            trail: super::api::audit::Trail::default(),
            ledger: super::drill::ledger::Ledger::default(),
            rules,
            sns,
            metrics,
            objects,
            id: id.to_owned(),
            region: region.to_owned(),
            clock,
            wal,
            arns,
            policies: PolicyCache::default(),
            delete_pace: DeletePace::default(),
            throttle,
            iam: Arc::clone(&terms.iam),
            terms,
            state: RwLock::new(state),
        });
        let mut accounts = made.terms.accounts.lock();
        accounts.retain(|account| account.strong_count() > 0);
        accounts.push(Arc::downgrade(&made));
        drop(accounts);
        made
    }

    /// An account for the tests of its stores.
    #[cfg(test)]
    pub(crate) fn open(
        id: &str,
        region: &str,
        clock: Clock,
        wal: Wal,
        access_key: &str,
        secret_key: &str,
    ) -> Arc<Self> {
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let terms = Terms {
            region: region.to_owned(),
            clock,
            limits: super::broker::Limits::default(),
            throttle: true,
            index: false,
            iam: Arc::new(Iam::new(
                Owner { account: id.to_owned(), key: access_key.to_owned(), secret: secret_key.to_owned() },
                Vec::new(),
                false,
            )),
            faults: Faults::default(),
            places: super::places::Places::default(),
            http: any,
            mqtts: any,
            outbox: None,
            participants: BTreeMap::new(),
            state: None,
            accounts: parking_lot::Mutex::default(),
        };
        Self::new(id, region, wal, Arc::new(terms))
    }

    /// The twelve-digit account id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What goes wrong on order, here and in the emulator's other accounts.
    pub fn faults(&self) -> &Faults {
        &self.terms.faults
    }

    /// Replaces the identities beside the account's own key by those of `text`, in the form of `--iam FILE`.
    ///
    /// # Errors
    /// What is wrong with it; nothing is changed then.
    pub fn set_identities(&self, text: &str) -> Result<(), String> {
        self.iam.set(text)
    }

    /// What IAM decides when the access key id `key` does `action` on the bare name `resource` over MQTT.
    pub fn identity_may(&self, key: &str, action: Action, resource: &str) -> bool {
        self.iam.allows_mqtt(self, key, action, resource)
    }

    /// Registers things with their attributes, faster than a client could: for tests and measurements of large fleets.
    ///
    /// # Errors
    /// CreateThing's first refusal, in words; the things before it are there.
    pub fn create_things(
        &self,
        things: impl IntoIterator<Item = (String, BTreeMap<String, String>)>,
    ) -> Result<(), String> {
        let now = self.clock.now_ms();
        let mut state = self.write();
        for (name, attributes) in things {
            let spec = ThingSpec { attributes, ..ThingSpec::default() };
            state.registry.create_thing(&name, spec, now).map_err(|error| error.message)?;
        }
        Ok(())
    }

    /// Reads the state. Never hold the guard across an await or a call into the broker.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read()
    }

    /// Changes the state. Never hold the guard across an await or a call into the broker; acknowledge only after
    /// [`Wal::commit`].
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write()
    }

    /// The account's broker.
    pub fn broker(&self) -> &Arc<Broker> {
        &self.broker
    }

    /// The other accounts in its region, of those who may have to do with it: a room's participants are kept apart.
    pub(crate) fn peers(&self) -> Vec<Arc<Self>> {
        if !self.terms.participants.is_empty() {
            return Vec::new();
        }
        let accounts: Vec<_> = self.terms.accounts.lock().iter().filter_map(Weak::upgrade).collect();
        let other =
            |peer: &Arc<Self>| peer.region == self.region && peer.id != self.id && !peer.ended.is_cancelled();
        accounts.into_iter().filter(other).collect()
    }

    /// The account for work that goes on elsewhere; `None` while it ends.
    pub(crate) fn shared(&self) -> Option<Arc<Self>> {
        self.me.upgrade()
    }

    /// Runs what takes time within the runtime this is called from, until the account ends; nothing outside of one.
    pub(crate) fn spawn<F>(&self, work: impl FnOnce(Arc<Self>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (Some(me), Ok(runtime)) = (self.shared(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let (ended, work) = (self.ended.clone(), work(me));
        runtime.spawn(async move { ended.run_until_cancelled_owned(work).await });
    }

    /// Ends everything that runs for the account: its tasks, and the connections to its broker.
    pub(crate) fn end(&self) {
        self.ended.cancel();
        self.broker.disconnect_all();
    }

    /// The partition of its region, the second part of each of its ARNs.
    pub(crate) fn partition(&self) -> &'static str {
        partition(&self.region)
    }

    /// The ARN of who has an access key id, as this region tells it: one key is good in all partitions here.
    pub(crate) fn caller(&self, key: &str) -> String {
        let arn = self.iam.arn(key);
        match arn.strip_prefix("arn:aws:") {
            Some(rest) => format!("arn:{}:{rest}", self.partition()),
            None => arn,
        }
    }

    /// `arn:PARTITION:iot:REGION:ACCOUNT:KIND/NAME`, for `thing`, `thinggroup`, `cert`, `policy`, `securityprofile`, `job`,
    /// `rule`, `client`, `topic`, `topicfilter`, …
    pub(crate) fn arn(&self, kind: &str, name: &str) -> String {
        self.arns.iot(kind, name)
    }
}
