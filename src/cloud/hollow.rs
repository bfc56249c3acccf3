//! An answer that says nothing is no answer. A proxy, or whatever else stands in for AWS, may answer 200 with an empty body;
//! the SDK makes an empty list of it, and the screen would show a zero that nobody said. The same of a document without any
//! list in it, where a list was asked for.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Refuses empty answers to reads: AWS IoT answers each with a document, and each `List…` with a list, empty or not.
#[derive(Debug)]
pub(super) struct Hollow;

#[dyn_dispatch_hint]
impl Intercept for Hollow {
    fn name(&self) -> &'static str {
        "hollow answers"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let name = config.load::<Metadata>().map(|metadata| metadata.name().to_owned()).unwrap_or_default();
        let reads = ["List", "Describe", "Get"].iter().any(|verb| name.starts_with(verb));
        let response = context.response();
        if !reads || !response.status().is_success() {
            return Ok(());
        }
        match response.body().bytes() {
            Some(body) if body.iter().all(u8::is_ascii_whitespace) => Err("the answer is empty".into()),
            Some(body) if name.starts_with("List") && !body.contains(&b'[') => {
                Err("the answer holds no list".into())
            }
            _ => Ok(()),
        }
    }
}
