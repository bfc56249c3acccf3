//! How a read asks: within its API's budget, page after page, making up for what can be made up for on the way.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use quell_fleet::known::{Trouble, TroubleKind};

use super::{Aws, trouble};

/// The answer of a read.
pub type Read<T> = Result<T, Trouble>;

/// An SDK error as a trouble of `action`.
pub(super) fn failed<T, E>(action: &str, outcome: Result<T, SdkError<E, Response>>) -> Read<T>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    outcome.map_err(|error| trouble::of(&error, action))
}

/// Collects all pages of a list; a page may be empty and still carry a token (docs/aws-iot.md#2.1). Each page waits for its
/// API's budget; a chain survives a throttle, credentials that end on the way, and (once, from its beginning) a page
/// token that does.
macro_rules! pages {
    ($aws:expr, $call:expr, $action:literal, $items:ident) => {
        pages!($aws, $call, $action, $items, set_next_token, next_token, &mut |_| ())
    };
    ($aws:expr, $call:expr, $action:literal, $items:ident, $set:ident, $next:ident, $seen:expr) => {{
        let call = $call;
        let seen: &mut (dyn FnMut(&Vec<_>) + Send) = $seen;
        let mut all = Vec::new();
        let mut token: Option<String> = None;
        let (mut tries, mut restarted) = (0, false);
        loop {
            let _turn = $aws.turn($action).await;
            match call.clone().$set(token.clone()).send().await {
                Ok(page) => {
                    tries = 0;
                    $aws.budget.went_well($action, $aws.priority);
                    all.extend(page.$items.unwrap_or_default());
                    match page.$next.filter(|next| !next.is_empty() && token.as_ref() != Some(next)) {
                        Some(next) => {
                            seen(&all);
                            token = Some(next);
                        }
                        None => break Ok(all),
                    }
                }
                Err(error)
                    if tries < 3
                        && $crate::cloud::call::mend($aws, &error, $action, token.is_some(), tries).await =>
                {
                    tries += 1
                }
                Err(error) if !restarted && token.is_some() && $crate::cloud::call::is_token_gone(&error) => {
                    (all, token, restarted) = (Vec::new(), None, true);
                }
                Err(error) => break Err(error),
            }
        }
    }};
}

pub(super) use pages;

/// One call that waits for its API's budget. `begun` says that it belongs to a read that is under way: such a read waits
/// out a short throttle, a lone call comes back and says so.
macro_rules! one {
    ($aws:expr, $call:expr, $action:expr, $begun:expr) => {{
        let call = $call;
        let mut tries = 0;
        loop {
            let _turn = $aws.turn($action).await;
            match call.clone().send().await {
                Ok(found) => {
                    $aws.budget.went_well($action, $aws.priority);
                    break Ok(found);
                }
                Err(error)
                    if tries < 3 && $crate::cloud::call::mend($aws, &error, $action, $begun, tries).await =>
                {
                    tries += 1;
                }
                Err(error) => break Err(error),
            }
        }
    }};
}
pub(super) use one;

/// Makes up for what can be made up for within a read: waits out a short throttle, looks for other credentials, once:
/// those that are found may be the same. True when the request is worth repeating.
pub(super) async fn mend<E>(
    aws: &Aws,
    error: &SdkError<E, Response>,
    action: &'static str,
    begun: bool,
    tries: u32,
) -> bool
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match trouble::of(error, action).kind {
        // A read that has not begun yet comes again by itself, and the screen says why it is late.
        TroubleKind::Throttled => {
            aws.budget.throttled(action, aws.priority, trouble::retry_after(error)) && begun
        }
        TroubleKind::Credentials if tries == 0 => {
            aws.credentials.renew().await;
            aws.credentials.get().await.is_ok()
        }
        _ => false,
    }
}

/// A page token that AWS does not know any more is an invalid request.
pub(super) fn is_token_gone<E: ProvideErrorMetadata>(error: &SdkError<E, Response>) -> bool {
    error.code().is_some_and(|code| code.contains("InvalidRequest") || code.contains("InvalidNextToken"))
}
