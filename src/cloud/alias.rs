//! The account's alias, which people know better than its twelve digits: IAM ListAccountAliases. Whoever may not ask sees the
//! number alone.

use aws_smithy_runtime_api::client::http::SharedHttpConnector;

use crate::config::Settings;
use quell_fleet::text::SafeText;

use super::call::Read;
use super::signed::{Service, post};
use super::{Aws, trouble};

const BODY: &str = "Action=ListAccountAliases&Version=2010-05-08";
/// AWS: characters of an alias.
const MOST: usize = 63;

/// IAM of the partition a region is in, or of a private control plane.
pub(super) fn service(settings: &Settings, connector: SharedHttpConnector, region: &str) -> Service {
    let (host, signed) = match region {
        r if r.starts_with("cn-") => ("iam.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        r if r.starts_with("us-gov-") => ("iam.us-gov.amazonaws.com", "us-gov-west-1"),
        _ => ("iam.amazonaws.com", "us-east-1"),
    };
    // A control plane that is not AWS's has no identities there.
    let private = settings.endpoint_url.as_ref().filter(|url| !url.contains(".amazonaws.com"));
    let url = settings.iam_endpoint_url.as_ref().or(private);
    let url = url.map_or_else(|| format!("https://{host}"), |url| url.trim_end_matches('/').to_owned());
    Service { called: "IAM", name: "iam", region: signed.to_owned(), url: format!("{url}/"), connector }
}

/// The alias; `None` when there is none, or it may not be asked for.
///
/// # Errors
/// IAM was not reached, or did not answer the question.
pub(super) async fn alias(aws: &Aws) -> Read<Option<SafeText>> {
    const ACTION: &str = "iam:ListAccountAliases";
    let _turn = aws.turn(ACTION).await;
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    match post(aws, &aws.iam, &headers, BODY).await? {
        (200, body) => Ok(first(&String::from_utf8_lossy(&body))),
        // Whoever may not ask has no alias to show, and misses nothing.
        (403, _) => Ok(None),
        (status, _) => Err(trouble::answered("", "", status, ACTION)),
    }
}

/// The first member of `<AccountAliases>`: an account has at most one. AWS allows small letters, digits and hyphens.
fn first(xml: &str) -> Option<SafeText> {
    let (_, list) = xml.split_once("<AccountAliases>")?;
    let (list, _) = list.split_once("</AccountAliases>")?;
    let (alias, _) = list.split_once("<member>")?.1.split_once("</member>")?;
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let alias = alias.trim();
    (!alias.is_empty() && alias.len() <= MOST && alias.chars().all(sound)).then(|| SafeText::new(alias))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_found_and_nothing_else_is_one() {
        let xml = |inside: &str| format!("<R><Result><AccountAliases>{inside}</AccountAliases></Result></R>");
        assert_eq!(first(&xml("<member>plant-7</member>")), Some(SafeText::new("plant-7")));
        assert_eq!(first(&xml("")), None);
        assert_eq!(first(&xml("<member><b>x</b></member>")), None);
        assert_eq!(first("<member>x</member>"), None);
    }
}
