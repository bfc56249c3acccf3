//! What one connection subscribes to while only some things of a large account are streamed: filters of single things in
//! place of those of all, as many as AWS allows a connection (docs/aws-iot.md#3.3), the things that matter most first.

use crate::config::Settings;
use quell_fleet::model::Name;

use super::filters::{MOST, RESERVED};

/// What is narrowed apart, because a policy may allow the one and not the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The telemetry of a thing.
    Telemetry,
    /// AWS's own topics of a thing: shadow, jobs, Defender's answers.
    Reserved,
}

/// What a policy forbids to narrow: it is subscribed to as a whole instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Forbidden {
    pub(super) telemetry: bool,
    pub(super) reserved: bool,
}

impl Forbidden {
    pub(super) fn note(&mut self, part: Part) {
        match part {
            Part::Telemetry => self.telemetry = true,
            Part::Reserved => self.reserved = true,
        }
    }
}

/// The filters of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Aim {
    /// Each filter, and the part it narrows if it does.
    pub(super) filters: Vec<(String, Option<Part>)>,
    /// Filters AWS's limit leaves no room for, though they are asked for by the configuration.
    pub(super) over: Vec<String>,
    /// The things whose telemetry the filters bring, each with its own filters; `None` when they bring that of all.
    pub(super) things: Option<Vec<(Name, Vec<String>)>>,
}

/// The place among the connections, and what is wanted of all of them together.
pub(super) struct Wish<'a> {
    pub(super) index: usize,
    pub(super) of: usize,
    /// The things to stream, what matters most first; `None` for all.
    pub(super) only: Option<&'a [Name]>,
    pub(super) forbidden: Forbidden,
}

/// What the connection at `index` subscribes to.
pub(super) fn aim(settings: &Settings, wish: &Wish<'_>) -> Aim {
    match wish.only.filter(|_| settings.cannot_narrow().is_none() && !wish.forbidden.telemetry) {
        Some(only) => narrow(settings, wish, only),
        None => wide(settings, wish),
    }
}

fn wide(settings: &Settings, wish: &Wish<'_>) -> Aim {
    let reserved = if settings.aws && wish.index == 0 { RESERVED } else { &[] };
    let mut topics = settings.shares(wish.of).into_iter().nth(wish.index).unwrap_or_default();
    let mut seen = std::collections::HashSet::new();
    topics.retain(|topic| seen.insert(topic.clone()) && !reserved.contains(&topic.as_str()));
    // Our own topics are few and carry the proofs: the last of the telemetry filters go.
    let room = if settings.aws { MOST - reserved.len() } else { usize::MAX };
    let over = topics.split_off(topics.len().min(room));
    let all = topics.into_iter().chain(reserved.iter().map(|filter| (*filter).to_owned()));
    Aim { filters: all.map(|filter| (filter, None)).collect(), over, things: None }
}

fn narrow(settings: &Settings, wish: &Wish<'_>, only: &[Name]) -> Aim {
    let mut filters: Vec<(String, Option<Part>)> = Vec::new();
    if wish.index == 0 {
        // Presence, jobs and membership come from all things still: they are rare, and reads are made because of them.
        let kept = |filter: &str| wish.forbidden.reserved || !filter.starts_with("$aws/things/");
        let reserved = RESERVED.iter().filter(|filter| settings.aws && kept(filter));
        filters.extend(reserved.map(|filter| ((*filter).to_owned(), None)));
        filters.extend(settings.topics_of_none().map(|topic| (topic.clone(), None)));
    }
    let over = filters.split_off(filters.len().min(MOST)).into_iter().map(|(filter, _)| filter).collect();
    let mine: Vec<&Name> = only.iter().filter(|name| place(name.raw(), wish.of) == wish.index).collect();
    let mut things = Vec::new();
    for name in &mine {
        let own = settings.topics_of(name.raw());
        if !own.is_empty() && filters.len() + own.len() <= MOST {
            filters.extend(own.iter().map(|filter| (filter.clone(), Some(Part::Telemetry))));
            things.push(((*name).clone(), own));
        }
    }
    if settings.aws && !wish.forbidden.reserved {
        let safe = |name: &&&Name| !name.raw().is_empty() && !name.raw().contains(['/', '+', '#']);
        for name in mine.iter().filter(safe).take(MOST - filters.len()) {
            filters.push((format!("$aws/things/{}/#", name.raw()), Some(Part::Reserved)));
        }
    }
    Aim { filters, over, things: Some(things) }
}

/// The connection a thing is heard by: always the same, so that its topics keep their numbers.
fn place(thing: &str, of: usize) -> usize {
    // FNV-1a: the same on every machine and in every run.
    let hash = thing.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash % of.max(1) as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ThingFrom;

    fn settings() -> Settings {
        Settings {
            topics: vec!["dt/+/data".into(), "plant".into()],
            thing_from: vec![ThingFrom::parse("dt/{thing}/data").unwrap()],
            ..Settings::default()
        }
    }

    fn names(n: usize) -> Vec<Name> {
        (0..n).map(|i| Name::new(&format!("thing-{i}"))).collect()
    }

    #[test]
    fn only_what_is_wanted_is_asked_for_and_never_more_than_aws_allows() {
        let (settings, all) = (settings(), names(100));
        let wish = |only, index, of| Wish { index, of, only, forbidden: Forbidden::default() };
        let few = aim(&settings, &wish(Some(&all[..2]), 0, 1));
        let has = |aim: &Aim, filter: &str| aim.filters.iter().any(|(f, _)| f == filter);
        assert!(has(&few, "dt/thing-1/data") && has(&few, "$aws/things/thing-1/#") && has(&few, "plant"));
        assert!(has(&few, "$aws/events/presence/#") && !has(&few, "dt/+/data"));
        assert!(!has(&few, "$aws/things/+/shadow/update/delta"));
        let most = aim(&settings, &wish(Some(&all), 0, 1));
        assert_eq!(most.filters.len(), 50);
        let heard = most.things.unwrap();
        assert_eq!(
            heard.first().map(|(name, _)| name.raw()),
            Some("thing-0"),
            "what matters most comes first"
        );
        // Every thing is heard by one connection only, and more connections hear more.
        let shares: Vec<Aim> = (0..3).map(|i| aim(&settings, &wish(Some(&all), i, 3))).collect();
        let mut together: Vec<String> = shares
            .iter()
            .flat_map(|share| share.things.iter().flatten().map(|(name, _)| name.raw().to_owned()))
            .collect();
        assert_eq!(together.len(), 100);
        together.sort_unstable();
        together.dedup();
        assert_eq!(together.len(), 100);
        assert!(shares.iter().all(|share| share.filters.len() <= 50));
    }

    #[test]
    fn what_a_policy_forbids_to_narrow_stays_wide() {
        let (settings, all) = (settings(), names(2));
        let wish = |forbidden| Wish { index: 0, of: 1, only: Some(&all), forbidden };
        let wide = aim(&settings, &wish(Forbidden { telemetry: true, reserved: false }));
        assert!(wide.things.is_none() && wide.filters.contains(&("dt/+/data".to_owned(), None)));
        let half = aim(&settings, &wish(Forbidden { telemetry: false, reserved: true }));
        assert!(half.filters.contains(&("$aws/things/+/shadow/update/delta".to_owned(), None)));
        assert_eq!(half.things.map(|things| things.len()), Some(2));
        let without = Settings { narrow: false, ..settings };
        assert!(aim(&without, &wish(Forbidden::default())).things.is_none());
    }

    #[test]
    fn aws_allows_fifty() {
        let settings =
            Settings { topics: (0..60).map(|i| format!("t/{i}")).collect(), ..Settings::default() };
        let wish = Wish { index: 0, of: 1, only: None, forbidden: Forbidden::default() };
        let aim = aim(&settings, &wish);
        assert_eq!((aim.filters.len(), aim.over.len()), (50, 25));
        assert!(RESERVED.iter().all(|r| aim.filters.iter().any(|(f, _)| f == r)));
    }
}
