//! Topic names and filters: what AWS accepts, and which filter a name matches (docs/aws-iot.md#3.3).

/// The longest topic or filter, in bytes.
pub(super) const LONGEST: usize = 256;
/// The most slashes a topic or filter may have; the mandatory prefix of Basic Ingest and of shared subscriptions is free.
const MOST_SLASHES: usize = 7;

/// What Basic Ingest topics begin with: they go to one rule and to nobody else.
pub(super) const BASIC_INGEST: &str = "$aws/rules/";

/// True when a client may publish to a topic of this form at all (authorization comes after).
pub(super) fn name_ok(topic: &str) -> bool {
    !topic.is_empty() && !topic.contains(['+', '#', '\0']) && size_ok(topic)
}

/// True when `filter` is a filter AWS accepts: wildcards fill whole levels, `#` stands last.
pub(super) fn filter_ok(filter: &str) -> bool {
    let filter = match share(filter) {
        Some((group, inner)) => {
            if group.is_empty() || group.contains(['+', '#']) {
                return false;
            }
            inner
        }
        None if filter.starts_with("$share/") => return false,
        None => filter,
    };
    if filter.is_empty() || filter.contains('\0') || !size_ok(filter) {
        return false;
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let fills = match level {
            "#" => levels.peek().is_none(),
            "+" => true,
            other => !other.contains(['+', '#']),
        };
        if !fills {
            return false;
        }
    }
    true
}

fn size_ok(topic: &str) -> bool {
    let counted = match topic.strip_prefix(BASIC_INGEST) {
        Some(rest) => rest.split_once('/').map_or("", |(_, topic)| topic),
        None => topic,
    };
    counted.len() <= LONGEST && counted.bytes().filter(|b| *b == b'/').count() <= MOST_SLASHES
}

/// Splits `$share/GROUP/FILTER`.
pub(super) fn share(filter: &str) -> Option<(&str, &str)> {
    filter.strip_prefix("$share/")?.split_once('/')
}

/// True for the reserved topics a client may publish to; every other topic that begins with `$` ends the connection.
pub(crate) fn publishable(topic: &str) -> bool {
    if !topic.starts_with('$') {
        return true;
    }
    if topic.starts_with(BASIC_INGEST) {
        return true;
    }
    let Some((_, rest)) = topic.strip_prefix("$aws/things/").and_then(|r| r.split_once('/')) else {
        return provisions(topic);
    };
    let shadow = |rest: &str| matches!(rest, "get" | "update" | "delete");
    if let Some(rest) = rest.strip_prefix("shadow/") {
        return match rest.strip_prefix("name/") {
            Some(named) => named.split_once('/').is_some_and(|(name, op)| !name.is_empty() && shadow(op)),
            None => shadow(rest),
        };
    }
    // A topic of the jobs that is no request is answered as one.
    rest.starts_with("jobs/") || matches!(rest, "defender/metrics/json" | "defender/metrics/cbor")
}

/// Requests of fleet provisioning.
fn provisions(topic: &str) -> bool {
    let Some((request, "json" | "cbor")) = topic.rsplit_once('/') else { return false };
    let template =
        request.strip_prefix("$aws/provisioning-templates/").and_then(|r| r.strip_suffix("/provision"));
    matches!(request, "$aws/certificates/create" | "$aws/certificates/create-from-csr")
        || template.is_some_and(|name| !name.is_empty() && !name.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        for good in
            ["a", "a/+/b", "#", "+", "$aws/things/+/shadow/name/+/update/delta", "$share/g/a/#", "/", "a//b"]
        {
            assert!(filter_ok(good), "{good}");
        }
        for bad in
            ["", "a#", "temperature-device-+", "a/#/b", "$share//a", "$share/g", "a/b/c/d/e/f/g/h/i", "x\0"]
        {
            assert!(!filter_ok(bad), "{bad}");
        }
    }

    #[test]
    fn names() {
        assert!(name_ok("$aws/rules/rule/a/b/c/d/e/f/g/h"), "the rule's prefix does not count");
        assert!(!name_ok("a/b/c/d/e/f/g/h/i"));
        assert!(!name_ok(&"x".repeat(257)));
        assert!(!name_ok("a/+"));
    }

    #[test]
    fn reserved_topics() {
        for good in [
            "dt/x",
            "$aws/things/T/shadow/update",
            "$aws/things/T/shadow/name/n/get",
            "$aws/things/T/jobs/start-next",
            "$aws/things/T/defender/metrics/json",
            "$aws/rules/r/x",
            "$aws/certificates/create/json",
            "$aws/certificates/create-from-csr/cbor",
            "$aws/provisioning-templates/T/provision/json",
        ] {
            assert!(publishable(good), "{good}");
        }
        for bad in [
            "$aws/events/presence/connected/x",
            "$aws/things/T/shadow/update/delta",
            "$SYS/x",
            "$aws/things/T",
            "$aws/things/T/defender/metrics/xml",
            "$aws/things/T/streams/s/get/json",
            "$aws/certificates/create/json/accepted",
            "$aws/certificates/revoke/json",
            "$aws/provisioning-templates/T/provision/xml",
            "$aws/provisioning-templates/T/x/provision/json",
            "$aws/device_location/T/get_position_estimate",
        ] {
            assert!(!publishable(bad), "{bad}");
        }
    }
}
