//! Each call of AWS in the log: operation, request id, duration, outcome. Neither what was asked nor what was answered.

use std::time::Instant;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

use quell_fleet::text::SafeText;

/// Tells the log of each attempt of each call.
#[derive(Debug)]
pub(super) struct Told;

#[derive(Debug)]
struct Began(Instant);

impl Storable for Began {
    type Storer = StoreReplace<Self>;
}

#[dyn_dispatch_hint]
impl Intercept for Told {
    fn name(&self) -> &'static str {
        "calls told"
    }

    fn read_before_attempt(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(Began(Instant::now()));
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let ms = config.load::<Began>().map_or(0, |began| began.0.elapsed().as_millis());
        let (service, operation) =
            config.load::<Metadata>().map_or(("", ""), |called| (called.service(), called.name()));
        let response = context.response();
        let failed = matches!(context.output_or_error(), Some(Err(_)) | None);
        let id = response.and_then(request_id);
        if let Some(id) = &id {
            super::traced::note(id);
        }
        tell(service, operation, id.as_ref(), ms, outcome(response, failed));
        Ok(())
    }
}

/// One call in the log. `outcome` is AWS's word for an error, or `ok`.
pub(super) fn tell(service: &str, operation: &str, id: Option<&SafeText>, ms: u128, outcome: SafeText) {
    let id = id.map_or("-", SafeText::as_str);
    let ms = u64::try_from(ms).unwrap_or(u64::MAX);
    tracing::info!(service, operation, request_id = id, ms, outcome = outcome.as_str(), "AWS call");
}

fn header(response: &HttpResponse, name: &str) -> Option<SafeText> {
    response.headers().get(name).map(|value| SafeText::limited(value.as_bytes(), 128))
}

fn request_id(response: &HttpResponse) -> Option<SafeText> {
    header(response, "x-amzn-requestid").or_else(|| header(response, "x-amz-request-id"))
}

fn outcome(response: Option<&HttpResponse>, failed: bool) -> SafeText {
    match response {
        None => SafeText::new("no answer"),
        Some(_) if !failed => SafeText::new("ok"),
        Some(response) => {
            let status = response.status().as_u16();
            let code = header(response, "x-amzn-errortype");
            SafeText::new(&code.map_or_else(|| format!("{status}"), |code| format!("{status} {code}")))
        }
    }
}
