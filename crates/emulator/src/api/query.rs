//! The AWS Query protocol: `Action=…` in a form, XML back. STS, SNS and CloudWatch speak it.

use bytes::Bytes;

use super::{ApiError, Req, Resp, Service, account_ops, cloudwatch, sessions, sns};

/// A handler: the form's fields are in [`Req::query`].
type QueryHandler = fn(&Req) -> Result<Resp, ApiError>;

/// `(service, action, handler)`.
static ACTIONS: &[(Service, &str, QueryHandler)] = &[
    (Service::Sts, "AssumeRole", sessions::assume_role),
    (Service::Sts, "GetCallerIdentity", account_ops::get_caller_identity),
    (Service::Sts, "GetSessionToken", sessions::get_session_token),
    (Service::Iam, "ListAccountAliases", sessions::list_account_aliases),
    (Service::CloudWatch, "PutMetricData", cloudwatch::put_metric_data),
    (Service::CloudWatch, "GetMetricData", cloudwatch::get_metric_data),
    (Service::CloudWatch, "GetMetricStatistics", cloudwatch::get_metric_statistics),
    (Service::CloudWatch, "ListMetrics", cloudwatch::list_metrics),
    (Service::Sns, "ConfirmSubscription", sns::confirm_subscription),
    (Service::Sns, "CreateTopic", sns::create_topic),
    (Service::Sns, "DeleteTopic", sns::delete_topic),
    (Service::Sns, "GetSubscriptionAttributes", sns::get_subscription_attributes),
    (Service::Sns, "GetTopicAttributes", sns::get_topic_attributes),
    (Service::Sns, "ListSubscriptions", sns::list_subscriptions),
    (Service::Sns, "ListSubscriptionsByTopic", sns::list_subscriptions_by_topic),
    (Service::Sns, "ListTopics", sns::list_topics),
    (Service::Sns, "ListTagsForResource", sns::list_tags),
    (Service::Sns, "Publish", sns::publish_operation),
    (Service::Sns, "PublishBatch", sns::publish_batch),
    (Service::Sns, "SetSubscriptionAttributes", sns::set_subscription_attributes),
    (Service::Sns, "SetTopicAttributes", sns::set_topic_attributes),
    (Service::Sns, "Subscribe", sns::subscribe),
    (Service::Sns, "TagResource", sns::tag_resource),
    (Service::Sns, "Unsubscribe", sns::unsubscribe),
    (Service::Sns, "UntagResource", sns::untag_resource),
];

/// Service and name of every action.
pub(super) fn actions() -> impl Iterator<Item = (Service, &'static str)> {
    ACTIONS.iter().map(|(service, action, _)| (*service, *action))
}

/// An action found, with the form that names it.
pub(super) struct Form {
    pub(super) action: &'static str,
    handler: QueryHandler,
    req: Req,
}

impl Form {
    /// The form's fields.
    pub(super) fn req(&self) -> &Req {
        &self.req
    }

    /// Runs it.
    pub(super) fn run(&self) -> Result<Resp, ApiError> {
        (self.handler)(&self.req)
    }
}

/// The action a form names.
pub(super) fn find(service: Service, req: &Req) -> Result<Form, ApiError> {
    let mut fields = req.query.clone();
    fields.extend(super::front::decode_query(&String::from_utf8_lossy(&req.body)));
    let form = Req {
        account: req.account.clone(),
        caller: req.caller.clone(),
        device: None,
        path: Vec::new(),
        query: fields,
        headers: req.headers.clone(),
        body: req.body.clone(),
    };
    // AWS JSON names its operation in a header: `GraniteServiceVersion20100801.ListMetrics`.
    let target = form.header("x-amz-target").and_then(|t| t.rsplit('.').next());
    let action = target.or_else(|| form.query("Action")).unwrap_or_default();
    match ACTIONS.iter().find(|(s, a, _)| *s == service && *a == action) {
        Some((_, action, handler)) => {
            tracing::debug!(op = action, caller = %form.caller, "operation");
            Ok(Form { action, handler: *handler, req: form })
        }
        None => {
            tracing::warn!(action, ?service, "operation not emulated");
            Err(ApiError::new(400, "InvalidAction", format!("Could not find operation {action}")))
        }
    }
}

/// An answer: `<ActionResponse><ActionResult>result</ActionResult>…`, with `result` being XML.
pub(super) fn answer(action: &str, namespace: &str, result: &str) -> Result<Resp, ApiError> {
    let id = super::registry::uuid();
    Resp::raw(
        "text/xml",
        format!(
            "<{action}Response xmlns=\"{namespace}\"><{action}Result>{result}</{action}Result>\
             <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{action}Response>"
        ),
    )
}

/// The name an error has in this protocol.
pub(super) fn code(name: &'static str) -> &'static str {
    match name {
        "UnrecognizedClientException" => "InvalidClientTokenId",
        "InvalidSignatureException" => "SignatureDoesNotMatch",
        other => other.strip_suffix("Exception").unwrap_or(other),
    }
}

/// The error document of the protocol.
pub(super) fn error_body(error: &ApiError, request_id: &str) -> Bytes {
    let side = if error.status < 500 { "Sender" } else { "Receiver" };
    let code = code(error.code);
    format!(
        "<ErrorResponse><Error><Type>{side}</Type><Code>{code}</Code><Message>{}</Message></Error>\
         <RequestId>{request_id}</RequestId></ErrorResponse>",
        escape(&error.message)
    )
    .into()
}

/// Text as XML character data.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
