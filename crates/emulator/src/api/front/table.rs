//! The route table, compiled: paths cut into segments, the most literal match wins.

use std::cmp::Reverse;

use crate::api::Service;
use crate::api::routes::Route;

enum Segment {
    Literal(&'static str),
    One(&'static str),
    Rest(&'static str),
}

struct Compiled {
    index: usize,
    route: &'static Route,
    segments: Vec<Segment>,
}

/// All routes, those with literal segments first.
pub(super) struct Table(Vec<Compiled>);

/// What a path leads to.
pub(super) enum Found {
    /// An operation: its index in the table, itself, and its path parameters, percent-decoded.
    Route(usize, &'static Route, Vec<(&'static str, String)>),
    /// The path is known, with another method.
    OtherMethod,
    /// Nothing.
    Nothing,
}

impl Table {
    pub(super) fn new(routes: impl Iterator<Item = &'static Route>) -> Self {
        let mut rows: Vec<Compiled> = routes
            .enumerate()
            .map(|(index, route)| Compiled { index, route, segments: compile(route.path) })
            .collect();
        // Lexicographic over segments: at the first difference the literal beats the parameter, which beats the rest.
        rows.sort_by_key(|row| {
            Reverse(
                row.segments
                    .iter()
                    .map(|s| match s {
                        Segment::Literal(_) => 2,
                        Segment::One(_) => 1,
                        Segment::Rest(_) => 0,
                    })
                    .collect::<Vec<u8>>(),
            )
        });
        Self(rows)
    }

    pub(super) fn find(&self, service: Service, method: &str, path: &str) -> Found {
        let parts: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
        let mut other_method = false;
        for row in self.0.iter().filter(|r| r.route.service == service) {
            if row.route.method != method && other_method {
                continue;
            }
            if let Some(params) = matched(&row.segments, &parts) {
                if row.route.method == method {
                    return Found::Route(row.index, row.route, params);
                }
                other_method = true;
            }
        }
        if other_method { Found::OtherMethod } else { Found::Nothing }
    }
}

fn compile(path: &'static str) -> Vec<Segment> {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split('/')
        .map(|segment| match segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
            None => Segment::Literal(segment),
            Some(name) => name.strip_suffix('+').map_or(Segment::One(name), Segment::Rest),
        })
        .collect()
}

fn matched(segments: &[Segment], parts: &[&str]) -> Option<Vec<(&'static str, String)>> {
    let mut params = Vec::new();
    let mut at = 0;
    for segment in segments {
        match segment {
            Segment::Literal(text) => {
                if parts.get(at)? != text && decode(parts.get(at)?) != *text {
                    return None;
                }
            }
            Segment::One(name) => {
                let value = decode(parts.get(at)?);
                if value.is_empty() {
                    return None;
                }
                params.push((*name, value));
            }
            Segment::Rest(name) => {
                let value = parts.get(at..)?.iter().map(|p| decode(p)).collect::<Vec<_>>().join("/");
                if value.is_empty() {
                    return None;
                }
                params.push((*name, value));
                return Some(params);
            }
        }
        at += 1;
    }
    (at == parts.len()).then_some(params)
}

fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{ApiError, Req, Resp};

    fn nothing(_: &Req) -> Result<Resp, ApiError> {
        Resp::empty()
    }

    const fn row(service: Service, op: &'static str, method: &'static str, path: &'static str) -> Route {
        Route { op, service, method, path, tps: 0, handler: nothing }
    }

    static ROWS: &[Route] = &[
        row(Service::Iot, "DescribeJobExecution", "GET", "/things/{t}/jobs/{j}"),
        row(Service::JobsData, "DescribeJobExecution", "GET", "/things/{t}/jobs/{j}"),
        row(Service::JobsData, "UpdateJobExecution", "POST", "/things/{t}/jobs/{j}"),
        row(Service::JobsData, "StartNext", "PUT", "/things/{t}/jobs/$next"),
        row(Service::JobsData, "PutAny", "PUT", "/things/{t}/jobs/{j}"),
        row(Service::Iot, "ListAttachedPolicies", "POST", "/attached-policies/{target+}"),
        row(Service::Iot, "CreateGroup", "PUT", "/thing-groups/{g}"),
        row(Service::Iot, "AddThing", "PUT", "/thing-groups/addThingToThingGroup"),
    ];

    fn find(service: Service, method: &str, path: &str) -> (String, String) {
        match Table::new(ROWS.iter()).find(service, method, path) {
            Found::Route(_, route, params) => {
                (route.op.to_owned(), params.into_iter().map(|p| p.1).collect::<Vec<_>>().join("|"))
            }
            Found::OtherMethod => ("405".to_owned(), String::new()),
            Found::Nothing => ("404".to_owned(), String::new()),
        }
    }

    #[test]
    fn literals_win_services_part_and_segments_are_decoded() {
        let is = |op: &str, params: &str| (op.to_owned(), params.to_owned());
        assert_eq!(find(Service::JobsData, "PUT", "/things/a/jobs/$next"), is("StartNext", "a"));
        assert_eq!(find(Service::JobsData, "PUT", "/things/a/jobs/%24next"), is("StartNext", "a"));
        assert_eq!(find(Service::JobsData, "PUT", "/things/a/jobs/x"), is("PutAny", "a|x"));
        assert_eq!(find(Service::Iot, "PUT", "/thing-groups/addThingToThingGroup"), is("AddThing", ""));
        assert_eq!(find(Service::Iot, "PUT", "/thing-groups/a%3Ab"), is("CreateGroup", "a:b"));
        assert_eq!(
            find(Service::Iot, "POST", "/attached-policies/arn%3Aaws%3Aiot%3Ar%3A1%3Acert%2Fab"),
            is("ListAttachedPolicies", "arn:aws:iot:r:1:cert/ab")
        );
        assert_eq!(
            find(Service::Iot, "POST", "/attached-policies/arn:aws:iot:r:1:cert/ab"),
            is("ListAttachedPolicies", "arn:aws:iot:r:1:cert/ab")
        );
        assert_eq!(find(Service::Iot, "POST", "/things/a/jobs/b"), is("405", ""));
        assert_eq!(find(Service::Iot, "GET", "/things/a/jobs/b/c"), is("404", ""));
        assert_eq!(find(Service::Iot, "GET", "/things//jobs/b"), is("404", ""));
        assert_eq!(find(Service::Iot, "GET", ""), is("404", ""));
    }
}
