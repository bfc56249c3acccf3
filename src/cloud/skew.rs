//! How far this machine's clock is from AWS's, by the `Date` of every answer. A clock that is wrong by minutes makes every
//! signature invalid; so it is measured, said, and made up for.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;

/// The header counts whole seconds and arrives late: less than this is no skew.
const NOISE_MS: i64 = 5_000;

/// The measured difference, shared by all who sign.
#[derive(Clone, Debug, Default)]
pub struct Skew(Arc<AtomicI64>);

impl Skew {
    /// AWS's time minus ours, in milliseconds; 0 within a few seconds.
    pub fn ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The time as AWS has it.
    pub fn now(&self) -> SystemTime {
        let skew = self.ms();
        let by = Duration::from_millis(skew.unsigned_abs());
        if skew < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    }

    fn learn(&self, theirs: &str, ours: SystemTime) {
        let Some(theirs) = DateTime::from_str(theirs, Format::HttpDate).ok().and_then(|t| t.to_millis().ok())
        else {
            return;
        };
        let Ok(ours) = DateTime::from(ours).to_millis() else { return };
        let skew = theirs - ours;
        let skew = if skew.abs() < NOISE_MS { 0 } else { skew };
        if (skew - self.ms()).abs() >= NOISE_MS {
            tracing::warn!(skew, "this clock and AWS's differ");
            self.0.store(skew, Ordering::Relaxed);
        } else if skew == 0 {
            self.0.store(0, Ordering::Relaxed);
        }
    }
}

#[dyn_dispatch_hint]
impl Intercept for Skew {
    fn name(&self) -> &'static str {
        "clock skew"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(date) = context.response().headers().get("date") {
            self.learn(date, SystemTime::now());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_minutes_are_noticed_and_seconds_are_not() {
        let skew = Skew::default();
        let ours = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        skew.learn("Sun, 06 Nov 1994 08:49:36 GMT", ours);
        assert_eq!(skew.ms(), 0);
        skew.learn("Sun, 06 Nov 1994 08:59:37 GMT", ours);
        assert_eq!(skew.ms(), 600_000);
        let ahead = skew.now().duration_since(SystemTime::now()).unwrap();
        assert!((599..=600).contains(&ahead.as_secs()), "{ahead:?}");
        skew.learn("not a date", ours);
        skew.learn("Sun, 06 Nov 1994 08:39:37 GMT", ours);
        assert_eq!(skew.ms(), -600_000);
        skew.learn("Sun, 06 Nov 1994 08:49:38 GMT", ours);
        assert_eq!(skew.ms(), 0);
    }
}
