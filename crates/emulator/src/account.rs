//! One emulated AWS account in one region: its stores behind one lock, its clock, its log, its broker.

use std::sync::{Arc, OnceLock};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::api::arn::Arns;
use super::api::connections::DeletePace;
use super::api::policy::PolicyCache;
use super::broker::Broker;
use super::clock::Clock;
use super::store::Wal;

/// What the account holds. One lock for all of it: an operation sees one consistent state, and no two locks can be
/// taken in the wrong order. The broker's hot path does not come here: policies are cached per session, as in AWS.
pub struct State {
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
    /// Logging options.
    pub logging: super::api::logging::Logging,
}

/// One account in one region.
pub struct Account {
    /// The twelve-digit account id.
    pub id: String,
    /// The region name, `us-east-1` by default.
    pub region: String,
    /// Wall time and the speed of durations.
    pub clock: Clock,
    /// The log behind every table.
    pub wal: Wal,
    /// The access key id that may do everything.
    pub access_key: String,
    /// The secret of `access_key`.
    pub secret_key: String,
    /// The account's ARNs.
    pub arns: Arns,
    /// The policies its connections live with.
    pub policies: PolicyCache,
    /// When each client was last cut by DeleteConnection.
    pub delete_pace: DeletePace,
    /// Buckets and objects. Under a lock of their own, never held with another.
    pub objects: super::api::s3::Objects,
    /// CloudWatch's datapoints. Under a lock of their own, never held with another.
    pub metrics: super::api::cloudwatch::Metrics,
    /// SNS topics and subscriptions. Under a lock of their own, never held with another.
    pub sns: super::api::sns::Sns,
    /// Who connected with which certificate. Under a lock of its own, never held with another.
    pub trail: super::api::audit::Trail,
    /// Topic rules. Read without a lock.
    pub rules: super::api::rules::Rules,
    /// Identities beside the account's own key.
    pub iam: super::api::iam::Iam,
    /// What goes wrong on order.
    pub faults: super::faults::Faults,
    state: RwLock<State>,
    broker: OnceLock<Arc<Broker>>,
}

impl Account {
    /// An account over what `wal` holds; empty when it holds nothing.
    pub fn open(
        id: &str,
        region: &str,
        clock: Clock,
        wal: Wal,
        access_key: &str,
        secret_key: &str,
    ) -> Arc<Self> {
        let arns = Arns::new(region, id);
        let state = State {
            registry: super::api::registry::Registry::open(&wal, arns.clone()),
            identity: super::api::identity::Identity::open(&wal, arns.clone()),
            shadows: super::api::shadows::Shadows::open(&wal),
            jobs: super::api::jobs::Jobs::open(&wal),
            detect: super::api::detect::DetectStore::open(&wal, clock),
            audit: super::api::audit::AuditStore::open(&wal),
            mitigation: super::api::mitigation::MitigationStore::open(&wal),
            indexing: super::api::indexing::IndexStore::open(&wal),
            authorities: super::api::authorities::Authorities::open(&wal),
            role_aliases: super::store::Table::open(&wal, "role-aliases"),
            authorizers: super::api::authorizers::Authorizers::open(&wal),
            domains: super::store::Table::open(&wal, "domain-configurations"),
            provisioning: super::store::Table::open(&wal, "provisioning-templates"),
            logging: super::api::logging::Logging::open(&wal),
        };
        let objects = super::api::s3::Objects::open(&wal);
        let metrics = super::api::cloudwatch::Metrics::open(&wal, clock.now_ms());
        let sns = super::api::sns::Sns::open(&wal);
        let rules = super::api::rules::Rules::open(&wal);
        Arc::new(Self {
            trail: super::api::audit::Trail::default(),
            rules,
            sns,
            metrics,
            objects,
            id: id.to_owned(),
            region: region.to_owned(),
            clock,
            wal,
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            arns,
            policies: PolicyCache::default(),
            delete_pace: DeletePace::default(),
            iam: super::api::iam::Iam::default(),
            faults: super::faults::Faults::default(),
            state: RwLock::new(state),
            broker: OnceLock::new(),
        })
    }

    /// Reads the state. Never hold the guard across an await or a call into the broker.
    pub fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read()
    }

    /// Changes the state. Never hold the guard across an await or a call into the broker; acknowledge only after
    /// [`Wal::commit`].
    pub fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write()
    }

    /// Ties the broker to the account, once, at start-up.
    pub fn set_broker(&self, broker: Arc<Broker>) {
        let _ = self.broker.set(broker);
    }

    /// The account's broker; `None` only before start-up is complete and in unit tests of a single store.
    pub fn broker(&self) -> Option<&Arc<Broker>> {
        self.broker.get()
    }

    /// `arn:aws:iot:REGION:ACCOUNT:KIND/NAME`, for `thing`, `thinggroup`, `cert`, `policy`, `securityprofile`, `job`,
    /// `rule`, `client`, `topic`, `topicfilter`, …
    pub fn arn(&self, kind: &str, name: &str) -> String {
        self.arns.iot(kind, name)
    }
}
