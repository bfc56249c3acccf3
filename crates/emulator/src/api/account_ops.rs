//! Operations on the account as a whole: its endpoint and who calls.

use serde_json::json;

use super::{ApiError, Req, Resp, query};

/// DescribeEndpoint: the host this very request went to, so that whoever prepends a scheme reaches the emulator again.
///
/// AWS answers a bare host name; here the port belongs to it (see the deviation register).
pub(super) fn describe_endpoint(req: &Req) -> Result<Resp, ApiError> {
    let kind = req.query("endpointType").unwrap_or("iot:Data");
    match kind {
        "iot:Data" | "iot:Data-ATS" | "iot:Jobs" | "iot:CredentialProvider" | "iot:Data-Beta" => {
            let host = req.header("host").unwrap_or("127.0.0.1");
            Resp::json(json!({ "endpointAddress": host }))
        }
        _ => Err(ApiError::invalid(format!("Endpoint type {kind} is not supported"))),
    }
}

/// STS GetCallerIdentity: whoever holds the account's own key is `user/operator`.
pub(super) fn get_caller_identity(req: &Req) -> Result<Resp, ApiError> {
    let account = &req.account.id;
    let known = req.account.iam.arn(&req.caller);
    let arn = known.unwrap_or_else(|| format!("arn:aws:iam::{account}:user/operator"));
    query::answer(
        "GetCallerIdentity",
        "https://sts.amazonaws.com/doc/2011-06-15/",
        &format!(
            "<Arn>{}</Arn><UserId>AIDAQUELLOPERATOR000</UserId><Account>{account}</Account>",
            query::escape(&arn)
        ),
    )
}
