//! Several MQTT connections share the load by disjoint filters (docs/aws-iot.md#3.3: one carries 100 messages a second). Filters
//! that could bring the same message stay together, so that none is heard twice; nothing is taken from other clients.

/// How many connections `topics` keep busy, when up to `most` are wanted.
pub(super) fn count(topics: &[String], most: usize) -> usize {
    components(topics).len().clamp(1, most.max(1))
}

/// The topics of each of `connections`; some may have none.
pub(super) fn split(topics: &[String], connections: usize) -> Vec<Vec<String>> {
    let mut shares: Vec<Vec<String>> = vec![Vec::new(); connections.max(1)];
    let mut parts = components(topics);
    // The largest first, each to whoever has least: the usual way to an even load.
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    for part in parts {
        if let Some(least) = shares.iter_mut().min_by_key(|share| share.len()) {
            least.extend(part);
        }
    }
    shares
}

/// Topics that overlap, directly or through others, in one part.
fn components(topics: &[String]) -> Vec<Vec<String>> {
    let mut parts: Vec<Vec<String>> = Vec::new();
    for topic in topics {
        let touches = |part: &Vec<String>| part.iter().any(|other| overlap(topic, other));
        let (joined, rest): (Vec<_>, Vec<_>) = parts.into_iter().partition(touches);
        parts = rest;
        let mut part: Vec<String> = joined.into_iter().flatten().collect();
        part.push(topic.clone());
        parts.push(part);
    }
    parts
}

/// Whether a topic exists that both filters match.
fn overlap(a: &str, b: &str) -> bool {
    // A wildcard at the beginning does not match the topics that begin with $ (MQTT 4.7.2).
    let wild = |filter: &str| filter.starts_with(['+', '#']);
    if wild(a) && b.starts_with('$') || wild(b) && a.starts_with('$') {
        return false;
    }
    let (mut a, mut b) = (a.split('/'), b.split('/'));
    loop {
        match (a.next(), b.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some(x), Some(y)) if x == y || x == "+" || y == "+" => {}
            _ => return false,
        }
    }
}

/// The filter of the topics that both filters match; `None` when there is none.
pub(super) fn meet(a: &str, b: &str) -> Option<String> {
    if !overlap(a, b) {
        return None;
    }
    let (mut a, mut b) = (a.split('/'), b.split('/'));
    let mut levels = Vec::new();
    loop {
        match (a.next(), b.next()) {
            // `x/#` matches `x` too: what ends first says where both end.
            (None, _) | (_, None) => return Some(levels.join("/")),
            (Some("#"), Some(rest)) => {
                levels.push(rest);
                levels.extend(b);
                return Some(levels.join("/"));
            }
            (Some(rest), Some("#")) => {
                levels.push(rest);
                levels.extend(a);
                return Some(levels.join("/"));
            }
            (Some("+"), Some(level)) | (Some(level), Some(_)) => levels.push(level),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(list: &[&str]) -> Vec<String> {
        list.iter().map(|topic| (*topic).to_owned()).collect()
    }

    #[test]
    fn what_overlaps_stays_together() {
        assert!(overlap("a/+/c", "a/b/+") && overlap("a/#", "a") && overlap("#", "x/y"));
        assert!(!overlap("a/+", "a") && !overlap("#", "$aws/x") && !overlap("a/b", "a/c"));
        let list = topics(&["dt/a/+", "dt/b/+", "dt/c/+", "dt/+/x"]);
        assert_eq!(count(&list, 4), 1, "the last one bridges all");
        let list = topics(&["dt/a/+", "dt/b/+", "dt/c/+", "dt/a/x", "e"]);
        assert_eq!(count(&list, 10), 4);
        let shares = split(&list, 2);
        assert_eq!(shares.iter().map(Vec::len).sum::<usize>(), list.len());
        assert!(shares.iter().all(|share| (2..=3).contains(&share.len())), "{shares:?}");
        for (i, share) in shares.iter().enumerate() {
            for other in shares.iter().skip(i + 1).flatten() {
                assert!(share.iter().all(|filter| !overlap(filter, other)), "{shares:?}");
            }
        }
        assert_eq!(meet("dt/+/+/data", "dt/#").as_deref(), Some("dt/+/+/data"));
        assert_eq!(meet("dt/#", "dt").as_deref(), Some("dt"));
        assert_eq!(meet("+/b/#", "a/+/c").as_deref(), Some("a/b/c"));
        assert_eq!(meet("a/+", "b/+"), None);
        assert_eq!(split(&[], 3), vec![Vec::<String>::new(); 3]);
    }
}
