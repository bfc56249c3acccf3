//! All accounts and regions of one emulator: found by who signs and where, made when somebody first comes, emptied on order.
//!
//! As on AWS a region is a state of its own: a thing made in `eu-west-1` is not in `us-east-1`. There is one account, unless
//! any key is taken: then a key of twelve digits is the account of that number. Or there are participants: each has an account
//! with a key of its own, in one region, and nobody can make another.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};

use super::account::Account;
use super::api::iam::Iam;
use super::api::{ApiError, audit, detect, indexing, jobs, mitigation, sns};
use super::broker::Limits;
use super::clock::Clock;
use super::faults::Faults;
use super::places::Places;
use super::sigv4;
use super::store::Wal;

/// Accounts and regions together that one emulator holds at most: each takes memory and a few timers.
pub const MOST: usize = 64;

/// What all accounts of an emulator have in common.
pub struct Terms {
    /// The region of whoever names none.
    pub region: String,
    /// Wall time and the speed of durations.
    pub clock: Clock,
    /// What each broker allows.
    pub limits: Limits,
    /// Whether requests a second are limited as AWS limits them.
    pub throttle: bool,
    /// Whether fleet indexing is on from the start.
    pub index: bool,
    /// Who may sign.
    pub iam: Arc<Iam>,
    /// What goes wrong on order, in every account.
    pub faults: Faults,
    /// Where simulated devices seem to be.
    pub places: Places,
    /// Where HTTP listens.
    pub http: SocketAddr,
    /// Where TLS listens: what DescribeEndpoint tells.
    pub mqtts: SocketAddr,
    /// Where messages to subscribers that are nowhere are written, of the default account.
    pub outbox: Option<PathBuf>,
    /// The participants' accounts by their ids, and where such messages of theirs are written. With participants there are no
    /// other accounts and no other regions.
    pub participants: BTreeMap<String, PathBuf>,
    /// Where accounts are kept; in memory without it.
    pub state: Option<PathBuf>,
    /// The accounts there are, for what one does to another.
    pub accounts: Mutex<Vec<Weak<Account>>>,
}

impl Terms {
    /// The default account in the default region.
    fn home(&self) -> Place {
        (self.iam.account().to_owned(), self.region.clone())
    }

    /// Where a place is kept: the default one in the folder itself.
    fn folder(&self, place: &Place) -> Option<PathBuf> {
        let dir = self.state.as_ref()?;
        Some(if *place == self.home() {
            dir.clone()
        } else {
            dir.join("accounts").join(&place.0).join(&place.1)
        })
    }
}

/// Account id and region.
type Place = (String, String);

/// The accounts.
pub struct Cloud {
    terms: Arc<Terms>,
    /// The default account in the default region.
    main: RwLock<Arc<Account>>,
    others: RwLock<BTreeMap<Place, Arc<Account>>>,
}

/// Who signed a request whose signature is good, and where it goes.
pub struct Signed {
    /// The account and region it is for.
    pub account: Arc<Account>,
    /// The access key id.
    pub access_key: String,
    /// The service of the credential scope.
    pub service: String,
}

impl Cloud {
    /// The default account, and every other one that was kept.
    ///
    /// # Errors
    /// A folder that cannot be read or written.
    pub fn open(terms: Terms) -> io::Result<Self> {
        let terms = Arc::new(terms);
        let main = load(&terms, &terms.home())?;
        let mut others = BTreeMap::new();
        for id in terms.participants.keys() {
            let place = (id.clone(), terms.region.clone());
            let account = load(&terms, &place)?;
            others.insert(place, account);
        }
        let folder = terms.state.as_ref().filter(|_| terms.participants.is_empty());
        if let Some(folder) = folder.map(|dir| dir.join("accounts")) {
            for id in names(&folder)? {
                for region in names(&folder.join(&id))?.into_iter().filter(|region| is_region(region)) {
                    let place = (id.clone(), region);
                    let account = load(&terms, &place)?;
                    others.insert(place, account);
                }
            }
        }
        Ok(Self { terms, main: RwLock::new(main), others: RwLock::new(others) })
    }

    /// What the accounts have in common.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The default account in the default region: that of whoever has no name.
    pub fn main(&self) -> Arc<Account> {
        Arc::clone(&self.main.read())
    }

    /// All accounts that somebody has used, the default one first.
    pub fn all(&self) -> Vec<Arc<Account>> {
        std::iter::once(self.main()).chain(self.others.read().values().cloned()).collect()
    }

    /// The account `id` in `region`, if somebody has used it.
    fn known(&self, id: &str, region: &str) -> Option<Arc<Account>> {
        let main = self.main();
        if main.id == id && main.region == region {
            return Some(main);
        }
        self.others.read().get(&(id.to_owned(), region.to_owned())).cloned()
    }

    /// The account `id` in `region`, made when nobody has used it yet. Must be called inside the runtime.
    ///
    /// # Errors
    /// No region of AWS's form, too many accounts, or a folder that cannot be written.
    pub fn account(&self, id: &str, region: &str) -> Result<Arc<Account>, ApiError> {
        if let Some(account) = self.known(id, region) {
            return Ok(account);
        }
        if !is_region(region) {
            let what = format!("Credential should be scoped to a valid region, not '{region}'. ");
            return Err(ApiError::new(403, "InvalidSignatureException", what));
        }
        if !self.terms.participants.is_empty() {
            let what =
                format!("The region {region} is not enabled for account {id}: {} is.", self.terms.region);
            return Err(ApiError::new(403, "UnrecognizedClientException", what));
        }
        let place = (id.to_owned(), region.to_owned());
        let mut others = self.others.write();
        if let Some(account) = others.get(&place) {
            return Ok(Arc::clone(account));
        }
        if others.len() + 1 >= MOST {
            let what = format!(
                "This emulator holds {MOST} accounts and regions, and {id} in {region} would be one more. POST /_quell/reset \
                 signed for one of them makes room."
            );
            return Err(ApiError::new(400, "LimitExceededException", what));
        }
        let account = load(&self.terms, &place).map_err(|error| {
            tracing::error!(id, region, %error, "the account could not be opened");
            ApiError::internal("The state could not be opened.")
        })?;
        tracing::info!(id, region, "a new account or region");
        run(&account);
        others.insert(place, Arc::clone(&account));
        Ok(account)
    }

    /// Checks a signature and finds the account it is for. Must be called inside the runtime. `regional` says of a service
    /// whether it has something of its own in each region: what is asked of another, or of none, makes no region that nobody
    /// has used.
    ///
    /// # Errors
    /// What AWS answers to a signature that is not good, or [`Cloud::account`]'s.
    pub fn signed(
        &self,
        request: &sigv4::Request<'_>,
        regional: fn(&str) -> bool,
    ) -> Result<Signed, ApiError> {
        let iam = &self.terms.iam;
        let now = self.terms.clock.now_ms() / 1000;
        let verified = sigv4::verify(request, |key| iam.secret_of(key), now)
            .map_err(|error| ApiError::new(error.status(), error.code(), error.to_string()))?;
        iam.admit(&verified.access_key, verified.token.as_deref(), now)
            .map_err(|(code, message)| ApiError::new(403, code, message))?;
        let id = iam.account_of(&verified.access_key);
        let unused = !regional(&verified.service) && self.known(&id, &verified.region).is_none();
        let region = if unused { &self.terms.region } else { &verified.region };
        let account = self.account(&id, region)?;
        Ok(Signed { account, access_key: verified.access_key, service: verified.service })
    }

    /// The account a certificate is registered with; the default one when none knows it. Several may: it is of the one that
    /// knew it first, so that nobody draws the devices of others to himself with a copy.
    pub fn of_certificate(&self, id: &str) -> Arc<Account> {
        let known = self.all().into_iter().filter_map(|account| {
            let state = account.read();
            // Of a claim there is one at most: its keys were made here.
            let claimed = || state.identity.claimed(id).map(|_| i64::MIN);
            let since = state.identity.certificate(id).map(|held| held.created_ms).or_else(claimed)?;
            drop(state);
            Some((since, account))
        });
        known.min_by_key(|(since, _)| *since).map_or_else(|| self.main(), |(_, account)| account)
    }

    /// The account a link without a signature is about: that of the ARN in it; the default one without any.
    pub fn of_arn(&self, arn: Option<&str>) -> Arc<Account> {
        let place = arn.and_then(|arn| {
            let mut parts = arn.split(':').skip(3);
            let (region, id) = (parts.next()?, parts.next()?);
            self.known(id, region)
        });
        place.unwrap_or_else(|| self.main())
    }

    /// Empties an account: what it held is gone, its connections end, and whoever comes next finds it as new. Must be called
    /// inside the runtime.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn reset(&self, account: &Account) -> io::Result<()> {
        let place = (account.id.clone(), account.region.clone());
        let folder = self.terms.folder(&place);
        if place == self.terms.home() {
            if let Some(dir) = folder {
                // The old log goes on in a file that has no name any more.
                Wal::forget(&dir)?;
            }
            let fresh = load(&self.terms, &place)?;
            run(&fresh);
            std::mem::replace(&mut *self.main.write(), fresh).end();
        } else {
            // A participant's account is never missing; another one is made when somebody comes.
            let mut others = self.others.write();
            if let Some(old) = others.remove(&place) {
                old.end();
            }
            if let Some(dir) = folder.filter(|dir| dir.exists()) {
                std::fs::remove_dir_all(dir)?;
            }
            if self.terms.participants.contains_key(&place.0) {
                let fresh = load(&self.terms, &place)?;
                run(&fresh);
                others.insert(place, fresh);
            }
        }
        Ok(())
    }

    /// A participant's account, by its id.
    pub fn participant(&self, id: &str) -> Option<Arc<Account>> {
        self.others.read().get(&(id.to_owned(), self.terms.region.clone())).cloned()
    }

    /// Starts what runs by itself in every account that is there. Must be called inside the runtime, once.
    pub fn run(&self) {
        self.all().iter().for_each(run);
    }

    /// Ends everything that runs, in every account.
    pub fn end(&self) {
        self.all().iter().for_each(|account| account.end());
    }
}

/// The account of a place, as it was kept.
fn load(terms: &Arc<Terms>, place: &Place) -> io::Result<Arc<Account>> {
    let wal = match terms.folder(place) {
        Some(dir) => Wal::open(&dir)?,
        None => Wal::default(),
    };
    let account = Account::new(&place.0, &place.1, wal, Arc::clone(terms));
    account.sns.set_base(format!("http://{}", terms.http));
    let outbox =
        if *place == terms.home() { terms.outbox.as_ref() } else { terms.participants.get(&place.0) };
    if let Some(path) = outbox {
        account.sns.set_outbox(path.clone());
    }
    Ok(account)
}

/// Starts what runs by itself in an account. Tasks a restart interrupted come first: a request that starts one drives it.
fn run(account: &Arc<Account>) {
    mitigation::resume(account);
    sns::start(account);
    account.spawn(detect::run);
    account.spawn(audit::run);
    account.spawn(indexing::run);
    account.spawn(jobs::run);
}

/// The folders in `dir`; none when there is no such folder.
fn names(dir: &std::path::Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// Has it the form of a region's name: `us-east-1`, `ap-southeast-2`, `us-gov-west-1`? It becomes the name of a folder.
fn is_region(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let [words @ .., number] = parts.as_slice() else { return false };
    let word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    name.len() <= 32
        && words.len() >= 2
        && words.iter().all(word)
        && !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::is_region;

    #[test]
    fn a_region_has_words_and_a_number() {
        for good in ["us-east-1", "eu-west-3", "us-gov-west-1", "ap-southeast-12"] {
            assert!(is_region(good), "{good}");
        }
        for bad in
            ["", "us-east", "us-1", "US-EAST-1", "../us-east-1", "us-east-1/x", "us--east-1", "us-east-é1"]
        {
            assert!(!is_region(bad), "{bad}");
        }
    }
}
