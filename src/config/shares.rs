//! Several MQTT connections share the load by disjoint filters (docs/aws-iot.md#3.3: one carries 100 messages a second). Filters
//! that could bring the same message stay together, so that none is heard twice; nothing is taken from other clients.

use quell_rules::topics::Dialect;

/// How many connections `topics` keep busy, when up to `most` are wanted.
pub(super) fn count(dialect: Dialect, topics: &[String], most: usize) -> usize {
    components(dialect, topics).len().clamp(1, most.max(1))
}

/// The topics of each of `connections`; some may have none.
pub(super) fn split(dialect: Dialect, topics: &[String], connections: usize) -> Vec<Vec<String>> {
    let mut shares: Vec<Vec<String>> = vec![Vec::new(); connections.max(1)];
    let mut parts = components(dialect, topics);
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
fn components(dialect: Dialect, topics: &[String]) -> Vec<Vec<String>> {
    let mut parts: Vec<Vec<String>> = Vec::new();
    for topic in topics {
        let touches = |part: &Vec<String>| part.iter().any(|other| dialect.meets(topic, other));
        let (joined, rest): (Vec<_>, Vec<_>) = parts.into_iter().partition(touches);
        parts = rest;
        let mut part: Vec<String> = joined.into_iter().flatten().collect();
        part.push(topic.clone());
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(list: &[&str]) -> Vec<String> {
        list.iter().map(|topic| (*topic).to_owned()).collect()
    }

    #[test]
    fn what_overlaps_stays_together() {
        let (count, split) = (
            |list: &[String], most| count(Dialect::Aws, list, most),
            |list: &[String], of| split(Dialect::Aws, list, of),
        );
        let list = topics(&["dt/a/+", "dt/b/+", "dt/c/+", "dt/+/x"]);
        assert_eq!(count(&list, 4), 1, "the last one bridges all");
        let list = topics(&["dt/a/+", "dt/b/+", "dt/c/+", "dt/a/x", "e"]);
        assert_eq!(count(&list, 10), 4);
        let shares = split(&list, 2);
        assert_eq!(shares.iter().map(Vec::len).sum::<usize>(), list.len());
        assert!(shares.iter().all(|share| (2..=3).contains(&share.len())), "{shares:?}");
        for (i, share) in shares.iter().enumerate() {
            for other in shares.iter().skip(i + 1).flatten() {
                assert!(share.iter().all(|filter| !Dialect::Aws.meets(filter, other)), "{shares:?}");
            }
        }
        assert_eq!(split(&[], 3), vec![Vec::<String>::new(); 3]);
    }
}
