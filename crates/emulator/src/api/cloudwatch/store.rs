//! Datapoints, aggregated by the minute as CloudWatch does for standard resolution.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::store::{Table, Wal};

/// A minute in milliseconds: the finest period kept.
pub(super) const MINUTE: i64 = 60_000;

/// How long datapoints of one minute live in CloudWatch.
const RETENTION: i64 = 15 * 24 * 60 * MINUTE;

/// Distinct values kept of a minute before they are rounded to 1 %: percentiles stay right within that.
const DISTINCT: usize = 200;

/// Which metric: namespace, name and dimensions, in order of their names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Series {
    /// `AWS/IoT`, or whatever a rule's action names.
    pub namespace: String,
    /// The metric's name.
    pub name: String,
    /// Names and values.
    pub dimensions: Vec<(String, String)>,
}

impl Series {
    /// The series of those; the dimensions in any order.
    pub fn new(namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> Self {
        let mut dimensions: Vec<_> =
            dimensions.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        dimensions.sort();
        Self { namespace: namespace.to_owned(), name: name.to_owned(), dimensions }
    }

    /// The row key without the time. JSON text holds no raw control character, so those after it sort and separate.
    fn key(&self) -> String {
        serde_json::to_string(&(&self.namespace, &self.name, &self.dimensions)).unwrap_or_default()
    }

    fn from_key(key: &str) -> Option<Self> {
        let (namespace, name, dimensions) = serde_json::from_str(key).ok()?;
        Some(Self { namespace, name, dimensions })
    }
}

/// What is known of a series in one period.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Bucket {
    pub(super) unit: String,
    pub(super) count: f64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    /// Values and how often each was put.
    values: Vec<(f64, f64)>,
}

impl Bucket {
    /// An empty one.
    pub(super) fn of(unit: &str) -> Self {
        Self { unit: unit.to_owned(), ..Self::default() }
    }

    pub(super) fn add(&mut self, value: f64, count: f64) {
        self.add_set(count, value * count, value, value);
        self.keep(value, count);
    }

    /// A statistic set: its distribution is unknown unless all its values are one.
    pub(super) fn add_set(&mut self, count: f64, sum: f64, min: f64, max: f64) {
        if self.count == 0.0 {
            (self.min, self.max) = (min, max);
        }
        self.count += count;
        self.sum += sum;
        self.min = self.min.min(min);
        self.max = self.max.max(max);
    }

    fn keep(&mut self, value: f64, count: f64) {
        let value = if self.values.len() < DISTINCT || value == 0.0 {
            value
        } else {
            value.signum() * ((value.abs().ln() / 0.01).round() * 0.01).exp()
        };
        match self.values.binary_search_by(|(v, _)| v.total_cmp(&value)) {
            Ok(at) => self.values[at].1 += count,
            Err(at) => self.values.insert(at, (value, count)),
        }
    }

    fn merge(&mut self, other: &Self) {
        if self.unit.is_empty() {
            self.unit.clone_from(&other.unit);
        }
        self.add_set(other.count, other.sum, other.min, other.max);
        for (value, count) in &other.values {
            self.keep(*value, *count);
        }
    }

    /// A statistic by its name in the API; `None` for an unknown one, and for a percentile of a statistic set.
    pub(super) fn statistic(&self, name: &str) -> Option<f64> {
        match name {
            "SampleCount" => Some(self.count),
            "Sum" => Some(self.sum),
            "Average" => Some(self.sum / self.count),
            "Minimum" => Some(self.min),
            "Maximum" => Some(self.max),
            _ => self.percentile(percentile_of(name)?),
        }
    }

    /// Nearest rank.
    fn percentile(&self, percent: f64) -> Option<f64> {
        let total: f64 = self.values.iter().map(|(_, c)| c).sum();
        if total <= 0.0 || (total - self.count).abs() > 0.5 {
            return None;
        }
        let rank = (percent / 100.0 * total).ceil().max(1.0);
        let mut seen = 0.0;
        for (value, count) in &self.values {
            seen += count;
            if seen >= rank {
                return Some(*value);
            }
        }
        self.values.last().map(|(v, _)| *v)
    }
}

/// The percentage of `p99.9`.
pub(super) fn percentile_of(stat: &str) -> Option<f64> {
    let percent: f64 = stat.strip_prefix('p')?.parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent)
}

struct Inner {
    /// Keyed by series, U+0000, and the minute's epoch milliseconds in 15 digits.
    rows: Table<Bucket>,
    /// What AWS itself put lately, by row key, not yet in the table: a row is written once a minute or when somebody
    /// reads, not once a message.
    fresh: BTreeMap<String, Bucket>,
    /// The minute of the clock when `fresh` was begun.
    minute: i64,
}

/// The account's metrics, under a lock of their own.
pub struct Metrics(Mutex<Inner>);

impl Metrics {
    /// What `wal` held and is not older than CloudWatch keeps it, seen from `now_ms`.
    pub fn open(wal: &Wal, now_ms: i64) -> Self {
        let mut rows: Table<Bucket> = Table::open(wal, "cloudwatch.points");
        let old: Vec<String> = rows
            .iter()
            .filter(|(key, _)| time_of(key).is_none_or(|t| t < now_ms - RETENTION))
            .map(|(key, _)| key.to_owned())
            .collect();
        for key in old {
            rows.remove(&key);
        }
        Self(Mutex::new(Inner { rows, fresh: BTreeMap::new(), minute: 0 }))
    }

    pub(super) fn put_bucket(&self, series: &Series, at_ms: i64, bucket: &Bucket) {
        self.0.lock().merge(&row_key(&series.key(), at_ms), bucket);
    }

    /// Adds a value that AWS itself puts, at `at_ms`; unlike a client's it need not be durable at once.
    pub(super) fn collect(&self, series: &Series, value: f64, unit: &str, at_ms: i64, now_ms: i64) {
        let mut inner = self.0.lock();
        let minute = now_ms.div_euclid(MINUTE);
        if minute != inner.minute {
            inner.settle();
            inner.minute = minute;
        }
        let key = row_key(&series.key(), at_ms);
        inner.fresh.entry(key).or_insert_with(|| Bucket::of(unit)).add(value, 1.0);
    }

    /// Periods of `period_ms` that hold data, from `start_ms` (rounded down to a period) to before `end_ms`.
    pub(super) fn periods(
        &self,
        series: &Series,
        (start_ms, end_ms): (i64, i64),
        period_ms: i64,
        unit: Option<&str>,
    ) -> BTreeMap<i64, Bucket> {
        let mut inner = self.0.lock();
        inner.settle();
        let key = series.key();
        let start = start_ms.div_euclid(period_ms) * period_ms;
        let before = row_key(&key, start - 1 - (start - 1).rem_euclid(MINUTE));
        let mut out: BTreeMap<i64, Bucket> = BTreeMap::new();
        for (row, bucket) in inner.rows.after(Some(&before)) {
            let Some(at) = time_of(row).filter(|_| row.starts_with(&key)) else { break };
            if at >= end_ms {
                break;
            }
            if at >= start && unit.is_none_or(|u| u == bucket.unit) {
                out.entry(at.div_euclid(period_ms) * period_ms).or_default().merge(bucket);
            }
        }
        out
    }

    /// Every series, in order; `from_ms` leaves out those without data since.
    pub(super) fn series(&self, from_ms: Option<i64>) -> Vec<Series> {
        let mut inner = self.0.lock();
        inner.settle();
        let mut out = Vec::new();
        let mut at: Option<String> = None;
        loop {
            let key = {
                let Some((row, _)) = inner.rows.after(at.as_deref()).next() else { return out };
                row.split('\0').next().unwrap_or(row).to_owned()
            };
            let recent = from_ms.is_none_or(|from| {
                inner.rows.after(Some(&row_key(&key, from))).next().is_some_and(|(r, _)| r.starts_with(&key))
            });
            if recent && let Some(series) = Series::from_key(&key) {
                out.push(series);
            }
            // Past every minute of this series.
            at = Some(key + "\u{1}");
        }
    }
}

impl Inner {
    fn merge(&mut self, key: &str, bucket: &Bucket) {
        if self.rows.update(key, |row| row.merge(bucket)).is_none() {
            self.rows.put(key, bucket.clone());
        }
    }

    fn settle(&mut self) {
        for (key, bucket) in std::mem::take(&mut self.fresh) {
            self.merge(&key, &bucket);
        }
    }
}

fn row_key(series: &str, at_ms: i64) -> String {
    format!("{series}\0{:015}", at_ms.div_euclid(MINUTE).max(0) * MINUTE)
}

fn time_of(row: &str) -> Option<i64> {
    row.split_once('\0')?.1.parse().ok()
}
